"""What the embedder measures: documents in CloudWatch's embedded metric format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chalicelib.deadletters import DeadLetters
from chalicelib.errors import StorageUnavailable, TooLarge, UnreadableImage
from chalicelib.verdicts import Outcome
from container_embedder import measures
from container_embedder.handler import process
from tests.fakes.library import FakeLibrary
from tests.fakes.queue import MemoryQueue
from tests.unit.test_handler import message, s3_record

Documents = list[dict[str, Any]]

EVENT = datetime(2026, 3, 14, 9, 26, 53, 589_000, timezone.utc)
SENT = datetime.fromtimestamp(1545082649.183, timezone.utc)
"""What `message` says of itself."""


@pytest.fixture(autouse=True)
def _from_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    measures.metrics.clear_metrics()
    monkeypatch.setattr(measures, "_cold", False)
    yield
    measures.metrics.clear_metrics()


def documents(capsys: pytest.CaptureFixture[str]) -> Documents:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def shape(document: dict[str, Any]) -> tuple[str, list[list[str]], dict[str, str]]:
    """(namespace, dimensions, unit by metric); each metric has its values beside it."""
    (about,) = document["_aws"]["CloudWatchMetrics"]
    units = {metric["Name"]: metric["Unit"] for metric in about["Metrics"]}
    assert set(units) <= set(document)
    assert document["service"] == "embedder"
    return about["Namespace"], about["Dimensions"], units


def test_one_invocation_is_one_document_and_one_for_each_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    library = FakeLibrary()
    library.put("good.jpg", b"good")
    library.put("broken.jpg", b"BROKEN")
    library.put("large.jpg", b"x" * 5000)
    batch = [message(key, s3_record(key)) for key in ("good.jpg", "broken.jpg", "large.jpg")]
    batch.append(message("odd", body="no event"))
    letters = DeadLetters(MemoryQueue(), None)
    with measures.invocation(len(batch)):
        process({"Records": batch}, library.ingest(), "photos", None, letters=letters)
    *reasons, whole = documents(capsys)

    namespace, dimensions, units = shape(whole)
    assert (namespace, dimensions) == ("ImageIntellisense", [["service"]])
    times = {"Fetch", "Decode", "Thumbnail", "Embed", "Write", "EventToIndexed"}
    counts = {"BatchSize", "Indexed", "Rejected", "FailedMessages", "DeadLetters"}
    assert units == dict.fromkeys(times, "Milliseconds") | dict.fromkeys(counts, "Count")
    assert {name: whole[name] for name in counts} == {
        "BatchSize": [4],
        "Indexed": [1],
        "Rejected": [2],
        "FailedMessages": [0],
        "DeadLetters": [1],
    }
    assert all(value >= 0 for name in times for value in whole[name])
    assert (len(whole["Write"]), len(whole["Embed"])) == (3, 1)

    found = []
    for document in reasons:
        namespace, (dimensions,), units = shape(document)
        assert (namespace, sorted(dimensions)) == ("ImageIntellisense", ["reason", "service"])
        found += [(name, document["reason"], document[name]) for name in units]
    assert found == [
        ("Rejected", "too_large", [1]),
        ("Rejected", "unreadable_image", [1]),
        ("DeadLetters", "unreadable_message", [1]),
    ]


def test_a_cold_start_is_counted_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "_cold", True)
    for _ in range(2):
        with measures.invocation(1):
            pass
    first, second = documents(capsys)
    assert first["ColdStart"] == [1]
    assert "ColdStart" not in second


def test_what_was_measured_is_written_however_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with measures.invocation(7):
            measures.note_failed(3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    (document,) = documents(capsys)
    assert (document["BatchSize"], document["FailedMessages"]) == ([7], [3])
    with measures.invocation(1):
        pass
    (document,) = documents(capsys)
    assert "FailedMessages" not in document


def timed(key: str, at: datetime | None) -> dict[str, Any]:
    record = s3_record(key)
    return {**record, "eventTime": at.isoformat()} if at else record


def ages(capsys: pytest.CaptureFixture[str], now: datetime, *batch: dict[str, Any]) -> list[float]:
    library = FakeLibrary()
    for key in ("a", "b"):
        library.put(key, b"good")
    with measures.invocation(len(batch)):
        process({"Records": list(batch)}, library.ingest(), "photos", None, clock=lambda: now)
    (document,) = documents(capsys)
    found: list[float] = document.get("EventToIndexed", [])
    return found


def test_the_age_is_from_each_event_to_the_answer_of_its_write(
    capsys: pytest.CaptureFixture[str],
) -> None:
    batch = [
        message("one", timed("a", EVENT), timed("gone", EVENT)),
        message("two", timed("b", EVENT + timedelta(seconds=1))),
    ]
    now = EVENT + timedelta(seconds=2.5)
    assert sorted(ages(capsys, now, *batch)) == [1500.0, 2500.0]


def test_an_event_without_a_time_is_as_old_as_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = SENT + timedelta(milliseconds=817)
    assert ages(capsys, now, message("one", timed("a", None))) == [817.0]
    untold = message("one", timed("a", None))
    untold["attributes"] = {}
    assert ages(capsys, now, untold) == []


def test_clocks_that_differ_make_no_age_below_zero(capsys: pytest.CaptureFixture[str]) -> None:
    now = EVENT - timedelta(milliseconds=40)
    assert ages(capsys, now, message("one", timed("a", EVENT))) == [0.0]


def test_more_values_than_one_document_holds_are_all_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    errors = [UnreadableImage("a"), TooLarge("b"), StorageUnavailable("c"), None]
    outcomes = [
        Outcome(str(n), "rejected", errors[n % 4], timings_ms={"fetch": float(n)})
        for n in range(250)
    ]
    with measures.invocation(1):
        measures.note_images(outcomes)
    fetched: list[float] = []
    by_reason = {}
    for document in documents(capsys):
        fetched += document.get("Fetch", [])
        if "reason" in document:
            by_reason[document["reason"]] = document["Rejected"]
    assert sorted(fetched) == [float(n) for n in range(250)]
    assert by_reason == {
        "none": [62],
        "storage_unavailable": [62],
        "too_large": [63],
        "unreadable_image": [63],
    }


def test_a_deployment_may_have_a_namespace_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    measures.under("our-photos")
    try:
        with measures.invocation(1):
            measures.note_dead_letters(["too_large"])
    finally:
        measures.under("")
    found = documents(capsys)
    assert [shape(document)[0] for document in found] == ["our-photos", "our-photos"]
    with measures.invocation(1):
        pass
    (document,) = documents(capsys)
    assert shape(document)[0] == measures.NAMESPACE
