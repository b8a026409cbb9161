"""What every bucket does: S3 as moto serves it over HTTP, and the in-memory fake."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

import boto3
import pytest
import requests

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.errors import NotFound, StorageUnavailable
from chalicelib.forms import image_metadata
from chalicelib.storage import Archived, Bucket, Fetched, Missing, Oversized, S3Bucket, Unchanged
from tests.fakes.bucket import MemoryBucket

KEYS = [
    "plain.jpg",
    "a b/c+d/100%.jpg",
    "bücher/日本語/🦊.jpg",
    "../up/./x.jpg",
    "/leading.jpg",
    "//twice//",
    "Mu\u0308nchen/NFD.jpg",
    "k" * 1020 + ".jpg",
    "🌞" * 255 + ".jpg",
]


@pytest.fixture
def s3(
    endpoint: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[S3Bucket]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    name = f"bucket-{abs(hash(request.node.nodeid)) % 10**12}"
    settings = Settings(
        bucket=name, thumbnails_bucket="thumbnails", endpoint=endpoint, region="us-east-1"
    )
    client = wiring.client("s3", settings)
    client.create_bucket(Bucket=name)
    yield S3Bucket(client, name)
    client.close()


@pytest.fixture(params=["s3", "memory"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    if request.param == "memory":
        return MemoryBucket()
    made: Bucket = request.getfixturevalue("s3")
    return made


def fetched(bucket: Bucket, key: str) -> Fetched:
    look = bucket.look(key, max_bytes=10_000)
    assert isinstance(look, Fetched)
    return look


def test_a_download_is_the_object_or_says_that_there_is_none(s3: S3Bucket) -> None:
    s3.put("a b/list.csv.gz", b"bytes" * 1000, "application/gzip")
    file = io.BytesIO()
    s3.download("a b/list.csv.gz", file)
    assert file.getvalue() == b"bytes" * 1000
    with pytest.raises(NotFound, match=f"There is no nothing in the bucket {s3.name}"):
        s3.download("nothing", file)
    with pytest.raises(StorageUnavailable, match="NoSuchBucket"):
        S3Bucket(s3._client, "no-such-bucket").download("x", file)


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_what_is_put_is_there_whole_under_any_key(bucket: Bucket, key: str) -> None:
    bucket.put(key, b"bytes", "image/jpeg")
    look = fetched(bucket, key)
    assert (look.data, look.info.key, look.info.size) == (b"bytes", key, 5)
    assert look.info.uploaded_at.tzinfo is not None
    assert [row.key for row in bucket.list()] == [key]


@pytest.mark.parametrize("name", ["Straße & Möwe.png", "日本語 100%.png", "a/b c.png", "🦊" * 60])
def test_name_and_owner_travel_with_the_object(bucket: Bucket, name: str) -> None:
    bucket.put("x.png", b"bytes", "image/png", image_metadata(name, "anna@example.org"))
    info = fetched(bucket, "x.png").info
    assert (info.name, info.owner, info.trace) == (name, "anna@example.org", "")


def test_the_trace_of_the_upload_travels_with_the_object(bucket: Bucket) -> None:
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    bucket.put("x.png", b"bytes", "image/png", image_metadata("x.png", "", trace))
    assert fetched(bucket, "x.png").info.trace == trace


def test_an_object_without_metadata_is_called_by_its_key(bucket: Bucket) -> None:
    bucket.put("a/b/c.png", b"bytes", "image/png")
    assert fetched(bucket, "a/b/c.png").info.name == "c.png"


def test_a_missing_object_is_missing(bucket: Bucket) -> None:
    assert bucket.look("nothing", max_bytes=1) == Missing()


def test_a_known_etag_costs_no_bytes(bucket: Bucket) -> None:
    bucket.put("x", b"one", "image/png")
    etag = fetched(bucket, "x").info.etag
    assert bucket.look("x", known_etag=etag, max_bytes=100) == Unchanged()
    bucket.put("x", b"two", "image/png")
    look = bucket.look("x", known_etag=etag, max_bytes=100)
    assert isinstance(look, Fetched)
    assert look.data == b"two"


def test_an_object_over_the_limit_is_not_read(bucket: Bucket) -> None:
    bucket.put("x", b"12345", "image/png")
    told: list[int] = []
    look = bucket.look("x", max_bytes=4, before_read=told.append)
    assert isinstance(look, Oversized)
    assert look.info.size == 5
    assert told == []


def test_the_size_is_told_before_the_bytes_are_read(bucket: Bucket) -> None:
    bucket.put("x", b"12345", "image/png")
    told: list[int] = []
    bucket.look("x", max_bytes=5, before_read=told.append)
    assert told == [5]


def test_a_listing_gives_every_object_once_with_its_etag(bucket: Bucket) -> None:
    keys = sorted(f"a/{n:04}.png" for n in range(1200))
    threads = [
        threading.Thread(
            target=lambda part: [bucket.put(k, k.encode(), "image/png") for k in part],
            args=(keys[n::8],),
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = list(bucket.list())
    assert [row.key for row in rows] == keys
    assert rows[7].etag == fetched(bucket, keys[7]).info.etag
    assert rows[7].size == len(keys[7])


def test_a_listing_of_a_prefix_gives_what_begins_with_it(bucket: Bucket) -> None:
    for key in ("a/1", "a/b/2", "ab/3", "b/4", "a", "é/5", "日本/6"):
        bucket.put(key, b"1", "image/png")
    assert [row.key for row in bucket.list("a/")] == ["a/1", "a/b/2"]
    assert [row.key for row in bucket.list("日本/")] == ["日本/6"]
    assert [row.key for row in bucket.list("é")] == ["é/5"]
    assert list(bucket.list("A/")) == []
    assert len(list(bucket.list(""))) == 7


def test_deleting_is_harmless_when_there_is_nothing(bucket: Bucket) -> None:
    bucket.put("x", b"1", "image/png")
    bucket.delete("x")
    bucket.delete("x")
    assert bucket.look("x", max_bytes=1) == Missing()


@pytest.mark.parametrize("key", ["folder/", "a/b c/", "/"])
def test_an_empty_folder_is_no_object(bucket: Bucket, key: str) -> None:
    bucket.put(key, b"", "application/x-directory")
    bucket.put("empty.jpg", b"", "image/jpeg")
    assert bucket.look(key, max_bytes=10) == Missing()
    assert [row.key for row in bucket.list()] == ["empty.jpg"]
    assert fetched(bucket, "empty.jpg").data == b""


def test_what_is_not_empty_is_an_object_whatever_its_key_ends_with(bucket: Bucket) -> None:
    bucket.put("a/folder/", b"bytes", "image/jpeg")
    assert fetched(bucket, "a/folder/").info.name == "folder"
    assert [row.key for row in bucket.list()] == ["a/folder/"]
    bucket.put("/", b"bytes", "image/jpeg")
    assert fetched(bucket, "/").info.name == "/"


# --- versions and archives ------------------------------------------------------------------------


@dataclass
class Keeping:
    """A bucket that keeps versions, and what its owner may do past `Bucket`."""

    bucket: Bucket
    client: Any = None

    def newest(self, key: str) -> str:
        """The version that is there now, of the object or of its deletion."""
        if isinstance(self.bucket, MemoryBucket):
            return self.bucket.versions[key][-1].version_id
        answer = self.client.list_object_versions(Bucket=self.bucket.name, Prefix=key)
        rows = answer.get("Versions", []) + answer.get("DeleteMarkers", [])
        return str(next(r["VersionId"] for r in rows if r["Key"] == key and r["IsLatest"]))

    def delete_version(self, key: str, version: str) -> None:
        if isinstance(self.bucket, MemoryBucket):
            self.bucket.delete_version(key, version)
        else:
            self.client.delete_object(Bucket=self.bucket.name, Key=key, VersionId=version)

    def archive(self, key: str) -> None:
        if isinstance(self.bucket, MemoryBucket):
            self.bucket.archived.add(key)
        else:
            same = {"Bucket": self.bucket.name, "Key": key}
            self.client.copy_object(**same, CopySource=same, StorageClass="DEEP_ARCHIVE")

    def restore(self, key: str) -> None:
        if isinstance(self.bucket, MemoryBucket):
            self.bucket.archived.discard(key)
        else:
            self.client.restore_object(Bucket=self.bucket.name, Key=key, RestoreRequest={"Days": 1})


@pytest.fixture(params=["s3", "memory"])
def keeping(request: pytest.FixtureRequest) -> Keeping:
    if request.param == "memory":
        return Keeping(MemoryBucket(versioned=True))
    s3: S3Bucket = request.getfixturevalue("s3")
    s3._client.put_bucket_versioning(Bucket=s3.name, VersioningConfiguration={"Status": "Enabled"})
    return Keeping(s3, s3._client)


def test_the_newest_version_is_what_is_there(keeping: Keeping) -> None:
    bucket = keeping.bucket
    bucket.put("x", b"one", "image/png")
    bucket.put("x", b"two", "image/png")
    look = fetched(bucket, "x")
    assert look.data == b"two"
    assert look.info.version_id == keeping.newest("x") != ""
    assert [(row.key, row.etag) for row in bucket.list()] == [("x", look.info.etag)]


def test_without_versions_there_is_no_version_id(bucket: Bucket) -> None:
    bucket.put("x", b"one", "image/png")
    assert fetched(bucket, "x").info.version_id == ""


def test_a_delete_marker_hides_the_object_and_its_removal_brings_it_back(
    keeping: Keeping,
) -> None:
    bucket = keeping.bucket
    bucket.put("x", b"one", "image/png")
    version = keeping.newest("x")
    bucket.delete("x")
    assert bucket.look("x", max_bytes=100) == Missing()
    assert bucket.look("x", known_etag="0" * 32, max_bytes=100) == Missing()
    assert list(bucket.list()) == []
    marker = keeping.newest("x")
    assert marker != version
    keeping.delete_version("x", marker)
    look = fetched(bucket, "x")
    assert (look.data, look.info.version_id) == (b"one", version)


def test_the_deletion_of_an_old_version_changes_nothing(keeping: Keeping) -> None:
    bucket = keeping.bucket
    bucket.put("x", b"one", "image/png")
    old = keeping.newest("x")
    bucket.put("x", b"two", "image/png")
    keeping.delete_version("x", old)
    assert fetched(bucket, "x").data == b"two"


def test_the_deletion_of_the_newest_version_brings_the_one_before(keeping: Keeping) -> None:
    bucket = keeping.bucket
    bucket.put("x", b"one", "image/png")
    bucket.put("x", b"two", "image/png")
    keeping.delete_version("x", keeping.newest("x"))
    assert fetched(bucket, "x").data == b"one"
    keeping.delete_version("x", keeping.newest("x"))
    assert bucket.look("x", max_bytes=100) == Missing()


def test_an_archived_object_is_there_but_cannot_be_read_before_it_is_restored(
    keeping: Keeping,
) -> None:
    bucket = keeping.bucket
    bucket.put("x", b"one", "image/png", {"name": "Eins.png"})
    etag = fetched(bucket, "x").info.etag
    keeping.archive("x")
    look = bucket.look("x", max_bytes=100)
    assert isinstance(look, Archived)
    assert (look.info.etag, look.info.size, look.info.name) == (etag, 3, "Eins.png")
    assert [row.key for row in bucket.list()] == ["x"]
    keeping.restore("x")
    assert fetched(bucket, "x").data == b"one"


def test_an_archived_object_that_is_overwritten_can_be_read(keeping: Keeping) -> None:
    bucket = keeping.bucket
    bucket.put("x", b"one", "image/png")
    keeping.archive("x")
    bucket.put("x", b"two", "image/png")
    assert fetched(bucket, "x").data == b"two"


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_bucket_that_is_there_passes_its_check(bucket: Bucket) -> None:
    bucket.check()


def test_a_bucket_that_does_not_answer_is_unavailable(endpoint: str) -> None:
    session = boto3.Session("local", "local", region_name="us-east-1")
    port = urlparse(endpoint).port
    assert port is not None
    for address, name in ((endpoint, "no-such-bucket"), ("http://127.0.0.1:9", "photos")):
        client = session.client(
            "s3",
            endpoint_url=address,
            config=boto3.session.Config(retries={"max_attempts": 0}),
        )
        broken = S3Bucket(client, name)
        with pytest.raises(StorageUnavailable):
            broken.check()
        with pytest.raises(StorageUnavailable):
            broken.look("x", max_bytes=1)
        with pytest.raises(StorageUnavailable):
            list(broken.list())
        client.close()


def test_a_presigned_post_brings_bytes_type_and_metadata(s3: S3Bucket) -> None:
    post = s3.presign_post(
        "a/x.png", "image/png", 1000, 300, image_metadata("Möwe.png", "anna@home")
    )
    answer = requests.post(
        post["url"], data=post["fields"], files={"file": ("x", b"bytes")}, timeout=60
    )
    assert answer.status_code == 204
    look = fetched(s3, "a/x.png")
    assert (look.data, look.info.name, look.info.owner) == (b"bytes", "Möwe.png", "anna@home")


def test_what_is_read_by_a_presigned_address_may_be_kept_and_asked_for_again(s3: S3Bucket) -> None:
    s3.put("x.png", b"bytes", "image/png")
    url = s3.presign_get("x.png", 60)
    assert s3.presign_get("x.png", 60) == url, "the browser knows bytes by their address"
    while s3.presign_get("x.png", 60, turn=str(time.time())) == url:
        time.sleep(0.1)  # signatures tell one second from the next
    assert s3.presign_get("x.png", 60) == url
    first = requests.get(url, timeout=60)
    assert (first.status_code, first.content) == (200, b"bytes")
    assert first.headers["Cache-Control"] == "private, max-age=60"
    known = {"If-None-Match": first.headers["ETag"]}
    again = requests.get(url, headers=known, timeout=60)
    assert (again.status_code, again.content) == (304, b"")
    s3.put("x.png", b"other", "image/png")
    changed = requests.get(url, headers=known, timeout=60)
    assert (changed.status_code, changed.content) == (200, b"other")


def test_a_presigned_get_gives_the_bytes_and_the_name_to_save_as(s3: S3Bucket) -> None:
    s3.put("x.png", b"bytes", "image/png")
    url = s3.presign_get("x.png", 60, save_as="Möwe 1.png")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url
    answer = requests.get(url, timeout=60)
    assert answer.content == b"bytes"
    assert "filename*=UTF-8''M%C3%B6we%201.png" in answer.headers["Content-Disposition"]
