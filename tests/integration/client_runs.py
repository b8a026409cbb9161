"""`python -m client` as the tests run it, and what it goes through on its way."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.local_stack import LocalStack, environment
from tests.integration.pictures import jpeg
from tests.integration.proxy import Asked, Fault, Hold, Proxy, proxy_before


@dataclass(frozen=True)
class Machine:
    """Whose user runs the client: `state` is what it keeps."""

    state: Path
    url: str

    def _command(self, *arguments: str | Path) -> list[str]:
        command, *rest = map(str, arguments)
        return [sys.executable, "-m", "client", command, "--url", self.url, *rest]

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        return environment(IMAGES_CLIENT_STATE=str(self.state), **variables)

    def run(self, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=240, env=self._environment(variables),
        )  # fmt: skip

    def start(self, *arguments: str | Path, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=stderr, text=True, env=self._environment({}),
        )  # fmt: skip

    def told(self, *arguments: str | Path, status: int = 0, **variables: str) -> dict[str, Any]:
        """What it says with --json."""
        done = self.run(*arguments, "--json", **variables)
        assert done.returncode == status, done.stdout + done.stderr
        body: dict[str, Any] = json.loads(done.stdout)
        return body


def photos(folder: Path, count: int, first: int = 0) -> Path:
    """A folder of so many pictures, no two the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number:04}.jpg").write_bytes(jpeg(50_000 + number))
    return folder


def there(stack: LocalStack, collection: str) -> list[bytes]:
    """The bytes of each object in a collection, in order of size and content."""
    keys = [key for key in stack.objects() if key.startswith(f"{collection}/")]
    got = [stack.s3.get_object(Bucket="photos", Key=key)["Body"].read() for key in keys]
    return sorted(got)


def on_disk(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.rglob("*.jpg"))


@dataclass
class Way:
    """The way to a stack: `api` and `store` are proxies, `url` is the page's."""

    api: Proxy
    store: Proxy

    @property
    def url(self) -> str:
        return self.api.url

    def uploads(self) -> int:
        """How many places were asked for."""
        return sum(e.asked.path.endswith("/uploads") for e in list(self.api.exchanges))

    def posts(self, status: int | None = None) -> int:
        """How many forms came to the store, with that answer."""
        asked = [e for e in list(self.store.exchanges) if e.asked.method == "POST"]
        return sum(status is None or e.status == status for e in asked)


@contextmanager
def way_to(stack: LocalStack) -> Iterator[Way]:
    """Addresses of the store in answers of the API lead through its proxy."""
    with proxy_before(stack.url) as api, proxy_before(stack.s3_url) as store:
        api.rewrite = lambda answer: answer.replace(stack.s3_url.encode(), store.url.encode())
        yield Way(api, store)


def once(fault: Fault, wanted: Callable[[Asked], bool], times: int = 1) -> Callable[[Asked], Fault]:
    """`fault` for the first so many requests that are `wanted`."""
    left = iter([fault] * times)

    def one(asked: Asked) -> Fault:
        return next(left, None) if wanted(asked) else None

    return one


def is_form(asked: Asked) -> bool:
    return asked.method == "POST"


def asks_for_places(asked: Asked) -> bool:
    return asked.path.endswith("/uploads")


class Held:
    """From the form after so many on, all forms wait on their way, `held` of them so far."""

    def __init__(self, way: Way, after: int) -> None:
        self.held = 0
        self.going = threading.Event()
        self._left = after
        self._lock = threading.Lock()
        way.store.fault = self._fault

    def _fault(self, asked: Asked) -> Hold | None:
        with self._lock:
            if not is_form(asked):
                return None
            self._left -= 1
            if self._left >= 0:
                return None
            self.held += 1
            return Hold(self.going)
