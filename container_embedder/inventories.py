"""Where inventories lie, in S3 or in a folder; their files are checked before they are read."""

from __future__ import annotations

import hashlib
import tempfile
from functools import partial
from pathlib import Path
from typing import IO

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.errors import InvalidRequest, NotFound
from chalicelib.inventory import DataFile, Manifest, listed
from chalicelib.reconcile import Listing
from chalicelib.storage import S3Bucket

S3 = "s3://"


def s3_place(address: str) -> tuple[str, str]:
    """(bucket, key) of "s3://bucket/key". Raises `InvalidRequest`."""
    bucket, slash, key = address.removeprefix(S3).partition("/")
    if not (bucket and slash and key):
        raise InvalidRequest(f"{address} is not like s3://bucket/path/to/file.")
    return bucket, key


def inventory(address: str, settings: Settings) -> Listing:
    """What the inventory says whose manifest is at `address`: "s3://…", or a path.

    Raises `InvalidRequest` where it is none, or one of another bucket.
    """
    if address.startswith(S3):
        bucket, key = s3_place(address)
        with tempfile.TemporaryFile() as file:
            _bucket(settings, bucket).download(key, file)
            file.seek(0)
            manifest = Manifest.parse(file.read(), address)
        fetch = partial(_download, _bucket(settings, manifest.destination))
    else:
        path = Path(address)
        manifest = Manifest.parse(_read(path), address)
        fetch = partial(_open, path)
    if manifest.source != settings.bucket:
        raise InvalidRequest(
            f"This is the inventory of the bucket {manifest.source}, not of {settings.bucket}.",
            field="inventory",
        )
    return Listing(objects=listed(manifest, fetch), as_of=manifest.as_of)


def _bucket(settings: Settings, name: str) -> S3Bucket:
    return S3Bucket(wiring.client("s3", settings), name)


def _download(bucket: S3Bucket, data: DataFile) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        bucket.download(data.key, file)
        return _checked(file, data)
    except BaseException:
        file.close()
        raise


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.") from error


def _open(manifest: Path, data: DataFile) -> IO[bytes]:
    """In a copy of the destination bucket the key leads to it from some folder above."""
    name = Path(data.key).name
    places = [folder / data.key for folder in manifest.resolve().parents]
    places += [manifest.parent / name, manifest.parent / "data" / name]
    for place in places:
        if place.is_file():
            return _checked(place.open("rb"), data)
    raise NotFound(f"The inventory file {data.key} lies neither beside {manifest} nor above it.")


def _checked(file: IO[bytes], data: DataFile) -> IO[bytes]:
    """At its beginning. Raises `InvalidRequest` where it is not the file of the manifest."""
    file.seek(0)
    found = hashlib.file_digest(file, "md5").hexdigest()  # type: ignore[arg-type]
    if data.md5 and found != data.md5.lower():
        file.close()
        raise InvalidRequest(
            f"The inventory file {data.key} is damaged: its MD5 checksum is {found}, and the "
            f"manifest says {data.md5}.",
            field="inventory",
        )
    file.seek(0)
    return file
