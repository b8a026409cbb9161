"""`python -m client upload` against the running stack: what is sent, what is not, what it says."""

from __future__ import annotations

import os
import pty
import shutil
import termios
from contextlib import suppress
from pathlib import Path

import pytest

from client import Client
from tests.integration.client_runs import Machine, on_disk, photos, there
from tests.integration.local_stack import LocalStack
from tests.integration.pictures import jpeg
from tests.integration.processes import eventually

pytestmark = pytest.mark.xdist_group("client")


def test_a_folder_is_sent_whole_and_each_image_can_be_found(
    open_stack: LocalStack, machine: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 60)
    photos(folder / "2019" / "summer", 20, first=60)
    told = machine.told("upload", folder, "--collection", "whole", "--wait", "--jobs", "6")
    assert (told["sent"], told["ready"], told["failed"], told["complete"]) == (80, 80, [], True)
    assert told["bytes"] == sum(path.stat().st_size for path in folder.rglob("*.jpg"))
    assert there(open_stack, "whole") == on_disk(folder)
    images = open_stack.images(collection="whole")
    assert sorted(image["name"] for image in images) == sorted(
        path.name for path in folder.rglob("*.jpg")
    )
    assert {image["id"] for image in images} == set(told["ids"].values())


def test_a_second_run_sends_nothing_and_a_later_one_what_is_new_or_changed(
    open_stack: LocalStack, machine: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 12)
    sent = ("upload", folder, "--collection", "again")
    assert machine.told(*sent)["sent"] == 12
    assert [machine.told(*sent)[n] for n in ("sent", "already", "complete")] == [0, 12, True]
    photos(folder, 2, first=12)
    (folder / "0003.jpg").write_bytes(jpeg(77_777))
    os.utime(folder / "0004.jpg", (0, 0))
    told = machine.told(*sent)
    assert (told["sent"], told["already"]) == (3, 11)
    assert len(there(open_stack, "again")) == 15
    assert machine.told(*sent)["sent"] == 0


def test_a_file_that_was_moved_is_not_sent_again_and_a_copy_is(
    open_stack: LocalStack, machine: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 3)
    sent = ("upload", folder, "--collection", "moved")
    machine.told(*sent)
    (folder / "sorted").mkdir()
    (folder / "0000.jpg").rename(folder / "sorted" / "best.jpg")
    shutil.copy2(folder / "0001.jpg", folder / "copy.jpg")
    told = machine.told(*sent)
    assert (told["sent"], told["already"]) == (1, 3)
    assert there(open_stack, "moved") == on_disk(folder)


def test_what_is_gone_from_the_library_is_sent_again(
    open_stack: LocalStack, machine: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 4)
    sent = ("upload", folder, "--collection", "gone", "--wait")
    ids = machine.told(*sent)["ids"]
    one = ids[str(folder / "0002.jpg")]
    assert open_stack.request("DELETE", f"/images/{one}").status_code == 200
    told = machine.told(*sent)
    assert (told["sent"], told["already"], told["ready"]) == (1, 3, 4)
    assert told["ids"][str(folder / "0002.jpg")] != one


def test_servers_and_collections_are_kept_apart(machine: Machine, tmp_path: Path) -> None:
    folder = photos(tmp_path / "pictures", 2)
    for collection in ("apart-one", "apart-two"):
        assert machine.told("upload", folder, "--collection", collection)["sent"] == 2


def test_hidden_files_and_what_is_no_image_are_left_out_with_reasons(
    open_stack: LocalStack, machine: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 2)
    (folder / "notes.txt").write_text("words")
    (folder / ".hidden.jpg").write_bytes(jpeg(1))
    photos(folder / ".thumbnails", 1)
    (folder / "around").symlink_to(folder, target_is_directory=True)
    (folder / "empty.png").touch()
    told = machine.told("upload", folder, "--collection", "left-out", status=1)
    assert {Path(x["path"]).name: x["reason"] for x in told["left_out"]} == {
        "notes.txt": "is no image, by its name",
        ".hidden.jpg": "is hidden",
        ".thumbnails": "is hidden",
        "around": "is a link to a folder",
    }
    assert [(Path(f["path"]).name, f["code"]) for f in told["failed"]] == [("empty.png", "empty")]
    assert told["sent"] == len(there(open_stack, "left-out")) == 2
    # Whoever names a file means it.
    told = machine.told("upload", folder / ".hidden.jpg", "--collection", "left-out")
    assert told["sent"] == 1


def test_waiting_ends_with_the_reason_of_what_is_no_image(machine: Machine, tmp_path: Path) -> None:
    folder = photos(tmp_path / "pictures", 3)
    (folder / "words.jpg").write_bytes(b"these are words")
    told = machine.told("upload", folder, "--collection", "rejects", "--wait", status=1)
    assert (told["sent"], told["ready"]) == (4, 3)
    ((path, code, reason),) = [(f["path"], f["code"], f["reason"]) for f in told["failed"]]
    assert (Path(path).name, code) == ("words.jpg", "rejected")
    assert "not an image" in reason


ODD_NAMES = [
    "with space.jpg",
    "grüße-日本.jpg",
    "<b>&'\"`$(x).jpg",
    "a\nb\x1b[2J.jpg",
    "a+b=100%.jpg",
]


def test_odd_names_arrive_as_they_are_and_a_terminal_obeys_none(
    open_stack: LocalStack, machine: Machine, tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for number, name in enumerate(ODD_NAMES):
        (folder / name).write_bytes(jpeg(90_000 + number))
    (folder / os.fsdecode(b"not-text-\xff.jpg")).write_bytes(jpeg(90_100))
    (folder / "words\x1b[2J.png").write_bytes(b"words")
    done = machine.run("upload", folder, "--collection", "odd", "--wait")
    assert done.returncode == 1
    assert "words�[2J.png: " in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    names = {image["name"] for image in open_stack.images(collection="odd")}
    assert names == {*ODD_NAMES, "not-text-�.jpg"}


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(
    open_stack: LocalStack, machine: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 3)
    machine.told("upload", folder / "0000.jpg", "--collection", "dry")
    told = machine.told("upload", folder, "--collection", "dry", "--dry-run")
    assert told["not_tried"] == [str(folder / "0001.jpg"), str(folder / "0002.jpg")]
    assert (told["already"], told["sent"]) == (1, 0)
    done = machine.run("upload", folder, "--collection", "dry", "--dry-run")
    assert "2 would be sent" in done.stdout
    assert len(there(open_stack, "dry")) == 1


def test_without_a_terminal_progress_comes_in_lines(machine: Machine, tmp_path: Path) -> None:
    folder = photos(tmp_path / "pictures", 20)
    done = machine.run("upload", folder, "--collection", "lines")
    lines = [line for line in done.stderr.splitlines() if "files are there" in line]
    assert len(lines) == 10
    assert lines[-1].startswith("20 of 20 files are there")
    assert done.stdout.startswith("20 sent (")
    assert "\r" not in done.stderr


def test_a_terminal_shows_a_bar_that_counts_bytes_and_files(
    machine: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 12)
    here, there_ = pty.openpty()
    termios.tcsetwinsize(there_, (24, 100))
    process = machine.start("upload", folder, "--collection", "bar", stderr=there_)
    os.close(there_)
    shown = b""
    with suppress(OSError):  # Linux says so at the end of a terminal
        while piece := os.read(here, 4096):
            shown += piece
    os.close(here)
    process.communicate(timeout=240)
    assert process.returncode == 0
    assert b"12/12 files" in shown
    assert b"100%" in shown


def test_wrong_usage_is_told_and_sends_nothing(machine: Machine, tmp_path: Path) -> None:
    done = machine.run("upload", tmp_path / "nowhere")
    assert (done.returncode, done.stderr) == (2, f"There is no {tmp_path / 'nowhere'}.\n")
    assert machine.run("upload").returncode == 2
    assert machine.run("upload", tmp_path, "--jobs", "0").returncode == 2
    elsewhere = Machine(machine.state, "http://127.0.0.1:9")
    done = elsewhere.run("upload", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "http://127.0.0.1:9 does not answer: connection refused. Is it running?\n"
    told = Machine(machine.state, "http://example.com").told(
        "upload", tmp_path, "--token", "secret", status=2
    )
    assert told["error"]["code"] == "usage"
    assert "in the clear" in told["error"]["message"]


def test_a_second_upload_at_the_same_time_is_refused(
    open_stack: LocalStack, machine: Machine, tmp_path: Path
) -> None:
    from client.journal import Journal

    place = Client(open_stack.url, state=machine.state).transport.url
    held = Journal(machine.state, place, "held")
    done = machine.run("upload", photos(tmp_path / "pictures", 1), "--collection", "held")
    held.close()
    assert done.returncode == 2
    assert done.stderr.startswith("Another upload to this server and collection is under way")


def test_in_python_an_upload_is_one_call_with_a_typed_report(
    open_stack: LocalStack, machine: Machine, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "pictures", 3)
    images = Client(open_stack.url, state=machine.state)
    report = images.upload([folder], collection="in-python", wait=True)
    assert (report.sent, report.ready, report.complete) == (3, 3, True)
    found = {image.id: image for image in images.images(collection="in-python")}
    assert found.keys() == set(report.ids.values())
    eventually(lambda: len(images.known(list(found))), lambda known: known == 3)
