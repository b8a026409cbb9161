"""S3 Inventory: a list of a bucket that S3 makes itself, by the day or the week.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html: a manifest
names data files and the order of their columns. In CSV, keys are URL-encoded; in Parquet they are
not. A list of all versions marks the latest of each key, which may be a delete marker.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import repeat
from operator import itemgetter
from typing import IO, Any, NamedTuple
from urllib.parse import unquote_plus

from chalicelib.differences import Listed
from chalicelib.errors import ConfigurationError, InvalidRequest
from chalicelib.overlap import in_order
from chalicelib.storage import is_folder

_AT_ONCE = 16_384
"""Rows of a Parquet file read at a time."""


class DataFile(NamedTuple):
    """One of an inventory's files; `md5` is in hex, "" where the manifest does not tell."""

    key: str
    md5: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says; `columns` is only told for CSV, in small letters without signs."""

    source: str
    destination: str
    as_of: datetime
    format: str
    columns: tuple[str, ...]
    files: tuple[DataFile, ...]

    @classmethod
    def parse(cls, text: bytes, where: str) -> Manifest:
        """Raises `InvalidRequest`; `where` is for its message."""
        try:
            body = json.loads(text)
            kind, schema = body["fileFormat"], body["fileSchema"]
            moment = datetime.fromtimestamp(int(body["creationTimestamp"]) / 1000, timezone.utc)
            files = tuple(DataFile(f["key"], f.get("MD5checksum", "")) for f in body["files"])
            source, destination = body["sourceBucket"], body["destinationBucket"]
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise _refused(f"{where} is not the manifest.json of an S3 Inventory.") from error
        if kind not in ("CSV", "Parquet"):
            raise _refused(
                f"This inventory is in {kind}; only CSV and Parquet are read. Choose one of them "
                "in the bucket's inventory configuration."
            )
        columns = tuple(map(_plain, schema.split(","))) if kind == "CSV" else ()
        if kind == "CSV" and "key" not in columns:
            raise _refused(f"{where} names no column Key.")
        return cls(source, destination.rpartition(":")[2], moment, kind, columns, files)


def listed(manifest: Manifest, fetch: Callable[[DataFile], IO[bytes]]) -> Iterator[Listed]:
    """Every object that was there at `manifest.as_of`, in no order.

    `fetch` gives a data file, checked, open for reading and seeking; the next is fetched while
    one is read. Raises `InvalidRequest` where a file is not what the manifest says.
    """
    rows = _csv_rows if manifest.format == "CSV" else _parquet_rows
    with closing(in_order(fetch, manifest.files, workers=2, ahead=2, name="inventory")) as opened:
        for data, file in zip(manifest.files, opened, strict=False):
            with file:
                try:
                    yield from _current(rows(file, manifest.columns))
                except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
                    why = str(error).rstrip(".")
                    raise _refused(
                        f"The inventory file {data.key} cannot be read: {why}."
                    ) from error


Row = tuple[str, str, bool, bool, int]
"""(key, etag, is latest, is delete marker, size in bytes); -1 where the size is not told."""


def _current(rows: Iterable[Row]) -> Iterator[Listed]:
    for key, etag, latest, marker, size in rows:
        if latest and not marker and not is_folder(key, size):
            yield Listed(key, etag.strip('"'))


def _csv_rows(file: IO[bytes], columns: tuple[str, ...]) -> Iterator[Row]:
    place = {name: number for number, name in enumerate(columns)}

    def column(name: str, default: str) -> Callable[[list[str]], str]:
        number = place.get(name)
        return (lambda _: default) if number is None else itemgetter(number)

    key, etag, size = column("key", ""), column("etag", ""), column("size", "-1")
    latest, marker = column("islatest", "true"), column("isdeletemarker", "false")
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        for row in csv.reader(text):
            if len(row) != len(columns):
                raise ValueError(f"a row has {len(row)} columns, not {len(columns)}.")
            yield (
                unquote_plus(key(row)),
                etag(row),
                latest(row).lower() != "false",
                marker(row).lower() == "true",
                int(size(row) or 0),
            )


def _parquet_rows(file: IO[bytes], _columns: tuple[str, ...]) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ConfigurationError(
            "An inventory in Parquet needs pyarrow: pip install pyarrow, or choose CSV in the "
            "bucket's inventory configuration."
        ) from error
    try:
        table = ParquetFile(file)
        names = {_plain(name): name for name in table.schema_arrow.names}
        if "key" not in names:
            raise ValueError("it has no column key.")
        wanted = [name for plain, name in names.items() if plain in _DEFAULTS]
        for some in table.iter_batches(_AT_ONCE, columns=wanted):
            read = {_plain(name): values for name, values in some.to_pydict().items()}
            columns = (read.get(n, repeat(default)) for n, default in _DEFAULTS.items())
            for key, etag, latest, marker, size in zip(*columns, strict=False):
                yield key, etag or "", latest is not False, bool(marker), size or 0
    except ArrowException as error:
        raise ValueError(str(error)) from error


_DEFAULTS: dict[str, Any] = {
    "key": "",
    "etag": "",
    "islatest": True,
    "isdeletemarker": False,
    "size": -1,
}
"""What a column that is not there stands for."""


def _plain(name: str) -> str:
    """ "IsLatest" and "is_latest" are one name."""
    return name.strip().replace("_", "").lower()


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, field="inventory")
