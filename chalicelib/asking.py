"""Requests → the words of the rooms below: bodies and query strings, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from chalice.app import Request
from pydantic import BaseModel, ValidationError

from chalicelib.errors import InvalidRequest
from chalicelib.library import ListRequest
from chalicelib.queries import SearchRequest
from chalicelib.records import STATES, Filters, Near

Model = TypeVar("Model", bound=BaseModel)

FILTERS = {
    name: f"filters.{name}"
    for name in Filters.model_fields
    if name not in ("all_of", "any_of", "none_of")
}
"""Those that fit into a query string, and their place in a request."""

SEARCH = ("limit", "cursor", "facets", "collapse", "closest", "order")


def parse_search(query: Mapping[str, str]) -> SearchRequest:
    """That of `GET /search`. Raises `InvalidRequest`."""
    if "q" not in query:
        raise InvalidRequest("Say what to look for: /search?q=a+cat.", field="q")
    fields = {"q": "text", **{name: name for name in SEARCH}, **FILTERS}
    return parse_query(SearchRequest, with_place(query), fields)


def parse_listing(query: Mapping[str, str]) -> ListRequest:
    """That of `GET /images`. Raises `InvalidRequest`."""
    others = dict(query)
    states = others.pop("state", "ready").split(",")
    if unknown := [state for state in states if state not in STATES]:
        raise InvalidRequest(
            f"There is no state {unknown[0][:20]}; the states are {', '.join(STATES)}.",
            field="state",
        )
    fields = {"limit": "limit", "cursor": "cursor", **FILTERS}
    request = parse_query(ListRequest, with_place(others), fields)
    return request.model_copy(update={"states": tuple(states)})


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


def parse_query(model: type[Model], query: Mapping[str, Any], fields: dict[str, str]) -> Model:
    """The query string as `model`. `fields` maps each parameter to its path in the model
    ("q" → "text", "format" → "filters.format"); others are refused. Raises `InvalidRequest`."""
    values: dict[str, Any] = {}
    for name, value in query.items():
        if name not in fields:
            known = ", ".join(sorted(fields))
            raise InvalidRequest(f"Unknown parameter; this route takes {known}.", field=name)
        *path, last = fields[name].split(".")
        place = values
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    try:
        return model.model_validate_strings(values)
    except ValidationError as error:
        raise _invalid(error, {path: name for name, path in fields.items()}) from error


def flag(value: str, field: str) -> bool:
    """A parameter that is on or off; "" is off. Raises `InvalidRequest`."""
    if value not in ("", "true", "false"):
        raise InvalidRequest("Must be true or false.", field=field)
    return value == "true"


_SENTENCES = {
    "missing": "This field is required.",
    "extra_forbidden": "Unknown field.",
    "json_invalid": "The body is not valid JSON.",
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
    "model_type": "Must be an object, {{…}}.",
    "datetime_type": "Must be a day or time in ISO 8601, such as 2024-05-31.",
}


def _invalid(error: ValidationError, names: dict[str, str]) -> InvalidRequest:
    """The first fault, as one sentence and the field the caller knows it by."""
    first = error.errors(include_url=False)[0]
    parts = [str(p) for p in first["loc"] if p not in ("datetime", "date", "function-before")]
    path = ".".join(p for p in parts if not p.startswith("function-"))
    if first["type"] == "value_error":
        message = first["msg"].removeprefix("Value error, ")
    else:
        # pydantic's own sentences speak of inputs and instances.
        sentence = _SENTENCES.get(first["type"], "Not of the right form.")
        message = sentence.format(**first.get("ctx", {}))
    message = message[:1].upper() + message[1:]
    return InvalidRequest(message.rstrip(".") + ".", field=names.get(path, path) or None)
