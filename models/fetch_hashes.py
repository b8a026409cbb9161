"""The two hashes that a file on the hub goes by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from models.fetch_plan import Remote

_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Hashes:
    """`sha256` of the bytes; `blob`: git's hash of them, SHA-1 of "blob", a space, the size in
    decimal, a zero byte and the bytes (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects)."""

    sha256: str
    blob: str


def hashes_of(path: Path) -> Hashes:
    """Both, in one reading."""
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            blob.update(chunk)
    return Hashes(sha256.hexdigest(), blob.hexdigest())


def is_remote(path: Path, remote: Remote) -> str | None:
    """The sha256 of a file that is just what the hub lists; None where it is not, or not known."""
    if not path.is_file() or path.stat().st_size != remote.size:
        return None
    hashes = hashes_of(path)
    known = (remote.sha256, hashes.sha256), (remote.blob, hashes.blob)
    told = [expected == got for expected, got in known if expected]
    return hashes.sha256 if told and all(told) else None
