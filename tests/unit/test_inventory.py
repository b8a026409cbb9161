"""S3 Inventory as S3 writes it: a manifest, gzipped CSV or Parquet."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import Settings
from chalicelib.errors import ConfigurationError, InvalidRequest, NotFound
from chalicelib.inventory import Manifest
from container_embedder.inventories import inventory

AS_OF = datetime(2026, 11, 24, 1, 0, tzinfo=timezone.utc)
SETTINGS = Settings(bucket="photos", thumbnails_bucket="thumbnails")
PLAIN = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass"
VERSIONS = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag"
KEYS = [
    "plain.jpg",
    "a b/c+d/100%.jpg",
    "bücher/日本語/🦊.jpg",
    'quote"s, and commas\nand lines.jpg',
    "%2B is no plus.jpg",
    "../up.jpg",
    "cafe\u0301.jpg",
    "k" * 1000 + ".jpg",
]

Row = dict[str, Any]


def csv_file(schema: str, rows: Sequence[Row]) -> bytes:
    """As S3 writes it: every value in quotes, keys URL-encoded, no heading."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for row in rows:
        told = row | {"Key": quote_plus(row["Key"], safe="/")}
        writer.writerow([_word(told.get(name.strip(), "")) for name in schema.split(",")])
    return gzip.compress(out.getvalue().encode())


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


PARQUET_NAMES = {
    "Bucket": "bucket", "Key": "key", "VersionId": "version_id", "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker", "Size": "size", "ETag": "e_tag",
    "LastModifiedDate": "last_modified_date", "StorageClass": "storage_class",
}  # fmt: skip


def parquet_file(schema: str, rows: Sequence[Row]) -> bytes:
    names = [name.strip() for name in schema.split(",")]
    columns = {PARQUET_NAMES[n]: [row.get(n) for row in rows] for n in names}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def write(
    folder: Path,
    parts: Sequence[Sequence[Row]],
    *,
    schema: str = PLAIN,
    kind: str = "CSV",
    source: str = "photos",
    **changes: Any,
) -> Path:
    """An inventory in `folder`, as it lies in its bucket; returns the path of its manifest."""
    place = f"lists/{source}/daily"
    files = []
    for number, rows in enumerate(parts):
        data = (csv_file if kind == "CSV" else parquet_file)(schema, rows)
        key = f"{place}/data/{number}.{'csv.gz' if kind == 'CSV' else 'parquet'}"
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
        md5 = hashlib.md5(data).hexdigest()
        files.append({"key": key, "size": len(data), "MD5checksum": md5})
    manifest = {
        "sourceBucket": source,
        "destinationBucket": "arn:aws:s3:::lists-of-ours",
        "version": "2016-11-30",
        "creationTimestamp": str(int(AS_OF.timestamp() * 1000)),
        "fileFormat": kind,
        "fileSchema": schema if kind == "CSV" else "message s3.inventory { … }",
        "files": files,
    } | changes
    path = folder / place / "2026-11-24T01-00Z" / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
    return path


def read(manifest: Path) -> list[tuple[str, str]]:
    return [tuple(one) for one in inventory(str(manifest), SETTINGS).objects]


def row(key: str, etag: str = "e", **more: Any) -> Row:
    return {"Bucket": "photos", "Key": key, "Size": 10, "ETag": etag} | more


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_every_object_of_every_file_is_told(tmp_path: Path, kind: str) -> None:
    parts = [[row(key, f"{n}-{m}") for m, key in enumerate(KEYS)] for n in range(3)]
    path = write(tmp_path, parts, kind=kind)
    assert read(path) == [(r["Key"], r["ETag"]) for rows in parts for r in rows]
    assert inventory(str(path), SETTINGS).as_of == AS_OF


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_the_order_of_the_columns_is_the_manifests(tmp_path: Path, kind: str) -> None:
    schema = "ETag, StorageClass, Size, Key, Bucket"
    assert read(write(tmp_path, [[row("a b", "x")]], schema=schema, kind=kind)) == [("a b", "x")]


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_of_all_versions_only_the_latest_counts_and_no_delete_marker(
    tmp_path: Path, kind: str
) -> None:
    rows = [
        row("now", "2", VersionId="b", IsLatest=True, IsDeleteMarker=False),
        row("now", "1", VersionId="a", IsLatest=False, IsDeleteMarker=False),
        row("gone", "", VersionId="d", IsLatest=True, IsDeleteMarker=True),
        row("gone", "1", VersionId="c", IsLatest=False, IsDeleteMarker=False),
        row("back", "3", VersionId="", IsLatest=True, IsDeleteMarker=False),
        row("back", "", VersionId="e", IsLatest=False, IsDeleteMarker=True),
    ]
    path = write(tmp_path, [rows], schema=VERSIONS, kind=kind)
    assert read(path) == [("now", "2"), ("back", "3")]


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_without_etags_they_are_not_told(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, [[row("a"), row("b")]], schema="Bucket, Key", kind=kind)
    assert read(path) == [("a", ""), ("b", "")]


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_empty_folders_are_no_objects(tmp_path: Path, kind: str) -> None:
    rows = [row("a/", Size=0), row("b/", Size=5), row("c", Size=0)]
    assert [key for key, _ in read(write(tmp_path, [rows], kind=kind))] == ["b/", "c"]


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_an_inventory_of_nothing_tells_nothing(tmp_path: Path, kind: str) -> None:
    assert read(write(tmp_path, [[], []], kind=kind)) == []
    assert read(write(tmp_path, [], kind=kind)) == []


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=20))
def test_any_key_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str]
) -> None:
    path = write(tmp_path_factory.mktemp("lists"), [[row(key) for key in keys]])
    assert [key for key, _ in read(path)] == keys


def test_files_beside_the_manifest_are_found_too(tmp_path: Path) -> None:
    path = write(tmp_path / "there", [[row("a")]])
    data = next((tmp_path / "there").glob("**/*.csv.gz"))
    here = tmp_path / "here"
    here.mkdir()
    (here / "manifest.json").write_bytes(path.read_bytes())
    with pytest.raises(NotFound, match=r"0\.csv\.gz lies neither beside"):
        read(here / "manifest.json")
    (here / data.name).write_bytes(data.read_bytes())
    assert read(here / "manifest.json") == [("a", "e")]


# --- what goes wrong --------------------------------------------------------------------------


def refused(manifest: Path) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read(manifest)
    assert caught.value.message.endswith(".")
    return caught.value.message


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_a_damaged_file_is_refused_before_any_of_it_is_read(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, [[row("a")]], kind=kind)
    data = next(tmp_path.glob("**/data/*"))
    data.write_bytes(data.read_bytes()[:-1] + b"?")
    assert "is damaged" in refused(path)


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_a_file_that_is_not_what_the_manifest_says_is_refused_by_name(
    tmp_path: Path, kind: str
) -> None:
    path = write(tmp_path, [[row("a")]], kind=kind)
    data = next(tmp_path.glob("**/data/*"))
    manifest = json.loads(path.read_text())
    for wrong in (b"", b"no such thing", gzip.compress(b"a,b,c\n"), gzip.compress(b"a" * 99)[:30]):
        data.write_bytes(wrong)
        manifest["files"][0]["MD5checksum"] = hashlib.md5(wrong).hexdigest()
        path.write_text(json.dumps(manifest))
        if (kind, wrong) != ("CSV", b""):
            assert data.name in refused(path)


def test_without_a_checksum_none_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, [[row("a")]])
    manifest = json.loads(path.read_text())
    del manifest["files"][0]["MD5checksum"]
    path.write_text(json.dumps(manifest))
    assert read(path) == [("a", "e")]


def test_orc_is_refused_with_what_to_choose_instead(tmp_path: Path) -> None:
    said = refused(write(tmp_path, [], fileFormat="ORC"))
    assert said.startswith("This inventory is in ORC; only CSV and Parquet are read.")


def test_the_inventory_of_another_bucket_is_refused(tmp_path: Path) -> None:
    assert "of the bucket holidays, not of photos" in refused(
        write(tmp_path, [], source="holidays")
    )


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"\xff", b'{"files": 3}', b'{"fileFormat": "CSV"}', b"null"]
)
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"here is not the manifest\.json of an S3 Inventory"):
        Manifest.parse(text, "here")


def test_a_manifest_without_keys_is_refused(tmp_path: Path) -> None:
    assert "no column Key" in refused(write(tmp_path, [], schema="Bucket, Size"))


def test_a_manifest_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot be read"):
        read(tmp_path / "manifest.json")


def test_without_pyarrow_parquet_is_refused_with_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, [[row("a")]], kind="Parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match="needs pyarrow"):
        read(path)
    assert read(write(tmp_path / "csv", [[row("a")]])) == [("a", "e")]
