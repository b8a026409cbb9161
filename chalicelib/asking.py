"""Requests → the words of the rooms below: bodies and query strings, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from chalice.app import Request
from pydantic import BaseModel, TypeAdapter, ValidationError

from chalicelib import parameters
from chalicelib.errors import InvalidRequest
from chalicelib.library import MAX_IDS, ListRequest
from chalicelib.parameters import Query
from chalicelib.queries import Part, SearchRequest
from chalicelib.records import STATES, Filters, Near

Model = TypeVar("Model", bound=BaseModel)

ASKED = {"q": "text", "id": "id", "vector": "vector", "parts": "parts"}
"""What `GET /search` may be asked for, one of these: all but pictures, which have no room in an
address."""

_WHOLE = re.compile("-?[0-9]{1,18}"), "Must be a whole number."
_FLAG = re.compile("true|false"), "Must be true or false."
_FORMS = {
    **dict.fromkeys(("limit", "min_width", "min_height"), _WHOLE),
    **dict.fromkeys(("facets", "closest"), _FLAG),
}
"""How numbers and flags are written: pydantic would take 1_0, 5.0 and "yes" too."""

_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_PARTS = TypeAdapter(tuple[Part, ...])


def parse_search(query: Mapping[str, str]) -> SearchRequest:
    """That of `GET /search`. Raises `InvalidRequest`."""
    given = [name for name in ASKED if name in query]
    if len(given) != 1:
        raise InvalidRequest(
            "Say what to look for, by exactly one of q, id, vector and parts: /search?q=a+cat.",
            field=given[1] if given else "q",
        )
    if "region" in query and given != ["id"]:
        raise InvalidRequest(
            "A region is a part of an image of the library; give it with id.", field="region"
        )
    read = with_region(with_place(query))
    if "parts" in query:
        read["parts"] = _parts(query["parts"])
    fields = parameters.SEARCH.places()
    if "filters" in query:
        whole = _json(TypeAdapter(Filters), query["filters"], "filters")
        for name in whole.model_fields_set:
            if name in query:
                raise InvalidRequest(
                    f"The filter {name} stands in filters too; give it once.", field=name
                )
            # Those within filters have no parameter of their own.
            fields[f"filters.{name}"] = f"filters.{name}"
            read[f"filters.{name}"] = getattr(whole, name)
        del read["filters"]
    return parse_query(SearchRequest, read, fields)


def _parts(text: str) -> tuple[Part, ...]:
    parts: tuple[Part, ...] = _json(_PARTS, text, "parts")
    for number, part in enumerate(parts):
        if part.image is not None:
            raise InvalidRequest(
                "A picture is sent with POST /search, which answers its vector; an address has"
                " room for that.",
                field=f"parts.{number}.image",
            )
    return parts


def _json(kind: TypeAdapter[Any], text: str, name: str) -> Any:
    """The parameter `name`, which is JSON; types are not guessed. Raises `InvalidRequest`."""
    try:
        return kind.validate_json(text, strict=True)
    except ValidationError as error:
        raise _invalid(error, {}, under=name) from error


def parse_listing(query: Mapping[str, str]) -> ListRequest:
    """That of `GET /images`. Raises `InvalidRequest`."""
    others = dict(query)
    states = others.pop("state", "ready").split(",")
    if unknown := [state for state in states if state not in STATES]:
        raise InvalidRequest(
            f"There is no state {unknown[0][:20]}; the states are {', '.join(STATES)}.",
            field="state",
        )
    request = parse_query(ListRequest, with_place(others), parameters.LISTING.places())
    return request.model_copy(update={"states": tuple(states)})


def parse_ids(query: Mapping[str, str]) -> list[str]:
    """Those of `GET /images?ids=`, each once. Raises `InvalidRequest`."""
    if others := set(query) - {"ids"}:
        raise InvalidRequest("The parameter ids goes with no other.", field=min(others))
    ids = list(dict.fromkeys(query["ids"].split(",")))
    if len(ids) > MAX_IDS:
        raise InvalidRequest(f"Ask for at most {MAX_IDS} ids at a time.", field="ids")
    return ids


def known(query: Mapping[str, list[str]], asks: Query) -> dict[str, str]:
    """The parameters of a request, each given once and one that the route takes. Raises
    `InvalidRequest`."""
    if others := query.keys() - asks.parameters.keys():
        names = ", ".join(sorted(asks.parameters)) or "no parameters"
        raise InvalidRequest(f"Unknown parameter; this route takes {names}.", field=min(others))
    for name, values in query.items():
        if len(values) > 1:
            raise InvalidRequest("Give this parameter once.", field=name)
        form, sentence = _FORMS.get(name, (None, ""))
        if form and not form.fullmatch(values[0]):
            raise InvalidRequest(sentence, field=name)
        if "\ufffd" in values[0]:
            # What is no UTF-8 comes with this in its place, by API Gateway and by the local front.
            raise InvalidRequest("The value is not valid UTF-8.", field=name)
    return {name: values[0] for name, values in query.items()}


def path_part(text: str) -> str:
    """A part of a path as it is meant: API Gateway's REST API and the local front hand it on as it
    was sent, percent-encoded (https://github.com/aws/chalice/issues/511). Raises
    `InvalidRequest`."""
    try:
        if _NO_ESCAPE.search(text):
            raise ValueError
        return unquote(text, errors="strict")
    except ValueError:
        raise InvalidRequest(
            "The path is not encoded well: a % needs two hex digits, and together they are UTF-8."
        ) from None


def parse_body(model: type[Model], request: Request) -> Model:
    """The JSON body as `model`; types are not guessed. Raises `InvalidRequest`."""
    body = request.raw_body
    if not body:
        raise InvalidRequest("Send a JSON body.")
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise _invalid(error, {}) from error


def with_place(query: Mapping[str, str]) -> dict[str, Any]:
    """`query` with its "near" taken apart. Raises `InvalidRequest`."""
    if "near" not in query:
        return dict(query)
    given = query["near"].split(",")
    try:
        place = dict(zip(Near.model_fields, given, strict=True))
        Near.model_validate_strings(place)
    except ValueError as error:
        raise InvalidRequest(
            "A place is latitude, longitude and a distance in kilometres, such as"
            " near=48.14,11.58,5: -90 to 90 and -180 to 180 degrees, more than 0 and at most"
            " 20,100 km.",
            field="near",
        ) from error
    return {**query, "near": place}


def with_region(query: dict[str, Any]) -> dict[str, Any]:
    """`query` with its "region" taken apart."""
    return {**query, "region": query["region"].split(",")} if "region" in query else query


def parse_query(model: type[Model], query: Mapping[str, Any], fields: dict[str, str]) -> Model:
    """The query string as `model`; some of it may have been read already. `fields` maps each
    parameter to its path in the model ("q" → "text", "format" → "filters.format"). Raises
    `InvalidRequest`."""
    values: dict[str, Any] = {}
    for name, value in query.items():
        *path, last = fields[name].split(".")
        place = values
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _invalid(error, {path: name for name, path in fields.items()}) from error


def flag(value: str, field: str) -> bool:
    """A parameter that is on or off. Raises `InvalidRequest`."""
    if value not in ("true", "false", "1", "0"):
        raise InvalidRequest("Must be true or false.", field=field)
    return value in ("true", "1")


_SENTENCES = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field here.",
    "json_invalid": "This is not valid JSON.",
    "string_too_long": "At most {max_length} characters.",
    "string_too_short": "At least {min_length} characters.",
    "greater_than_equal": "Must be {ge} or more.",
    "greater_than": "Must be more than {gt}.",
    "less_than_equal": "Must be {le} or less.",
    "finite_number": "Must be a finite number.",
    "float_type": "Must be a number.",
    "too_long": "At most {max_length} of these.",
    "too_short": "At least {min_length} of these.",
    "int_parsing": "Must be a whole number.",
    "int_type": "Must be a whole number.",
    "int_from_float": "Must be a whole number.",
    "bool_parsing": "Must be true or false.",
    "bool_type": "Must be true or false.",
    "string_type": "Must be text.",
    "string_pattern_mismatch": "Not of the right form.",
    "literal_error": "Must be one of {expected}.",
    "list_type": "Must be a list.",
    "tuple_type": "Must be a list.",
    "model_type": "Must be a JSON object.",
    "datetime_type": "Must be a day or time in ISO 8601, such as 2024-05-31.",
}


def _invalid(error: ValidationError, names: dict[str, str], under: str = "") -> InvalidRequest:
    """The first fault, as one sentence and the field the caller knows it by; `under`: the parameter
    that it is in."""
    first = error.errors(include_url=False)[0]
    parts = [
        str(p)
        for p in (*filter(None, [under]), *first["loc"])
        if p not in ("datetime", "date", "function-before")
    ]
    path = ".".join(p for p in parts if not p.startswith("function-"))
    if first["type"] == "value_error":
        message = first["msg"].removeprefix("Value error, ")
    else:
        # pydantic's own sentences speak of inputs and instances.
        sentence = _SENTENCES.get(first["type"], "Not of the right form.")
        message = sentence.format(**first.get("ctx", {}))
    message = message[:1].upper() + message[1:]
    return InvalidRequest(message.rstrip(".") + ".", field=names.get(path, path) or None)
