"""The ways an image comes in, changes and goes, over HTTP and straight through the bucket."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
from collections.abc import Callable
from contextlib import closing
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from botocore.exceptions import ClientError
from PIL import Image

from chalicelib.records import image_id
from tests.integration.local_stack import BUCKET, THUMBNAILS, LocalStack
from tests.integration.pictures import jpeg, plain
from tests.integration.processes import eventually

ODD_KEYS = [
    "at-the-top.jpg",
    "ways/with spaces in it.jpg",
    "ways/one+one=two.jpg",
    "ways/100%.jpg",
    "ways/not%20decoded%2Ftwice.jpg",
    "ways/grüße-日本.jpg",
    "ways/😀/🐈.jpg",
    "ways/../elsewhere.jpg",
    "ways//twice.jpg",
    "ways/a?b=c&d#e.jpg",
    "ways/'quoted' \"twice\" <tag>.jpg",
    "ways/" + "long" * 200 + ".jpg",
    "/ways/leading.jpg",
    "../above.jpg",
    "ways/Mu\u0308nchen.jpg",
    "ways/" + "🌞" * 253 + "abc.jpg",
]


class Followed(NamedTuple):
    content: bytes
    headers: Message


def follow(stack: LocalStack, url: str) -> Followed:
    """The redirect, then the object. Asked for by hand: like browsers, requests would shorten an
    address with "/../" in it, which is a key like any other."""
    first = requests.get(url, allow_redirects=False, timeout=60)
    assert first.status_code == 302, first.text
    place = first.headers["Location"]
    assert place.startswith(stack.s3_url)
    connection = http.client.HTTPConnection(stack.s3_url.partition("//")[2], timeout=60)
    with closing(connection):
        connection.request("GET", place.removeprefix(stack.s3_url))
        answer = connection.getresponse()
        return Followed(answer.read(), answer.headers)


def gone(stack: LocalStack, id_: str) -> bool:
    return stack.request("GET", f"/images/{id_}").status_code == 404


def test_a_presigned_upload_is_indexed_found_and_shown(stack: LocalStack, samples: Path) -> None:
    data = (samples / "chelsea-the-cat.png").read_bytes()
    image = stack.known(stack.upload("Chelsea (2).png", data, collection="Presigned Uploads"))
    assert (image["name"], image["collection"]) == ("Chelsea (2).png", "presigned-uploads")
    assert (image["state"], image["format"]) == ("ready", "png")
    assert (image["width"], image["height"], image["bytes"]) == (451, 300, len(data))
    assert image["sha256"] == hashlib.sha256(data).hexdigest()
    assert stack.found("a cat", collection="presigned-uploads") == ["Chelsea (2).png"]
    file = follow(stack, image["url"])
    assert (file.content, file.headers["Content-Type"]) == (data, "image/png")
    download = follow(stack, image["url"] + "?download=1")
    assert download.headers["Content-Disposition"] == (
        "attachment; filename*=UTF-8''Chelsea%20%282%29.png"
    )


def test_a_thumbnail_is_jpeg_and_at_most_512_pixels_long(stack: LocalStack) -> None:
    image = stack.known(stack.upload("large.jpg", jpeg(1, (1500, 900)), collection="thumbs"))
    thumbnail = follow(stack, image["thumbnail_url"])
    assert thumbnail.headers["Content-Type"] == "image/jpeg"
    with Image.open(io.BytesIO(thumbnail.content)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (512, 307))


def test_the_file_of_an_upload_is_there_before_it_is_indexed(stack: LocalStack) -> None:
    body = {"file": base64.b64encode(jpeg(2)).decode(), "name": "early.jpg", "collection": "early"}
    uploaded = stack.post("/images", body)
    assert follow(stack, uploaded["url"]).content == jpeg(2)
    assert stack.known(uploaded["id"])["key"] == uploaded["key"]


@pytest.mark.parametrize("head", ["", "data:image/jpeg;base64,"], ids=["base64", "data URL"])
def test_a_base64_upload_is_indexed(stack: LocalStack, head: str) -> None:
    data = jpeg(3)
    body = {"file": head + base64.b64encode(data).decode()}
    image = stack.known(stack.post("/images", body)["id"])
    assert (image["name"], image["collection"], image["format"]) == ("image.jpg", "uploads", "jpeg")
    assert image["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_an_object_dropped_under_any_key_is_indexed_shown_and_deleted(
    stack: LocalStack, key: str
) -> None:
    data = jpeg(1000 + ODD_KEYS.index(key))
    image = stack.known(stack.put(key, data))
    assert (image["key"], image["state"]) == (key, "ready")
    assert image["collection"] == (key.partition("/")[0] if "/" in key else "")
    assert image["name"] == key.rpartition("/")[2]
    assert follow(stack, image["url"]).content == data
    assert stack.request("DELETE", f"/images/{image['id']}").json()["state"] == "deleted"
    assert key not in stack.objects()
    assert gone(stack, image["id"])


def test_a_multipart_upload_is_indexed_whole(stack: LocalStack) -> None:
    data = plain("red", size=(1600, 1200), form="BMP")
    key, size = "multipart/big.bmp", 5 * 1024**2
    assert len(data) > size
    upload = stack.s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    same: dict[str, Any] = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    parts = []
    for number, start in enumerate(range(0, len(data), size), 1):
        part = stack.s3.upload_part(**same, PartNumber=number, Body=data[start : start + size])
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    stack.s3.complete_multipart_upload(**same, MultipartUpload={"Parts": parts})
    image = stack.known(image_id(BUCKET, key))
    assert image["sha256"] == hashlib.sha256(data).hexdigest()
    assert (image["format"], image["width"]) == ("bmp", 1600)
    assert stack.objects()[key].endswith("-2")


def test_a_copy_inside_the_bucket_is_an_image_of_its_own(stack: LocalStack) -> None:
    stack.put("copies/one.jpg", jpeg(20), Metadata={"name": "Ein%20Bild.jpg"})
    stack.s3.copy_object(
        Bucket=BUCKET, Key="copies/two.jpg", CopySource={"Bucket": BUCKET, "Key": "copies/one.jpg"}
    )
    one, two = (stack.known(image_id(BUCKET, f"copies/{n}.jpg")) for n in ("one", "two"))
    assert one["id"] != two["id"]
    assert one["sha256"] == two["sha256"]
    assert one["name"] == two["name"] == "Ein Bild.jpg"


def test_an_overwritten_object_has_new_facts_and_its_old_thumbnail_is_gone(
    stack: LocalStack,
) -> None:
    id_ = stack.put("overwritten/it.jpg", jpeg(30, (100, 60)))
    before = stack.known(id_)
    old = {key for key in stack.objects(THUMBNAILS) if f"/{id_}/" in key}
    assert len(old) == 1
    stack.put("overwritten/it.jpg", plain("blue", size=(90, 120), form="PNG"))
    after = eventually(
        lambda: stack.known(id_), lambda image: bool(image["sha256"] != before["sha256"])
    )
    assert (after["format"], after["width"], after["height"]) == ("png", 90, 120)
    assert after["thumbnail_url"] != before["thumbnail_url"]
    # The old one goes after the record has named the new.
    new = eventually(
        lambda: {key for key in stack.objects(THUMBNAILS) if f"/{id_}/" in key},
        lambda there: len(there) == 1,
    )
    assert not new & old
    with Image.open(io.BytesIO(follow(stack, after["thumbnail_url"]).content)) as opened:
        assert opened.size == (90, 120)


def _by_api(stack: LocalStack, image: dict[str, Any]) -> None:
    answer = stack.request("DELETE", f"/images/{image['id']}")
    assert answer.json() == {"id": image["id"], "state": "deleted"}
    # By the API the answer means that it is gone already.
    assert gone(stack, image["id"])


def _by_bucket(stack: LocalStack, image: dict[str, Any]) -> None:
    stack.s3.delete_object(Bucket=BUCKET, Key=image["key"])


def _with_others(stack: LocalStack, image: dict[str, Any]) -> None:
    objects = [{"Key": image["key"]}, {"Key": "deleted/never-there.jpg"}]
    stack.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})


@pytest.mark.parametrize("delete", [_by_api, _by_bucket, _with_others])
def test_a_deleted_image_leaves_every_answer_and_takes_its_thumbnail_along(
    stack: LocalStack, delete: Callable[[LocalStack, dict[str, Any]], None]
) -> None:
    image = stack.known(stack.put(f"deleted/{delete.__name__}.jpg", jpeg(40)))
    assert stack.found("anything", collection="deleted") == [image["name"]]
    delete(stack, image)
    eventually(lambda: gone(stack, image["id"]))
    assert stack.found("anything", collection="deleted") == []
    assert stack.images(collection="deleted", state="ready,rejected,archived") == []
    tombstones = stack.images(collection="deleted", state="deleted")
    assert image["id"] in {tombstone["id"] for tombstone in tombstones}
    assert {tombstone["thumbnail_url"] for tombstone in tombstones} == {None}
    assert stack.get("/images", ids=image["id"])["items"] == []
    eventually(
        lambda: [k for k in stack.objects(THUMBNAILS) if image["id"] in k],
        lambda left: not left,
    )
    assert stack.request("GET", f"/images/{image['id']}/thumbnail").status_code == 404
    with pytest.raises(ClientError, match="404"):
        stack.s3.head_object(Bucket=BUCKET, Key=image["key"])


def test_what_comes_back_after_its_deletion_is_found_again(stack: LocalStack) -> None:
    id_ = stack.put("returns/it.jpg", jpeg(41))
    stack.known(id_)
    assert stack.request("DELETE", f"/images/{id_}").status_code == 200
    stack.put("returns/it.jpg", jpeg(42))
    assert stack.known(id_)["sha256"] == hashlib.sha256(jpeg(42)).hexdigest()
    assert stack.found("anything", collection="returns") == ["it.jpg"]


BROKEN = {
    "text.jpg": (b"These are words.", "not an image"),
    "empty.png": (b"", "empty"),
    "cut.jpg": (jpeg(50, (400, 300))[:900], "ends too early"),
    "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
}


def test_what_is_no_image_is_rejected_with_a_reason_and_holds_up_no_other(
    stack: LocalStack,
) -> None:
    good = [stack.put(f"mixed/good-{n}.jpg", jpeg(60 + n)) for n in range(3)]
    bad = {name: stack.put(f"mixed/{name}", data) for name, (data, _) in BROKEN.items()}
    good += [stack.put(f"mixed/good-{n}.jpg", jpeg(60 + n)) for n in range(3, 6)]
    assert {stack.known(id_)["state"] for id_ in good} == {"ready"}
    for name, id_ in bad.items():
        image = stack.known(id_)
        assert (image["state"], image["thumbnail_url"]) == ("rejected", None)
        assert BROKEN[name][1] in image["reason"]
    assert len(stack.found("anything", collection="mixed")) == 6
    assert len(stack.images(collection="mixed", state="rejected")) == 4
    # Rejected is an end: nothing of it comes back from the queue.
    assert stack.at_rest().get("/stats")["dead_letters"] == {"waiting": 0}


def test_a_rejected_object_replaced_by_an_image_is_found(stack: LocalStack) -> None:
    id_ = stack.put("mended/it.jpg", b"nothing to see")
    assert stack.known(id_)["state"] == "rejected"
    stack.put("mended/it.jpg", jpeg(70))
    image = eventually(lambda: stack.known(id_), lambda image: bool(image["state"] == "ready"))
    assert (image["reason"], image["format"]) == ("", "jpeg")
