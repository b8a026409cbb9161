"""One trace from the request to the index, as X-Ray's daemon gets it."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.errors import NotFound, StorageUnavailable
from chalicelib.forms import image_metadata
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import image_id
from chalicelib.tracing import UPLOADED_WITHIN_S, Link, Tracer, upload_link
from container_embedder.handler import handler
from tests.integration.pictures import jpeg
from tests.unit.job_place import Place
from tests.unit.lambda_side import Context, ask, sqs_event
from tests.unit.xray_daemon import Daemon, Document, daemon, faults


def root(seconds_ago: int = 0, end: str = "a006649127e371903a2de979") -> str:
    return f"1-{int(time.time()) - seconds_ago:08x}-{end}"


def header(root: str, parent: str = "53995c3f42cd8ad8", sampled: int = 1) -> str:
    return f"Root={root};Parent={parent};Sampled={sampled};Lineage=1:a87bd80c:0"


@pytest.fixture
def xray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    with daemon() as stand_in:
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", stand_in.address)
        yield stand_in


class Way:
    """The way of an upload: the API, the bucket, its queue, the embedder."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        self._setenv = monkeypatch.setenv
        self.sqs = wiring.client("sqs", place.settings)
        self.queue = self.sqs.create_queue(QueueName=place.settings.bucket)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        place.s3.put_bucket_notification_configuration(
            Bucket=place.settings.bucket,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": arn["Attributes"]["QueueArn"],
                        "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                    }
                ]
            },
        )
        self.receive()

    def invoked_by(self, trace: str) -> None:
        """The next invocation has this tracing header."""
        self._setenv("_X_AMZN_TRACE_ID", trace)

    def receive(self) -> list[dict[str, Any]]:
        given = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"]
        )
        return list(given.get("Messages", []))

    def embed(self, trace: str, **attributes: str) -> None:
        self.invoked_by(trace)
        batch = self.receive()
        assert batch
        assert handler(sqs_event(batch, **attributes), Context()) == {"batchItemFailures": []}

    def upload(self, data: bytes) -> dict[str, Any]:
        """By the form POST that the API gives for it."""
        asked = {"files": [{"name": "a cat.jpg", "type": "image/jpeg", "size": len(data)}]}
        status, answer = ask("POST", "/uploads", asked)
        assert status == 201
        (upload,) = answer["uploads"]
        post = upload["post"]
        put = requests.post(post["url"], data=post["fields"], files={"file": data}, timeout=30)
        assert put.status_code in (200, 204)
        return dict(upload)


@pytest.fixture
def way(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    wiring.services.cache_clear()
    yield Way(place, monkeypatch)
    wiring.services().close()
    wiring.services.cache_clear()


API, EMBEDDER = root(end="a" * 24), root(end="b" * 24)
"""The traces of two invocations."""


def test_one_trace_tells_of_an_upload_from_the_request_to_the_index(way: Way, xray: Daemon) -> None:
    way.invoked_by(header(API))
    upload = way.upload(jpeg(1))
    (asked,) = xray.documents()
    assert (asked["name"], asked["type"], asked["trace_id"]) == ("upload", "subsegment", API)
    assert asked["parent_id"] == "53995c3f42cd8ad8"
    assert asked["annotations"] == {"files": 1}

    way.embed(header(EMBEDDER, "0123456789abcdef"))
    (image,) = xray.documents()
    assert (image["name"], image["trace_id"], image["parent_id"]) == ("embedder", API, asked["id"])
    assert "type" not in image
    assert image["annotations"] == {
        "image_id": upload["id"],
        "result": "indexed",
        "model": wiring.services().clip.fingerprint,
    }
    at = {part["name"]: (part["start_time"], part["end_time"]) for part in image["subsegments"]}
    assert set(at) == {"fetch", "decode", "thumbnail", "embed", "write"}
    assert image["start_time"] == at["fetch"][0] >= asked["end_time"]
    assert at["fetch"][1] <= at["decode"][0] <= at["decode"][1] <= at["embed"][0]
    assert at["embed"][1] <= at["write"][0] <= at["write"][1] == image["end_time"]


def test_a_picture_sent_in_the_request_itself_is_in_its_trace_too(way: Way, xray: Daemon) -> None:
    way.invoked_by(header(API))
    body = {"file": base64.b64encode(jpeg(2)).decode()}
    assert ask("POST", "/images", body)[0] == 201
    way.embed(header(EMBEDDER))
    asked, image = xray.documents()
    assert (image["trace_id"], image["parent_id"]) == (API, asked["id"])
    assert asked["start_time"] < asked["end_time"] <= image["start_time"]


def test_what_was_dropped_in_the_bucket_is_in_the_embedders_own_trace(
    way: Way, xray: Daemon
) -> None:
    way.place.photos.put("drops/x.jpg", jpeg(3), "image/jpeg")
    way.place.photos.put("drops/broken.jpg", b"no image", "image/jpeg")
    way.embed(header(EMBEDDER, "0123456789abcdef"))
    found = {d["annotations"]["result"]: d for d in xray.documents()}
    assert set(found) == {"indexed", "rejected"}
    for image in found.values():
        assert (image["name"], image["type"]) == ("image", "subsegment")
        assert (image["trace_id"], image["parent_id"]) == (EMBEDDER, "0123456789abcdef")
    assert found["rejected"]["annotations"]["code"] == "unreadable_image"
    assert found["rejected"]["error"] is True
    assert "error" not in found["indexed"]


def test_the_header_that_s3_hands_on_with_an_event_is_followed(way: Way, xray: Daemon) -> None:
    way.place.photos.put("drops/x.jpg", jpeg(4), "image/jpeg")
    theirs = root(end="c" * 24)
    way.embed(header(EMBEDDER), AWSTraceHeader=f"Root={theirs};Sampled=1")
    (image,) = xray.documents()
    assert (image["name"], image["trace_id"]) == ("embedder", theirs)
    assert "parent_id" not in image


def test_a_copy_made_later_is_not_told_in_the_trace_of_what_it_is_a_copy_of(
    way: Way, xray: Daemon
) -> None:
    old = root(seconds_ago=UPLOADED_WITHIN_S + 60, end="d" * 24)
    metadata = image_metadata("x.jpg", "", Link(old, "0123456789abcdef").header)
    way.place.photos.put("copies/x.jpg", jpeg(5), "image/jpeg", metadata)
    way.embed(header(EMBEDDER))
    (image,) = xray.documents()
    assert image["trace_id"] == EMBEDDER


def test_keys_words_and_addresses_are_in_no_document(way: Way, xray: Daemon) -> None:
    way.invoked_by(header(API))
    upload = way.upload(jpeg(6))
    way.embed(header(EMBEDDER))
    way.invoked_by(header(API))
    assert ask("GET", "/search", query="q=a+secret+wish")[0] == 200
    text = str(xray.documents())
    assert upload["id"] in text
    for private in (upload["key"], "cat", "secret", "wish", "http", way.place.settings.bucket):
        assert private not in text


def test_a_search_has_its_two_parts(way: Way, xray: Daemon) -> None:
    way.invoked_by(header(API))
    status, answer = ask("GET", "/search", query="q=red")
    assert status == 200
    (search,) = xray.documents()
    embed, index = search["subsegments"]
    assert (embed["name"], index["name"]) == ("embed", "index")
    assert search["start_time"] == embed["start_time"]
    assert embed["end_time"] == index["start_time"] <= index["end_time"]
    took = (index["end_time"] - index["start_time"]) * 1000
    assert took == pytest.approx(answer["timings_ms"]["index"], abs=0.01)


@pytest.mark.parametrize(
    ("trace", "setting"),
    [(header(API, sampled=0), "1"), ("", "1"), ("nonsense", "1"), (header(API), "0")],
    ids=["not sampled", "no trace", "no header", "switched off"],
)
def test_where_nothing_is_traced_nothing_is_written_or_kept(
    way: Way, xray: Daemon, monkeypatch: pytest.MonkeyPatch, trace: str, setting: str
) -> None:
    monkeypatch.setenv("IMAGES_TRACES", setting)
    way.invoked_by(trace)
    upload = way.upload(jpeg(7))
    assert set(upload["post"]["fields"]) & {"x-amz-meta-trace", "x-amz-meta-name"} == {
        "x-amz-meta-name"
    }
    way.embed(trace)
    assert xray.documents() == []


def test_without_a_daemon_all_goes_as_ever(way: Way) -> None:
    way.invoked_by(header(API))
    upload = way.upload(jpeg(8))
    way.embed(header(EMBEDDER))
    assert wiring.services().library.get(upload["id"]).state == "ready"


def test_a_trace_changes_neither_record_nor_vector_and_an_index_is_made_again_without_it(
    way: Way, xray: Daemon
) -> None:
    """The bucket alone says everything: another index gets the same from it, and no document."""
    way.invoked_by(header(API))
    upload = way.upload(jpeg(9))
    way.embed(header(EMBEDDER))
    xray.documents()
    data = jpeg(9)
    way.place.photos.put("plain/x.jpg", data, "image/jpeg", image_metadata("a cat.jpg", ""))
    again = MemoryIndex(dim=wiring.services().clip.dim)
    services = wiring.build(way.place.settings, index=again)
    keys = [upload["key"], "plain/x.jpg"]
    list(services.ingest.stream(keys, batch=2))
    assert xray.documents() == []
    known = wiring.services().index
    traced = image_id(way.place.settings.bucket, upload["key"])
    plain = image_id(way.place.settings.bucket, "plain/x.jpg")
    now, then = (index.read([traced])[traced].record for index in (again, known))
    assert replace(now, indexed_at=then.indexed_at, thumbnail_key=then.thumbnail_key) == then
    assert (again.vector(traced) == again.vector(plain)).all()
    services.close()


# --- headers and documents --------------------------------------------------------------------


SOME = "1-5759e988-bd862e3fe1be46a994272793"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Root",
        "Sampled=1",
        f"Root={SOME}",
        f"Root={SOME};Sampled=?",
        f"Root={SOME.upper()};Sampled=1",
        f"Root={SOME};Parent=xyz;Sampled=1",
        f"Root={SOME};Parent=0123456789abcdef0;Sampled=1",
        "Root=1-5759e988-ö;Sampled=1",
    ],
)
def test_what_is_no_header_of_a_kept_trace_is_none(text: str) -> None:
    assert Link.parse(text) is None


def test_a_header_is_read_back_as_it_was_written() -> None:
    link = Link(API, "0123456789abcdef")
    assert Link.parse(link.header) == link
    assert Link.parse(header(API).replace(";", "; ")) == Link(API, "53995c3f42cd8ad8")


def test_an_upload_belongs_to_the_trace_that_it_followed_within_the_hour() -> None:
    link = Link(f"1-{1_700_000_000:08x}-{'a' * 24}", "0123456789abcdef")
    for after, belongs in ((-61, False), (-5, True), (0, True), (3600, True), (3601, False)):
        found = upload_link(link.header, 1_700_000_000 + after)
        assert (found == link) == belongs


def test_whatever_fits_into_metadata_fits_with_a_trace_too() -> None:
    metadata = image_metadata("ö" * 1000, "ü" * 1000, Link(API, "0123456789abcdef").header)
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= 2048
    assert metadata["trace"].isascii()
    assert not set(metadata["trace"]) & set("=;${} ")


@pytest.mark.parametrize(
    ("error", "whose"),
    [(NotFound("No."), "error"), (StorageUnavailable("No."), "fault"), (ValueError(), "fault")],
)
def test_a_step_that_fails_says_whose_doing_it_is(
    xray: Daemon, monkeypatch: pytest.MonkeyPatch, error: Exception, whose: str
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header(API))
    with pytest.raises(type(error)), Tracer().step("upload"):
        raise error
    (document,) = xray.documents()
    assert [name for name in ("error", "fault") if name in document] == [whose]


@pytest.mark.parametrize("address", ["", "nowhere", "a:b", "tcp:127.0.0.1:1"])
def test_an_address_that_is_none_turns_traces_off(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header(API))
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address)
    assert not Tracer().writes
    with Tracer().step("upload") as step:
        assert step.header == ""


def test_the_daemons_own_form_of_an_address_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with daemon() as stand_in:
        address = f"tcp:127.0.0.1:1 udp:{stand_in.address}"
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address)
        monkeypatch.setenv("_X_AMZN_TRACE_ID", header(API))
        with Tracer().step("upload"):
            pass
        assert len(stand_in.documents()) == 1


def test_the_setting_is_on_unless_it_is_turned_off() -> None:
    least = {"IMAGES_BUCKET": "a", "IMAGES_THUMBNAILS_BUCKET": "b"}
    assert Settings.load(least).traces
    assert not Settings.load(least | {"IMAGES_TRACES": "off"}).traces


GOOD: Document = {
    "name": "x",
    "id": "1" * 16,
    "trace_id": SOME,
    "start_time": 1.7e9,
    "end_time": 1.7e9,
}


@pytest.mark.parametrize(
    "change",
    [
        {"id": "xyz"},
        {"trace_id": "1-2-3"},
        {"name": "what?"},
        {"start_time": 1.7e12},
        {"end_time": 1.6e9},
        {"type": "subsegment"},
        {"annotations": {"image-id": "x"}},
        {"annotations": {"x": ["y"]}},
        {"subsegments": [{"name": "y"}]},
        {"words": "x"},
    ],
)
def test_the_stand_in_sees_what_x_ray_would_refuse(change: Document) -> None:
    assert faults(GOOD) == []
    assert faults(GOOD | change) != []
