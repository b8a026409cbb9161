"""Answers held to the contract that `GET /openapi.json` tells."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs

import app as routes
from chalicelib import openapi

SAID_BY_THE_FRONT = (403, 405, 413)
"""Of any path: by the front of the one-machine stack, or of a method that is no operation."""


class Promise:
    """Of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._known: dict[str, Any] = {}

    def hold(
        self, method: str, address: str, status: int, headers: Mapping[str, str], body: str | bytes
    ) -> None:
        """Raises `AssertionError` where an answer is not as it was promised."""
        path = urlsplit(address).path.removeprefix("/api")
        said = self._document["paths"].get(self._route(path), {}).get(method.lower())
        if said is None or (status in SAID_BY_THE_FRONT and str(status) not in said["responses"]):
            return
        what = f"{method} {path} answered {status}"
        assert str(status) in said["responses"], f"{what}, which its contract does not name"
        promised = said["responses"][str(status)]
        for name in promised.get("headers", {}):
            assert headers.get(name) or headers.get(name.lower()), f"{what} without {name}"
        if "content" not in promised:
            return
        kind = headers.get("content-type") or headers.get("Content-Type")
        assert kind == "application/json", f"{what} as {kind}"
        schema = promised["content"]["application/json"]["schema"]
        faults = [
            f"{'.'.join(map(str, fault.instance_path))}: {fault.message}"
            for fault in self._validator(schema).iter_errors(json.loads(body))
        ]
        assert faults == [], f"{what}: {faults}"

    def _route(self, path: str) -> str:
        parts = path.split("/")
        for route in self._document["paths"]:
            pattern = route.split("/")
            if len(pattern) == len(parts) and all(
                wanted in (part, "{id}") for wanted, part in zip(pattern, parts, strict=True)
            ):
                return str(route)
        return ""

    def _validator(self, schema: dict[str, Any]) -> Any:
        name = json.dumps(schema, sort_keys=True)
        if name not in self._known:
            whole = {**schema, "components": self._document["components"]}
            self._known[name] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        return self._known[name]


@functools.cache
def promise(auth: str) -> Promise:
    """What this code promises where callers are made out in this way."""
    return Promise(
        json.loads(openapi.text(routes.app, auth=auth, version="1", server="http://127.0.0.1"))
    )
