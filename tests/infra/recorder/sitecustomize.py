"""Every Python process that has this folder on its PYTHONPATH loads this at its start
(https://docs.python.org/3/library/site.html), and then writes down what it asks of AWS and of
OpenSearch, a JSON line a call, into the folder that RECORD_CALLS_TO names. So product code runs as
it is, in processes of its own, and has nothing in it for tests.

Nothing is imported before the program itself does: the classes are changed as their modules load.
"""

from __future__ import annotations

import importlib.abc
import json
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

FOLDER = os.environ.get("RECORD_CALLS_TO", "")
FUNCTION = os.environ.get("RECORD_CALLS_AS", "")


def note(service: str, operation: str, parameters: dict[str, Any], *, signed: bool = False) -> None:
    """Keeps the parameters that are texts: they name what is asked for."""
    texts = {name: value for name, value in parameters.items() if isinstance(value, str)}
    row: dict[str, Any] = {"function": FUNCTION, "service": service, "operation": operation}
    row |= {"parameters": texts, "signed": signed}
    line = (json.dumps(row) + "\n").encode()
    file = os.open(f"{FOLDER}/{os.getpid()}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def calls(module: ModuleType) -> None:
    kind = module.BaseClient
    call = kind._make_api_call

    def noted(self: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
        note(self.meta.service_model.service_name, operation_name, api_params)
        return call(self, operation_name, api_params)

    kind._make_api_call = noted


def signatures(module: ModuleType) -> None:
    """Who follows a presigned address acts with the rights of who signed it."""
    url, post = module.generate_presigned_url, module.generate_presigned_post

    def noted_url(
        self: Any, ClientMethod: str, Params: dict[str, Any] | None = None, **given: Any
    ) -> Any:
        operation = self._PY_TO_OP_NAME[ClientMethod]
        note(self.meta.service_model.service_name, operation, Params or {}, signed=True)
        return url(self, ClientMethod, Params, **given)

    def noted_post(self: Any, Bucket: str, Key: str, **given: Any) -> Any:
        note("s3", "PutObject", {"Bucket": Bucket, "Key": Key}, signed=True)
        return post(self, Bucket, Key, **given)

    module.generate_presigned_url = noted_url  # type: ignore[attr-defined]
    module.generate_presigned_post = noted_post  # type: ignore[attr-defined]


def requests(module: ModuleType) -> None:
    kind = module.Urllib3HttpConnection
    perform = kind.perform_request

    def noted(
        self: Any, method: str, url: str, params: Any = None, body: Any = None, **given: Any
    ) -> Any:
        sent = body.encode() if isinstance(body, str) else body or b""
        note("es", method, {"path": url, "index_in_body": "yes" if b'"_index"' in sent else "no"})
        return perform(self, method, url, params, body, **given)

    kind.perform_request = noted


HOOKS: dict[str, Callable[[ModuleType], None]] = {
    "botocore.client": calls,
    "botocore.signers": signatures,
    "opensearchpy.connection.http_urllib3": requests,
}


class Watch(importlib.abc.MetaPathFinder):
    """Finds nothing itself; sees to what the other finders find."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name not in HOOKS:
            return None
        finders = (f for f in sys.meta_path if f is not self)
        spec = next((s for f in finders if (s := f.find_spec(name, path, target))), None)
        if spec and spec.loader:
            load = spec.loader.exec_module

            def loaded(module: ModuleType) -> None:
                load(module)
                HOOKS[name](module)

            spec.loader.exec_module = loaded  # type: ignore[method-assign]
        return spec


if FOLDER:
    sys.meta_path.insert(0, Watch())
