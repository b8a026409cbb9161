"""The client's pieces by themselves: patience, the form, the journal, names, what is asked for."""

from __future__ import annotations

import hashlib
import io
import threading
from datetime import datetime, timezone
from email.message import Message
from email.parser import BytesParser
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import asking, downloading, shown
from client.errors import ApiError, FileChanged, Stopped, StoreRefused, UsageError
from client.form import FormBody
from client.journal import Entry, Journal, Stamp
from client.models import Part
from client.patience import Patience, retry_after
from client.surroundings import state_folder
from client.walking import find_images

# --- patience ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("soon", None),
        (format_datetime(datetime.fromtimestamp(1_000_030, timezone.utc), usegmt=True), 30.0),
        (format_datetime(datetime.fromtimestamp(999_000, timezone.utc), usegmt=True), 0.0),
    ],
)
def test_retry_after_has_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, 1_000_000) == seconds


def test_whoever_is_asked_to_wait_longer_than_patience_gives_up_at_once() -> None:
    """Or this test would take an hour."""
    assert not Patience(5, threading.Event()).pause(3600)


def test_patience_ends() -> None:
    patience = Patience(0.05, threading.Event())
    tries = 0
    while patience.pause(0.02):
        tries += 1
        assert tries < 10
    assert tries >= 1


def test_waiting_ends_when_it_is_stopped() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        Patience(60, stop).pause(30)


# --- errors -----------------------------------------------------------------------------------


def test_what_passes_and_what_meets_every_file_are_told_apart() -> None:
    def said(status: int, code: str = "any") -> ApiError:
        return ApiError("A sentence.", status=status, code=code)

    assert [said(status).passing for status in (400, 401, 413, 429, 500, 503)] == [
        *(False, False, False),
        *(True, True, True),
    ]
    assert not said(429, "quota_exceeded").passing
    assert said(429, "quota_exceeded").stops_all
    assert [said(status).stops_all for status in (400, 403, 413, 503)] == [False, True, False, True]


def test_one_code_of_s3_has_many_meanings() -> None:
    def said(message: str) -> StoreRefused:
        return StoreRefused(message, status=403, code="AccessDenied")

    assert said("Invalid according to Policy: Policy expired.").expired
    assert not said("Invalid according to Policy: Policy Condition failed: …").expired


# --- the form ---------------------------------------------------------------------------------


def form_of(data: bytes, **fields: str) -> FormBody:
    return FormBody(
        fields, io.BytesIO(data), len(data), on_bytes=lambda _: None, stop=threading.Event()
    )


@given(
    data=st.binary(max_size=5000), piece=st.integers(1, 700), value=st.text("aä%$\"'", max_size=9)
)
def test_a_form_read_in_any_pieces_is_the_file_and_its_fields(
    data: bytes, piece: int, value: str
) -> None:
    body = form_of(data, key="a/b.jpg", note=value)
    length = len(body)
    whole = b"".join(iter(lambda: body.read(piece), b""))
    assert len(whole) == length
    head = f"Content-Type: {body.content_type}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + whole).get_payload()
    assert isinstance(parts, list)
    read = {
        _name(part): part.get_payload(decode=True) for part in parts if isinstance(part, Message)
    }
    assert read == {"key": b"a/b.jpg", "note": value.encode(), "file": data}
    assert list(read)[-1] == "file"
    assert body.sha256 == hashlib.sha256(data).hexdigest()


def _name(part: Message) -> str:
    return str(part.get_param("name", header="Content-Disposition"))


def test_a_file_that_has_become_shorter_is_noticed() -> None:
    data = io.BytesIO(b"short")
    body = FormBody({}, data, 100, on_bytes=lambda _: None, stop=threading.Event())
    with pytest.raises(FileChanged):
        list(body)


def test_sending_breaks_off_when_it_is_stopped() -> None:
    body = form_of(b"bytes")
    body._stop.set()
    with pytest.raises(Stopped):
        body.read(1)


# --- the journal ------------------------------------------------------------------------------


def entry(path: Path, sha256: str = "a" * 64) -> Entry:
    return Entry(
        path, Stamp(3, 5), sha256, "id", "http://x/images/id/file", "placed", {"u": 1}, 9.0
    )


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "odd\udcff\n.jpg"
    journal = Journal(tmp_path, "http://x", "c")
    journal.write(entry(path))
    journal.close()
    journal = Journal(tmp_path, "http://x", "c")
    assert journal.of(path) == entry(path)
    journal.sent(entry(path))
    sent = journal.of(path)
    assert sent
    assert (sent.state, sent.post, sent.id) == ("sent", {}, "id")
    journal.close()
    assert [p.stat().st_mode & 0o077 for p in (tmp_path / "uploads").iterdir()] == [0]


def test_a_moved_file_keeps_its_image(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "http://x", "c")
    journal.write(entry(tmp_path / "a.jpg"))
    (before,) = journal.with_digest("a" * 64)
    journal.moved(before, tmp_path / "b.jpg", Stamp(3, 6))
    (after,) = journal.with_digest("a" * 64)
    assert (after.path.name, after.stamp, after.state) == ("b.jpg", Stamp(3, 6), "sent")
    journal.close()


def test_one_journal_is_one_process_own_and_others_are_free(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "http://x", "c")
    with pytest.raises(UsageError, match="under way"):
        Journal(tmp_path, "http://x", "c")
    Journal(tmp_path, "http://x", "d").close()
    journal.close()
    Journal(tmp_path, "http://x", "c").close()


# --- files and names --------------------------------------------------------------------------


def test_a_file_named_twice_and_found_below_a_folder_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    found, left_out = find_images([tmp_path / "a.jpg", tmp_path, tmp_path / "." / "a.jpg"])
    assert (found, left_out) == ([tmp_path / "a.jpg"], [])


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("beach.jpg", "beach.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a\\b\\c.jpg", "c.jpg"),
        ("..", ""),
        (".hidden", "hidden"),
        ('a:b*"?<>|\x00\n.jpg', "a_b________.jpg"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_downloaded_file_stays_in_its_folder(name: str, safe: str) -> None:
    assert downloading.safe_name(name) == safe


def test_what_is_shown_has_no_control_characters() -> None:
    assert shown.plain("a\x1b[31m\u202eb\udcffc") == "a�[31m�b�c"


def test_the_state_is_kept_where_the_platform_keeps_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("IMAGES_CLIENT_STATE", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "image-intellisense"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder() == tmp_path / ".local" / "state" / "image-intellisense"
    monkeypatch.setenv("IMAGES_CLIENT_STATE", "/elsewhere")
    assert state_folder() == Path("/elsewhere")


# --- what is looked for -----------------------------------------------------------------------


def test_filters_are_taken_apart() -> None:
    given_ = ["camera=Canon = EOS", "min_width=300", "near=48.1,11.5,5", "owner="]
    assert asking.filters_of(given_) == {
        "camera": "Canon = EOS",
        "min_width": 300,
        "near": {"lat": 48.1, "lon": 11.5, "km": 5.0},
        "owner": "",
    }


@pytest.mark.parametrize("wrong", ["camera", "=x", "near=1,2", "min_width=wide"])
def test_a_filter_that_makes_no_sense_is_told(wrong: str) -> None:
    with pytest.raises(UsageError):
        asking.filters_of([wrong])


def test_one_thing_is_asked_for_by_itself_and_several_as_parts() -> None:
    assert asking.query_of([Part(text="a cat")]) == {"text": "a cat"}
    assert asking.query_of([Part(id="x", region=(0, 0, 0.5, 1))]) == {
        "id": "x",
        "region": [0, 0, 0.5, 1],
    }
    assert asking.query_of([Part(image=b"abc"), Part(text="people", weight=-0.4)]) == {
        "parts": [{"image": "YWJj", "weight": 1.0}, {"text": "people", "weight": -0.4}]
    }
    for parts in ([], [Part()], [Part(text="a", id="b")]):
        with pytest.raises(UsageError):
            asking.query_of(parts)
