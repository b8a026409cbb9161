"""The questions of an operator (infra/queries), asked of what the code really logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.deadletters import DeadLetters
from chalicelib.records import image_id
from container_embedder import batch_job, measures
from container_embedder.handler import process
from tests.fakes.queue import MemoryQueue
from tests.unit.insights import Event, Query, Row
from tests.unit.job_place import COUNT, Place
from tests.unit.logs import captured
from tests.unit.test_api import Site
from tests.unit.test_handler import message, s3_record
from tests.unit.test_search import searching

ROOT = Path(__file__).resolve().parents[2]
QUERIES = {path.stem: Query(path.read_text()) for path in (ROOT / "infra/queries").glob("*.txt")}

REPORTS = (
    "REPORT RequestId: 8f5d\tDuration: 312.42 ms\tBilled Duration: 1213 ms\tMemory Size: 1769 MB\t"
    "Max Memory Used: 402 MB\tInit Duration: 900.50 ms\t",
    "REPORT RequestId: 9f5d\tDuration: 30.10 ms\tBilled Duration: 31 ms\tMemory Size: 1769 MB\t"
    "Max Memory Used: 402 MB\t",
)
"""Lambda's own lines, of a start and of an invocation without one
(https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html)."""


def of_the_embedder(site: Site, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Two images in, two rejected, one event that is none, and once no storage."""
    library = site.known
    for key, data in {
        "a.jpg": b"a",
        "b.jpg": b"b",
        "c.jpg": b"BROKEN",
        "d.jpg": b"x" * 5000,
    }.items():
        library.put(key, data)
    letters = DeadLetters(MemoryQueue(), None)
    batch = [message(key, s3_record(key)) for key in library.bucket.objects]
    with captured() as log, measures.invocation(5):
        process(
            {"Records": [*batch, message("odd", body="no event")]},
            library.ingest(),
            "photos",
            None,
            letters=letters,
        )
        library.bucket.down = True
        process({"Records": batch[:1]}, library.ingest(), "photos", None, letters=letters)
        library.bucket.down = False
        lines = log()
    return [*_texts(lines), *capsys.readouterr().out.splitlines()]


def of_the_api(site: Site) -> list[str]:
    """Searches with and without an answer, uploads, a wrong request, and once no index."""
    files = [{"name": f"{n}.jpg", "type": "image/jpeg", "size": 7} for n in range(3)]
    with captured() as log:
        site.call("POST", "/uploads", {"files": files})
        site.call("POST", "/uploads", {"files": files[:1]})
        site.call("GET", "/search?q=found")
        for _ in range(2):
            site.call("GET", "/search?q=nowhere&collection=empty")
        site.call("GET", "/search?q=x&limit=many")
        site.index.down = True
        site.call("GET", "/search?q=found")
        site.index.down = False
        lines = log()
    return _texts(lines)


def _texts(lines: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(line) for line in lines]


@pytest.fixture
def events(
    full: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[list[Event]]:
    site = Site()
    index, encoder = site.index, site.known.encoder
    search = searching(index, encoder=encoder, log_queries=True)
    object.__setattr__(site.services, "search", search)
    monkeypatch.setattr(wiring, "services", lambda: site.services)
    by_group: Mapping[str, list[str]] = {
        "embedder": of_the_embedder(site, capsys),
        "api": of_the_api(site),
        "search": list(REPORTS),
        "batch": _of_two_reconciles(full, capsys),
    }
    lines = [(group, line) for group, lines in by_group.items() for line in lines]
    return [Event(group, at, line) for at, (group, line) in enumerate(lines)]


def _of_two_reconciles(place: Place, capsys: pytest.CaptureFixture[str]) -> list[str]:
    place.photos.put("a/broken.jpg", b"no image", "image/jpeg")
    for _ in range(2):
        assert batch_job.main(["reconcile"]) == 0
    out, said = capsys.readouterr()
    return [*said.splitlines(), *out.splitlines()]


def ask(name: str, events: list[Event], **place: str) -> list[Row]:
    text = (ROOT / f"infra/queries/{name}.txt").read_text()
    for old, new in place.items():
        assert old in text
        text = text.replace(old, new)
    return Query(text).run(events)


def picked(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_each_question_has_its_right_answer(events: list[Event]) -> None:
    a, broken = image_id("photos", "a.jpg"), image_id("photos", "c.jpg")

    assert set(picked(ask("what-failed", events), "message", "code", "times")) == {
        ("image", "storage_unavailable", 1),
        ("unreadable message", None, 1),
        ("dead letter", "unreadable_message", 1),
        ("request failed", "index_unavailable", 1),
    }

    last, first = ask("image", events, IMAGE_ID=a)
    assert (first["result"], last["result"]) == ("indexed", "failed")
    assert (first["message_id"], last["code"]) == ("a.jpg", "storage_unavailable")
    assert first["timings_ms.decode"] >= 0
    assert picked(ask("image", events, IMAGE_ID=broken), "code") == [("unreadable_image",)]

    (stages,) = ask("slowest-stages", events)
    assert stages["images"] == 4
    assert all(stages[name] <= stages[f"{name}_95"] for name in ("fetch", "embed", "write"))

    rejected = ask("rejected", events)
    assert sorted(picked(rejected, "code", "images")) == [("too_large", 1), ("unreadable_image", 1)]
    assert all(row["reason"].endswith(".") for row in rejected)

    letters = ask("dead-letters", events)
    assert set(picked(letters, "message", "message_id")) == {
        ("dead letter", "odd"),
        ("unreadable message", "odd"),
    }

    assert ask("cold-starts", events) == [
        {"@log": "search", "starts": 1, "usual": 900.5, "slowest": 900.5}
    ]

    searches = ask("slow-searches", events)
    assert sorted(picked(searches, "words", "total")) == [
        ("found", 2),
        ("nowhere", 0),
        ("nowhere", 0),
    ]
    took = [row["timings_ms.total"] for row in searches]
    assert took == sorted(took, reverse=True)

    assert picked(ask("searches-without-answer", events), "words", "times") == [("nowhere", 2)]
    assert picked(ask("who-uploads", events), "owner", "pictures", "size") == [("", 4, 28)]
    assert picked(ask("errors-by-code", events), "message", "code", "requests") == [
        ("request refused", "invalid_request", 1),
        ("request failed", "index_unavailable", 1),
    ]

    second, first = ask("last-reconciles", events)
    assert (first["listed"], first["results.indexed"], first["results.rejected"]) == (
        COUNT + 1,
        COUNT,
        1,
    )
    assert (second["same"], second["total"], second["shard"]) == (COUNT + 1, 0, "0/1")


def test_each_field_that_a_query_speaks_of_is_in_the_lines_that_it_finds(
    events: list[Event],
) -> None:
    for name in QUERIES:
        text = (ROOT / f"infra/queries/{name}.txt").read_text()
        query = Query(text.replace("IMAGE_ID", image_id("photos", "a.jpg")))
        lines = query.filtered(events)
        assert lines, name
        # A run without a price has no cost, and in none did an image fail.
        missing = query.asked.difference(*lines) - {"cost_usd", "results.failed"}
        assert missing == set(), name


def test_there_are_at_least_ten_questions_each_in_a_sentence_and_for_one_thing() -> None:
    assert len(QUERIES) >= 10
    for query in QUERIES.values():
        assert "?" in query.question
        assert [name for name, _ in query.steps].count("stats") <= 1


@pytest.mark.parametrize(
    "text",
    ["filter", "filter a =", "stats count(*)", "sort a", "dance", "filter a = 1 | ", "fields by"],
)
def test_what_is_no_query_is_refused(text: str) -> None:
    with pytest.raises((AssertionError, ValueError, KeyError)):
        Query(text)
