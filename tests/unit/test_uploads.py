"""Upload tickets as boto3 signs them (that needs no network), keys, base64 and types."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import string
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chalicelib import uploads, wiring
from chalicelib.config import Settings
from chalicelib.errors import InvalidRequest, StorageUnavailable, TooLarge
from chalicelib.forms import image_metadata
from chalicelib.records import image_id
from chalicelib.storage import S3Bucket
from chalicelib.uploads import (
    IMAGE_TYPES,
    MAX_BASE64,
    FileToUpload,
    ImageUpload,
    Place,
    Uploads,
    UploadsRequest,
    content_type,
    decode_base64,
    new_key,
    safe_collection,
    safe_name,
    sniff,
)
from tests.fakes.bucket import MemoryBucket
from tests.unit import raws
from tests.unit.heic import heic
from tests.unit.pictures import encoded, scene
from tests.unit.sentences import faults

MB = 1024 * 1024
SAFE = set(string.ascii_letters + string.digits + "._-")


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of nobody: signing needs a key, not an account."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def s3_uploads(region: str = "eu-central-1", **settings: Any) -> Uploads:
    known = Settings(bucket="photos", thumbnails_bucket="small", region=region, **settings)
    bucket = S3Bucket(wiring.client("s3", known), known.bucket)
    return Uploads(bucket=bucket, max_bytes=known.max_bytes, seconds=known.presign_seconds)


def asked(*files: dict[str, Any], **rest: Any) -> UploadsRequest:
    return UploadsRequest.model_validate({"files": list(files), **rest})


def ticket(name: str = "beach.jpg", *, owner: str = "", **file: Any) -> Place:
    (place,) = s3_uploads().places(asked({"name": name, "size": 1, **file}), owner=owner)
    return place


def policy_of(place: Place) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.b64decode(place.post["fields"]["policy"]))
    return decoded


def exact(policy: dict[str, Any]) -> dict[str, str]:
    """The conditions of the form {"field": "value"}."""
    found: dict[str, str] = {}
    for condition in policy["conditions"]:
        if isinstance(condition, dict):
            found |= condition
    return found


# --- the policy document ----------------------------------------------------------------------


def test_the_policy_fixes_key_type_size_and_metadata() -> None:
    place = ticket("Straße 7.png", type="image/png", owner="anna@home")
    conditions = policy_of(place)["conditions"]
    fixed = exact(policy_of(place))
    assert fixed["key"] == place.key
    assert fixed["bucket"] == "photos"
    assert fixed["Content-Type"] == "image/png"
    assert unquote(fixed["x-amz-meta-name"]) == "Straße 7.png"
    assert unquote(fixed["x-amz-meta-owner"]) == "anna@home"
    assert [c for c in conditions if isinstance(c, list)] == [["content-length-range", 1, 1]]


def test_everything_the_browser_sends_is_in_the_policy_and_the_other_way_round() -> None:
    place = ticket()
    sent = {k: v for k, v in place.post["fields"].items() if k not in ("policy", "x-amz-signature")}
    assert sent | {"bucket": "photos"} == exact(policy_of(place))


def test_a_digest_makes_s3_compare_and_is_fixed_by_the_policy() -> None:
    digest = hashlib.sha256(b"bytes").hexdigest()
    place = ticket(sha256=digest)
    said = base64.b64encode(hashlib.sha256(b"bytes").digest()).decode()
    wanted = {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": said}
    assert wanted.items() <= exact(policy_of(place)).items()
    assert wanted.items() <= place.post["fields"].items()


@pytest.mark.parametrize("digest", ["ab", "A" * 64, "g" * 64, "0" * 63])
def test_what_is_no_digest_is_refused(digest: str) -> None:
    with pytest.raises(ValidationError, match="sha256"):
        asked({"name": "a.png", "size": 1, "sha256": digest})


def test_no_byte_more_may_come_than_was_announced() -> None:
    for size in (1, 1234, 64 * MB):
        (place,) = s3_uploads().places(asked({"name": "a.png", "size": size}))
        assert ["content-length-range", 1, size] in policy_of(place)["conditions"]


def test_a_ticket_is_good_for_five_minutes() -> None:
    before = datetime.now(timezone.utc)
    place = ticket()
    signed = datetime.fromisoformat(policy_of(place)["expiration"].replace("Z", "+00:00"))
    for moment in (signed, place.expires_at):
        assert timedelta(seconds=298) < moment - before < timedelta(seconds=303)
    assert place.expires_at.tzinfo is not None


def test_the_signature_is_sigv4_of_the_buckets_region() -> None:
    fields = ticket().post["fields"]
    assert fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    scope = fields["x-amz-credential"].split("/")
    assert (scope[0], *scope[2:]) == ("AKIDEXAMPLE", "eu-central-1", "s3", "aws4_request")
    assert re.fullmatch("[0-9a-f]{64}", fields["x-amz-signature"])


@pytest.mark.parametrize("region", ["eu-central-1", "ap-southeast-2", "us-west-2"])
def test_the_address_is_the_buckets_own_in_its_region(region: str) -> None:
    """boto3's default would send browsers to the global endpoint, which redirects."""
    (place,) = s3_uploads(region).places(asked({"name": "a.png", "size": 1}))
    assert place.post["url"] == f"https://photos.s3.{region}.amazonaws.com/"


def test_downloads_too_are_signed_for_the_buckets_own_address() -> None:
    known = Settings(bucket="photos", thumbnails_bucket="small", region="eu-central-1")
    url = S3Bucket(wiring.client("s3", known), "photos").presign_get("a b/ü.jpg", 300)
    assert url.startswith("https://photos.s3.eu-central-1.amazonaws.com/a%20b/%C3%BC.jpg?")
    assert "X-Amz-Expires=300" in url
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url


def test_an_endpoint_of_ones_own_is_addressed_by_path() -> None:
    (place,) = s3_uploads(endpoint="http://127.0.0.1:5000").places(
        asked({"name": "a.png", "size": 1})
    )
    assert place.post["url"] == "http://127.0.0.1:5000/photos"


def test_without_an_owner_none_is_written() -> None:
    assert "x-amz-meta-owner" not in ticket().post["fields"]


# --- many files at once -----------------------------------------------------------------------


def test_tickets_come_in_the_order_of_the_files_each_with_its_own_key() -> None:
    files = [{"name": f"{n}.png", "size": n + 1} for n in range(100)]
    places = s3_uploads().places(asked(*files, collection="Holiday"))
    assert [place.name for place in places] == [file["name"] for file in files]
    assert len({place.key for place in places}) == 100
    assert all(place.key.startswith("holiday/") for place in places)
    assert [place.id for place in places] == [image_id("photos", place.key) for place in places]


@pytest.mark.parametrize("count", [0, 101])
def test_one_to_a_hundred_files_may_be_asked_for(count: int) -> None:
    with pytest.raises(ValidationError):
        asked(*[{"name": "a.png", "size": 1}] * count)


@pytest.mark.parametrize(
    ("file", "code", "field"),
    [
        ({"name": "b.pdf"}, "unsupported_type", "files.1.type"),
        ({"name": "b.png", "type": "text/html"}, "unsupported_type", "files.1.type"),
        ({"name": "b.svg", "type": "image/svg+xml"}, "unsupported_type", "files.1.type"),
        ({"name": "b"}, "unsupported_type", "files.1.type"),
        ({"name": "b.png", "size": 64 * MB + 1}, "too_large", "files.1.size"),
    ],
)
def test_a_file_that_may_not_come_is_named_by_its_field(
    file: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises((InvalidRequest, TooLarge)) as caught:
        s3_uploads().places(asked({"name": "a.png", "size": 1}, {"size": 1, **file}))
    assert (caught.value.code, caught.value.field) == (code, field)
    assert faults(caught.value.message) == []


def test_a_file_of_exactly_the_limit_may_come() -> None:
    assert s3_uploads().places(asked({"name": "a.png", "size": 64 * MB}))


# --- types ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_type", "name", "kind"),
    [
        ("image/jpeg", "x", "image/jpeg"),
        ("image/jpg", "x.png", "image/jpeg"),
        ("IMAGE/PNG; charset=binary", "x", "image/png"),
        ("image/x-ms-bmp", "x", "image/bmp"),
        ("", "PHOTO.JPG", "image/jpeg"),
        ("", "a.b.TiFf", "image/tiff"),
        ("", "x.heic", "image/heic"),
        ("application/octet-stream", "x.avif", "image/avif"),
        ("", "x.txt", None),
        ("", "jpg", "image/jpeg"),
        ("", "", None),
        ("text/plain", "x.jpg", None),
        ("image/svg+xml", "x.jpg", None),
        ("image/x-canon-cr2", "x", "image/x-canon-cr2"),
        ("", "IMG_0001.CR3", "image/x-canon-cr3"),
        ("image/x-dcraw", "DSC_1.NEF", "image/x-nikon-nef"),
        ("image/x-dcraw", "DSC_1", "image/x-dcraw"),
        ("image/x-raw", "DSC_1", None),
        ("image/dng", "x", "image/x-adobe-dng"),
        ("application/octet-stream", "x.jxl", "image/jxl"),
    ],
)
def test_the_type_is_the_given_one_or_by_the_ending(
    given_type: str, name: str, kind: str | None
) -> None:
    assert content_type(given_type, name) == kind


@pytest.mark.parametrize(
    ("format", "kind"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
    ],
)
def test_real_files_speak_of_their_type(format: str, kind: str) -> None:
    assert sniff(encoded(scene(), format)) == kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (raws.dng(raws.Shot(scene())), "image/x-adobe-dng"),
        (raws.cr2(raws.Shot(scene(), previews=(96,))), "image/x-canon-cr2"),
        (raws.cr3(raws.Shot(scene(), previews=(96,))), "image/x-canon-cr3"),
        (raws.nef(raws.Shot(scene(), make="NIKON")), "image/x-nikon-nef"),
        (raws.arw(raws.Shot(scene(), make="SONY", previews=(96,))), "image/x-sony-arw"),
        (raws.nef(raws.Shot(scene(), make="Samsung")), "image/x-dcraw"),
        (raws.raf(raws.Shot(scene(), previews=(96,))), "image/x-fuji-raf"),
        (raws.rw2(raws.Shot(scene(), previews=(96,))), "image/x-panasonic-rw2"),
        (b"\xff\x0a\x00", "image/jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    ],
    ids=["DNG", "CR2", "CR3", "NEF", "ARW", "another", "RAF", "RW2", "JPEG XL", "in a box"],
)
def test_camera_raw_and_jpeg_xl_speak_of_their_type(data: bytes, kind: str) -> None:
    assert sniff(data) == kind
    assert kind in IMAGE_TYPES


def test_a_heic_speaks_of_its_type_and_other_bytes_of_none() -> None:
    assert sniff(heic(scene(64, 64))) == "image/heic"
    assert [sniff(data) for data in (b"", b"B", b"<svg>", b"%PDF", b"RIFF....WAVE")] == [None] * 5


# --- keys -------------------------------------------------------------------------------------

_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1000)


@given(_NAMES, _NAMES, st.sampled_from([*IMAGE_TYPES, "application/octet-stream"]))
def test_any_name_gives_a_safe_key(collection: str, name: str, kind: str) -> None:
    key = new_key(safe_collection(collection[:200]), name, kind)
    parts = key.split("/")
    assert len(parts) == 3
    assert all(part and set(part) <= SAFE for part in parts)
    assert parts[0] == parts[0].lower()
    assert not parts[0].startswith((".", "-", "_"))
    assert len(parts[0]) <= 60
    assert re.fullmatch("[0-9a-hjkmnp-tv-z]{26}", parts[1])
    assert re.fullmatch(r".+\.[A-Za-z0-9._-]+", parts[2])
    assert not parts[2].startswith(".")
    assert len(key.encode()) < 1024


@pytest.mark.parametrize(
    ("name", "kind", "safe"),
    [
        ("beach.jpg", "image/jpeg", "beach.jpg"),
        ("Foto Möwe 1.JPG", "image/jpeg", "Foto-Mowe-1.jpg"),
        ("写真.png", "image/png", "image.png"),
        ("../../etc/passwd", "image/png", "passwd.png"),
        ("C:\\Users\\me\\cat.gif", "image/gif", "cat.gif"),
        ("folder/", "image/png", "folder.png"),
        ("///", "image/png", "image.png"),
        ("..", "image/png", "image.png"),
        (".htaccess", "image/png", "htaccess.png"),
        ("a.b.c", "image/png", "a.b.c"),
        ("no ending", "image/webp", "no-ending.webp"),
        ("${filename}.png", "image/png", "filename.png"),
        ("<img src=x onerror=alert(1)>.png", "image/png", "img-src-x-onerror-alert-1.png"),
        ("x.not an ending", "image/png", "x.not-an-ending.png"),
        ("x" * 500 + ".png", "image/png", "x" * 90 + ".png"),
        ("a\r\nSet-Cookie: b.png", "image/png", "a-Set-Cookie-b.png"),
        ("x", "application/octet-stream", "x.bin"),
    ],
)
def test_file_names_are_made_safe(name: str, kind: str, safe: str) -> None:
    assert safe_name(name, kind) == safe


@pytest.mark.parametrize(
    ("collection", "safe"),
    [
        ("Holiday 2024", "holiday-2024"),
        ("a/b", "a-b"),
        ("../secret", "secret"),
        ("", "uploads"),
        ("日本", "uploads"),
        ("---", "uploads"),
        ("Ünïcode", "unicode"),
        ("x" * 59 + "--y", "x" * 59),
    ],
)
def test_collections_are_made_safe(collection: str, safe: str) -> None:
    assert safe_collection(collection) == safe


def test_keys_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [1_700_000_000.0 + n * 0.001 for n in range(50)] + [4_000_000_000.0, 9e9]
    clock = iter(moments)
    monkeypatch.setattr(uploads.time, "time", lambda: next(clock))
    keys = [new_key("c", "a.png", "image/png") for _ in moments]
    assert keys == sorted(keys)


def test_a_key_begins_with_the_time_it_was_made_at() -> None:
    before = int(time.time() * 1000)
    number = 0
    for letter in new_key("c", "a.png", "image/png").split("/")[1]:
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    assert before <= number >> 80 <= int(time.time() * 1000)


def test_keys_made_in_one_moment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads.time, "time", lambda: 1_700_000_000.0)
    assert len({new_key("c", "a.png", "image/png") for _ in range(1000)}) == 1000


# --- base64 -----------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=300))
def test_base64_and_data_urls_give_the_bytes(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    folded = "\r\n".join(text[n : n + 76] for n in range(0, len(text), 76))
    for form in (text, folded, f"data:image/png;base64,{text}", f"data:;base64,{text}"):
        assert decode_base64(form, field="file") == data


@pytest.mark.parametrize(
    "text",
    [
        "not base64!",
        "QUJ",
        "Q=JD",
        "-_-_",
        "ＱＵＪＤ",
        "data:image/png,QUJD",
        "data:image/png;base64",
        "data:image/png;base64;x,QUJD",
        "data:image/png;base64,",
        "data:image/png;base64,data:image/png;base64,QUJD",
        "   ",
        "\ud800",
    ],
)
def test_what_is_no_base64_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_base64(text, field="image")
    assert (caught.value.code, caught.value.field) == ("invalid_base64", "image")
    assert faults(caught.value.message) == []


def test_base64_of_exactly_the_limit_is_taken_and_four_letters_more_are_not() -> None:
    most = "QUJD" * (MAX_BASE64 // 4)
    assert len(decode_base64(f"data:image/png;base64,{most}", field="file")) == 3_300_000
    with pytest.raises(TooLarge) as caught:
        decode_base64(most + "QUJD", field="file")
    assert caught.value.field == "file"
    assert "4.4 MB" in caught.value.message
    assert faults(caught.value.message) == []


# --- uploads in the request -------------------------------------------------------------------


def memory_uploads() -> tuple[Uploads, MemoryBucket]:
    bucket = MemoryBucket("photos")
    return Uploads(bucket=bucket, max_bytes=64 * MB, seconds=300), bucket


def test_a_base64_upload_is_stored_with_its_name_and_owner() -> None:
    service, bucket = memory_uploads()
    data = encoded(scene(), "PNG")
    request = ImageUpload(
        file=base64.b64encode(data).decode(), name="Grüße.png", collection="My Charts"
    )
    done = service.put(request, owner="anna")
    assert done.key.startswith("my-charts/")
    assert done.key.endswith("/Grue.png")
    assert done.id == image_id("photos", done.key)
    stored = bucket.objects[done.key]
    assert stored.data == data
    assert {k: unquote(v) for k, v in stored.metadata.items()} == {
        "name": "Grüße.png",
        "owner": "anna",
    }


@pytest.mark.parametrize(
    ("data", "name"),
    [(encoded(scene(), "GIF"), "image.gif"), (b"who knows", "image.bin")],
)
def test_a_base64_upload_without_a_name_is_called_by_what_it_is(data: bytes, name: str) -> None:
    service, bucket = memory_uploads()
    done = service.put(ImageUpload(file=base64.b64encode(data).decode()))
    assert done.name == name
    assert re.fullmatch(rf"uploads/[0-9a-z]{{26}}/{name}", done.key)
    assert bucket.objects[done.key].data == data


def test_a_bucket_that_does_not_answer_is_told() -> None:
    service, bucket = memory_uploads()
    bucket.down = True
    with pytest.raises(StorageUnavailable):
        service.put(ImageUpload(file="QUJD"))


@pytest.mark.parametrize(
    "file",
    [
        {"name": "", "size": 1},
        {"name": "a", "size": 0},
        {"name": "a", "size": -1},
        {"name": "a" * 1001, "size": 1},
        {"name": "a"},
        {"size": 1},
        {"name": "a", "size": 1, "key": "mine"},
    ],
)
def test_a_file_description_that_breaks_a_rule_is_refused(file: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FileToUpload.model_validate(file)


# --- metadata ---------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=120))
def test_names_and_owners_survive_the_metadata(text: str) -> None:
    metadata = image_metadata(text, text[:30])
    assert unquote(metadata["name"]) == text
    assert unquote(metadata["owner"]) == text[:30]
    for value in metadata.values():
        assert set(value) <= SAFE | set("%~")


@given(_NAMES)
def test_metadata_stays_within_two_kilobytes_and_keeps_the_start_of_long_names(name: str) -> None:
    metadata = image_metadata(name, name)
    assert sum(len(k) + len(v) for k, v in metadata.items()) < 2048
    kept = unquote(metadata["name"], errors="strict")
    assert name.startswith(kept)
    assert len(kept) >= min(len(name), 100)
