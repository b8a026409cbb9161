"""A Hugging Face hub on 127.0.0.1: repositories, what the API says of them, and their bytes.

What it answers is the real one's: `/api/models/REPO/revision/REV` lists files with git and LFS
hashes; `/REPO/resolve/COMMIT/FILE` serves small files itself and sends LFS files on to a CDN, here
another port; errors carry X-Error-Code. It can be told to misbehave: `Hub.faults`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN = "hf_letmein"


@dataclass
class Request:
    """One request as it was served: `sent` bytes of body, on the hub or on its CDN."""

    method: str
    path: str
    status: int = 0
    range: str | None = None
    authorization: str | None = None
    sent: int = 0
    cdn: bool = False


@dataclass
class Faults:
    """What goes wrong. Files are named by their path in the repository."""

    statuses: dict[str, list[int]] = field(default_factory=dict)
    """Status to answer instead, one after the other; the key "api" is the listing."""
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """Bytes after which the connection breaks, for one request after the other."""
    holds: dict[str, int] = field(default_factory=dict)
    """Bytes after which the rest waits until `Hub.release`."""
    corrupt: set[str] = field(default_factory=set)
    """Served with one bit turned."""
    no_ranges: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    page: bytes | None = None
    """What a log-in page answers to everything."""


@dataclass
class Repo:
    files: dict[str, bytes]
    needs_token: bool = False
    gated: bool = False

    @property
    def commit(self) -> str:
        """Another for other contents, as git's."""
        told = json.dumps({name: hashlib.sha1(b).hexdigest() for name, b in self.files.items()})
        return hashlib.sha1(told.encode()).hexdigest()


def is_lfs(name: str) -> bool:
    return not name.endswith((".json", ".md", ".txt")) and name != "LICENSE"


class Hub:
    """The hub, its repositories, and what it was asked."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.history: dict[str, dict[str, bytes]] = {}
        self.faults = Faults()
        self.requests: list[Request] = []
        self.release = threading.Event()
        self.endpoint = ""
        self.cdn = ""

    def add(self, name: str, folder: Path) -> Repo:
        """Publish a folder; what was there before stays at its commit."""
        files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        repo = self.repos[name] = Repo(files)
        self.history[repo.commit] = files
        return repo

    def files_asked(self) -> list[Request]:
        """The requests for bytes that were answered with some."""
        return [r for r in self.requests if r.method == "GET" and r.sent and "/api/" not in r.path]

    def sent(self, name: str) -> int:
        """How many bytes of a file went out, over all requests."""
        return sum(r.sent for r in self.files_asked() if r.path.endswith("/" + name))


class _Handler(BaseHTTPRequestHandler):
    """Serves the hub and the CDN: `server.cdn` says which."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self.seen = Request("GET", unquote(urlsplit(self.path).path), cdn=self.server.cdn)
        self.seen.range = self.headers.get("Range")
        self.seen.authorization = self.headers.get("Authorization")
        hub = self.server.hub
        hub.requests.append(self.seen)
        if hub.faults.page is not None:
            return self._bytes(hub.faults.page)
        if self.server.cdn:
            _, _, commit, name = self.seen.path.split("/", 3)
            return self._file(name, hub.history[commit][name])
        if self.seen.path.startswith("/api/models/"):
            return self._listing(self.seen.path.removeprefix("/api/models/"))
        repo, _, rest = self.seen.path[1:].partition("/resolve/")
        commit, _, name = rest.partition("/")
        return self._resolve(repo, commit, name) if name else self._error(404)

    def _listing(self, path: str) -> None:
        name, _, revision = path.partition("/revision/")
        if self._refused("api", name):
            return None
        repo = self.server.hub.repos[name]
        commit = repo.commit if revision in ("", "main") else revision
        files = self.server.hub.history.get(commit)
        if files is None:
            return self._error(404, "RevisionNotFound")
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = [self._sibling(n, b) if blobs else {"rfilename": n} for n, b in files.items()]
        body = {"id": name, "sha": commit, "private": False, "tags": [], "siblings": siblings}
        return self._bytes(json.dumps(body).encode(), "application/json")

    def _sibling(self, name: str, data: bytes) -> dict[str, object]:
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        told: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": blob}
        if is_lfs(name):
            sha256 = hashlib.sha256(data).hexdigest()
            # The blob of an LFS file is that of its pointer, which is no hash of the bytes.
            told["blobId"] = hashlib.sha1(sha256.encode()).hexdigest()
            told["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
        return told

    def _resolve(self, repo: str, commit: str, name: str) -> None:
        if self._refused(name, repo):
            return None
        if self.server.hub.repos[repo].gated and self.seen.authorization is None:
            return self._error(401, "GatedRepo")
        files = self.server.hub.history.get(commit)
        if files is None or name not in files:
            return self._error(404, "RevisionNotFound" if files is None else "EntryNotFound")
        if not is_lfs(name):
            return self._file(name, files[name])
        self.seen.status = 302
        self.send_response(302)
        self.send_header("Location", f"{self.server.hub.cdn}/blobs/{commit}/{name}")
        self.send_header("X-Repo-Commit", commit)
        self.send_header("X-Linked-Size", str(len(files[name])))
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(files[name]).hexdigest()}"')
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def _refused(self, what: str, repo: str) -> bool:
        """Answers an error where there is to be one."""
        hub = self.server.hub
        if planned := hub.faults.statuses.get(what):
            self._error(planned.pop(0))
            return True
        known = hub.repos.get(repo)
        if known is None or (known.needs_token and self.seen.authorization != f"Bearer {TOKEN}"):
            # The hub does not tell strangers which repositories there are.
            if self.seen.authorization == f"Bearer {TOKEN}":
                self._error(404, "RepoNotFound")
            else:
                self._error(401)
            return True
        return False

    def _file(self, name: str, data: bytes) -> None:
        faults = self.server.hub.faults
        if name in faults.corrupt:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start = 0
        if self.seen.range and not faults.no_ranges:
            start = int(self.seen.range.removeprefix("bytes=").partition("-")[0])
        self.seen.status = 206 if start else 200
        self.send_response(self.seen.status)
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        end = len(data)
        if cuts := faults.cuts.get(name):
            end = min(end, start + cuts.pop(0))
        if name in faults.holds:
            self._send(data[start : faults.holds[name]])
            start = max(start, faults.holds[name])
            self.server.hub.release.wait(60)
        self._send(data[start:end])
        if end < len(data):
            self.close_connection = True

    def _send(self, data: bytes) -> None:
        # Counted first: whoever has read them may ask at once how many there were.
        self.seen.sent += len(data)
        with contextlib.suppress(OSError):
            self.wfile.write(data)
            self.wfile.flush()

    def _bytes(self, body: bytes, kind: str = "text/html") -> None:
        self.seen.status = 200
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(body)

    def _error(self, status: int, code: str | None = None) -> None:
        self.seen.status = status
        body = b'{"error": "said by the hub"}'
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        for name, value in self.server.hub.faults.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test says what it needs to."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: Hub, *, cdn: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub, self.cdn = hub, cdn

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def running() -> Iterator[Hub]:
    """The hub and its CDN, until the block ends."""
    hub = Hub()
    servers = [_Server(hub, cdn=cdn) for cdn in (False, True)]
    hub.endpoint, hub.cdn = (server.url for server in servers)
    threads = [threading.Thread(target=s.serve_forever, args=(0.02,), daemon=True) for s in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.release.set()
        for server in servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running() as hub:
        yield hub
