"""The contract as one document: OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1.html), made from
what the routes say of themselves and from the models and shapes they name. Pure."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from pydantic import TypeAdapter

from chalicelib import codes, shapes
from chalicelib.auth import RESOURCE_SERVER
from chalicelib.contract import Operation
from chalicelib.examples import EXAMPLES, PATH_EXAMPLES
from chalicelib.parameters import Parameter, Query
from chalicelib.queries import KINDS

_REF = "#/components/schemas/{model}"
_JSON = "application/json"
_ID = "^[0-9a-f]{32}$"

_ALWAYS = (400, 429, 500, 503, 504)
"""What any route may be answered with; 429 and 504 come from API Gateway."""

_MEANINGS = {
    304: "What you have is still the same.",
    400: "The request breaks a rule.",
    401: "No caller could be made out.",
    403: "This caller may not do that.",
    404: "There is no such thing.",
    413: "The body or the picture is too large.",
    415: "The body is not JSON, or the file no image.",
    422: "The picture cannot be read.",
    429: "Too much at a time.",
    500: "The fault is ours.",
    503: "A part did not answer; try again.",
    504: "It took too long; try again.",
}

_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token with one of the scopes named.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "session",
        "description": "What POST /session sets, for the pictures of a page.",
    },
    "sigv4": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4 for the service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}
_SCHEMES = {"cognito": ("bearer", "session"), "iam": ("sigv4",), "none": ()}


def _just(*names: str) -> dict[str, Any]:
    """Exactly one of these is there, and is not null."""
    there = {"not": {"type": "null"}}
    return {"oneOf": [{"required": [name], "properties": {name: there}} for name in names]}


_ONE_OR_ALL = {
    "oneOf": [
        {
            "required": ["id"],
            "properties": {"id": {"type": "string", "minLength": 1}, "all": {"const": False}},
        },
        {
            "required": ["all"],
            "properties": {"all": {"const": True}, "id": {"enum": [None, ""]}},
        },
    ]
}
_RULES: dict[str, dict[str, Any]] = {
    "Part": _just(*KINDS),
    "SearchRequest": _just(*KINDS, "parts"),
    "Chosen": _ONE_OR_ALL,
    "Discarded": _ONE_OR_ALL,
}
"""What these models check by code, as far as JSON Schema can say it."""


class Described(Protocol):
    """What has routes that say what they take and give; an `Application` is one."""

    operations: dict[tuple[str, str], Operation]


@functools.lru_cache(maxsize=8)
def text(described: Described, *, auth: str, version: str, server: str) -> str:
    """The document as JSON, made once: some 100 ms."""
    said = document(described.operations, auth=auth, version=version, server=server)
    return json.dumps(said, ensure_ascii=False)


def document(
    operations: Mapping[tuple[str, str], Operation], *, auth: str, version: str, server: str
) -> dict[str, Any]:
    """Of routes by (method, path). `auth`: how callers are made out, as `Settings.auth` has it;
    `server`: the address of the API."""
    schemas = _Schemas(operations)
    paths: dict[str, Any] = {}
    for (method, path), operation in operations.items():
        said = _operation(path, operation, schemas, auth)
        paths.setdefault(path, {})[method.lower()] = said
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Image Intellisense",
            "version": version,
            "description": "Finds images by what they show. Every error has the same shape and a"
            " stable code; a method that a path does not name is answered with 405.",
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": schemas.all(),
            "securitySchemes": {name: _SECURITY[name] for name in _SCHEMES[auth]},
        },
    }


class _Schemas:
    """The JSON schemas of all models and shapes that the routes name."""

    def __init__(self, operations: Mapping[tuple[str, str], Operation]) -> None:
        wanted: dict[Any, str] = {shapes.Error: "serialization"}
        for operation in operations.values():
            for kind in (operation.gives, *operation.also.values()):
                if kind is not None:
                    wanted[kind] = "serialization"
            for model in (operation.takes, operation.asks.model):
                if model is not None:
                    wanted[model] = "validation"
        inputs = [(kind, mode, TypeAdapter(kind)) for kind, mode in wanted.items()]
        _, found = TypeAdapter.json_schemas(inputs, ref_template=_REF)  # type: ignore[arg-type]
        self._all: dict[str, dict[str, Any]] = {
            name: _closed(_untitled(schema)) for name, schema in found["$defs"].items()
        }
        for name, schema in self._all.items():
            schema |= _RULES.get(name, {})
            if name in EXAMPLES:
                schema["examples"] = EXAMPLES[name]

    def all(self) -> dict[str, Any]:
        return dict(sorted(self._all.items()))

    def at(self, model: type, place: str) -> dict[str, Any]:
        """Of the part of `model` at `place`, such as "filters.format"."""
        schema: dict[str, Any] = self._all[model.__name__]
        for name in place.split("."):
            schema = _resolved(schema, self._all)["properties"][name]
        return schema


def _resolved(schema: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    ref = schema.get("$ref")
    found: dict[str, Any] = known[ref.rpartition("/")[2]] if ref else schema
    return found


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes of names, which say nothing."""
    if isinstance(schema, list):
        return [_untitled(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: v for k, v in schema.items() if not (k == "title" and isinstance(v, str))}
    return {k: _untitled(v) for k, v in kept.items()}


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Nothing is in an answer that its shape does not name, unless that says so."""
    return {**schema, "additionalProperties": False, **schema} if "properties" in schema else schema


def _operation(path: str, operation: Operation, schemas: _Schemas, auth: str) -> dict[str, Any]:
    summary, _, more = operation.says.partition("\n")
    said: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [path.split("/")[1]],
        "summary": summary.strip().rstrip("."),
    }
    if more.strip():
        said["description"] = " ".join(more.split())
    if parameters := [*_in_path(path), *_in_query(operation.asks, schemas)]:
        said["parameters"] = parameters
    if operation.takes:
        schema = {"$ref": _REF.format(model=operation.takes.__name__)}
        said["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    said["responses"] = _responses(path, operation, auth)
    said["security"] = _security(operation, auth)
    return said


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": _ID},
            "example": PATH_EXAMPLES[name],
        }


def _in_query(query: Query, schemas: _Schemas) -> Iterator[dict[str, Any]]:
    for name, parameter in query.parameters.items():
        said: dict[str, Any] = {
            "name": name,
            "in": "query",
            "description": parameter.says,
            "schema": _schema_of(parameter, query, schemas),
        }
        if parameter.example:
            said["example"] = _typed(parameter.example, said["schema"])
        yield said


def _schema_of(parameter: Parameter, query: Query, schemas: _Schemas) -> dict[str, Any]:
    if parameter.schema or query.model is None:
        return dict(parameter.schema) or {"type": "string"}
    schema = schemas.at(query.model, parameter.place)
    # There is no null in a query string: what is not asked for is left out.
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if not kinds:
        return schema
    kept = {k: v for k, v in schema.items() if k not in ("anyOf", "default")}
    return {**kept, **kinds[0]} if len(kinds) == 1 else {**kept, "anyOf": kinds}


def _typed(example: str, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "boolean":
        return example == "true"
    return int(example) if kind == "integer" else example


def _responses(path: str, operation: Operation, auth: str) -> dict[str, Any]:
    statuses = {*_ALWAYS, *operation.refuses}
    if operation.scopes:
        statuses |= {403} if auth == "none" else {401, 403}
    if "{" in path:
        statuses.add(404)
    if operation.takes:
        statuses |= {413, 415}
    said = {str(operation.status): _good(operation)}
    said |= {str(status): _error(status) for status in statuses}
    for status, shape in operation.also.items():
        if shape is None:
            said[str(status)] = {"description": _MEANINGS[status]}
            continue
        schema = {"$ref": _REF.format(model=shape.__name__)}
        content = {_JSON: {"schema": schema}}
        said[str(status)] = {"description": _MEANINGS[status], "content": content}
    return dict(sorted(said.items()))


def _good(operation: Operation) -> dict[str, Any]:
    if operation.gives is None:
        location = {"required": True, "schema": {"type": "string", "format": "uri"}}
        return {
            "description": "An address that is good for some minutes.",
            "headers": {"Location": location},
        }
    schema = {"$ref": _REF.format(model=operation.gives.__name__)}
    return {"description": operation.gives.__doc__, "content": {_JSON: {"schema": schema}}}


def _error(status: int) -> dict[str, Any]:
    known = codes.of_status(status)
    code = {"properties": {"error": {"properties": {"code": {"enum": known}}}}}
    schema = {"$ref": _REF.format(model="Error"), **code}
    return {"description": _MEANINGS[status], "content": {_JSON: {"schema": schema}}}


def _security(operation: Operation, auth: str) -> list[dict[str, list[str]]]:
    """Any one of these will do; none: open to all."""
    if not operation.scopes or auth == "none":
        return []
    if auth == "iam":
        return [{"sigv4": []}]
    ways: list[dict[str, list[str]]] = [
        {"bearer": [f"{RESOURCE_SERVER}/{scope}"]} for scope in operation.scopes
    ]
    return [*ways, {"session": []}] if operation.cookie else ways
