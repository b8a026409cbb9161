"""`python -m local` as a person meets it: folders, answers, mistakes."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.local_stack import LocalStack, run_local, running
from tests.integration.pictures import folder_of, jpeg, plain

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def as_anyone() -> Callable[[], None] | None:
    """For a child of root: to be refused what a file's mode refuses, as everyone else is."""
    if os.geteuid() != 0:
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def drop() -> None:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl")

    return drop


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder as people have them."""
    folder = tmp_path / "My Photos"
    (folder / "below" / "deeper").mkdir(parents=True)
    (folder / ".hidden folder").mkdir()
    files = {
        "good.jpg": jpeg(1),
        "GOOD.JPEG": jpeg(2),
        "below/green.png": plain("green", form="PNG"),
        "below/deeper/Grüße aus 日本 😀.jpg": jpeg(3),
        "below/100% + one's (2).jpg": jpeg(4),
        "no ending": jpeg(5),
        "same as good.jpg": jpeg(1),
        "below/good.jpg": jpeg(6),
        "cut.jpg": jpeg(7, (400, 300))[:900],
        "words.png": b"These are words.",
        "empty.jpg": b"",
        "locked.jpg": jpeg(8),
        "notes.txt": b"notes",
        "more.TXT": b"notes",
        "README": b"read me",
        "film.mp4": b"\0" * 100,
        ".hidden.jpg": jpeg(9),
        ".hidden folder/inside.jpg": jpeg(10),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "locked.jpg").chmod(0)
    (folder / "nowhere.jpg").symlink_to("not there")
    (folder / "back").symlink_to(folder, target_is_directory=True)
    (folder / "linked.png").symlink_to("below/green.png")
    return folder


INDEXED = {
    "GOOD.JPEG", "below/100% + one's (2).jpg", "below/deeper/Grüße aus 日本 😀.jpg",
    "below/good.jpg", "below/green.png", "good.jpg", "linked.png", "no ending",
    "same as good.jpg",
}  # fmt: skip


def report(said: str) -> list[str]:
    """The lines of the report, without the bars."""
    lines = re.split(r"[\r\n]+", said)
    return [line.strip() for line in lines if line.startswith("  ")]


def test_a_folder_of_all_sorts_is_loaded_and_every_file_accounted_for(
    tiny: Path, tmp_path: Path, mixed: Path
) -> None:
    data = tmp_path / "data"
    first = run_local(
        data, tiny, "--photos", mixed, "--once", "green", "--json", "--limit", "200",
        preexec_fn=as_anyone(),
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    lines = report(first.stderr)
    assert lines[0] == "9 indexed, 4 rejected, 4 no images (2 .txt, 1 no ending, 1 .mp4)"
    reasons = dict(line.removeprefix("rejected: ").split(": ", 1) for line in lines[1:])
    assert reasons.keys() == {"'empty.jpg'", "'cut.jpg'", "'words.png'", "'locked.jpg'"}
    assert reasons["'empty.jpg'"] == "The file is empty."
    assert reasons["'locked.jpg'"] == "The file cannot be read: Permission denied."
    assert "not an image" in reasons["'words.png'"]
    answer = json.loads(first.stdout)
    assert {item["name"] for item in answer["items"]} == INDEXED
    assert {item["collection"] for item in answer["items"]} == {"my-photos"}
    assert {answer["items"][n]["name"] for n in (0, 1)} == {"below/green.png", "linked.png"}

    second = run_local(
        data, tiny, "--photos", mixed, "--once", "green", "--json", preexec_fn=as_anyone()
    )
    assert second.returncode == 0
    assert report(second.stderr)[0] == (
        "0 indexed, 9 there already, 4 rejected, 4 no images (2 .txt, 1 no ending, 1 .mp4)"
    )
    assert json.loads(second.stdout)["total"] == len(INDEXED)


def test_what_changed_in_a_folder_is_loaded_and_the_rest_is_there_already(
    tiny: Path, tmp_path: Path
) -> None:
    photos = folder_of(tmp_path / "photos", 5)
    run_local(tmp_path / "data", tiny, "--photos", photos, "--once", "any")
    (photos / "photo-0000.jpg").write_bytes(jpeg(500))
    (photos / "new.png").write_bytes(plain("red", form="PNG"))
    (photos / "photo-0001.jpg").unlink()
    done = run_local(tmp_path / "data", tiny, "--photos", photos, "--once", "any", "--json")
    assert report(done.stderr) == ["2 indexed, 3 there already"]
    names = [item["name"] for item in json.loads(done.stdout)["items"]]
    # What was loaded stays, the changed photo's former self included.
    assert sorted(names) == [
        "new.png",
        *["photo-0000.jpg"] * 2,
        *(f"photo-000{n}.jpg" for n in (1, 2, 3, 4)),
    ]


def test_once_prints_exactly_one_json_object(tiny: Path, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 3)
    done = run_local(tmp_path / "data", tiny, "--photos", photos, "--once", "red", "--json")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    answer = json.loads(done.stdout)
    assert len(answer["items"]) == answer["total"] == 3
    assert answer["model"]["name"] == "tiny-clip"


def test_once_prints_scores_and_keys_for_people(tiny: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for colour in ("red", "green", "blue"):
        (photos / f"{colour}.jpg").write_bytes(plain(colour))
    done = run_local(tmp_path / "data", tiny, "--photos", photos, "--once", "blue", "--limit", "2")
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r" +\d+\.\d{3}  photos/[0-9a-z]{26}/blue\.jpg", lines[0])


def test_once_with_nothing_to_find_answers_nothing(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = run_local(
        tmp_path / "data", tiny, "--photos", tmp_path / "none", "--once", "red", "--json"
    )
    assert (done.returncode, json.loads(done.stdout)["items"]) == (0, [])
    assert report(done.stderr) == ["0 indexed"]


@pytest.mark.parametrize("what", ["missing", "file"])
def test_photos_that_are_no_folder_end_it_with_a_sentence(
    tiny: Path, tmp_path: Path, what: str
) -> None:
    path = tmp_path / what
    if what == "file":
        path.write_bytes(jpeg())
    done = run_local(tmp_path / "data", tiny, "--photos", path, "--once", "any", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --photos {path} is not a folder.\n"


@pytest.mark.parametrize("query", ["", "   ", "x" * 1001], ids=["empty", "spaces", "too long"])
def test_a_query_that_cannot_be_searched_ends_it_with_a_sentence(
    tiny: Path, tmp_path: Path, query: str
) -> None:
    done = run_local(tmp_path / "data", tiny, "--once", query, "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_port_in_use_ends_it_with_a_sentence(tiny: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_local(tmp_path / "data", tiny, "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"error: Port {port} is in use; choose another with --port.\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["65536", "-1"])
def test_a_port_there_is_not_ends_it_with_a_sentence(tiny: Path, tmp_path: Path, port: str) -> None:
    done = run_local(tmp_path / "data", tiny, f"--port={port}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"error: There is no port {port}: ports go to 65535."


def test_a_data_folder_that_cannot_be_written_ends_it_with_a_sentence(
    tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run_local(tmp_path / "file" / "data", tiny, "--once", "any")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_once_on_the_data_of_a_running_stack_uses_that_stack(tiny: Path, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 4)
    with running(tmp_path / "data", tiny) as stack:
        stack.loaded()
        done = run_local(stack.data, tiny, "--photos", photos, "--once", "any", "--json")
        assert done.returncode == 0, done.stderr
        assert f"Using the stack that runs at {stack.url}.\n" in done.stderr
        assert report(done.stderr) == ["4 indexed"]
        assert json.loads(done.stdout)["items"][0]["url"].startswith(stack.url)
        # It left the stack as it was.
        assert len(stack.images()) == 4
        assert (stack.data / "lock").read_text() == stack.url
        load = run_local(stack.data, tiny, "--photos", photos)
        assert load.returncode == 0
        assert report(load.stderr) == ["0 indexed, 4 there already"]
    after = run_local(tmp_path / "data", tiny, "--once", "any", "--json")
    assert "Using the stack" not in after.stderr
    assert len(json.loads(after.stdout)["items"]) == 4


def test_the_address_of_a_killed_stack_is_not_taken_for_a_running_one(
    tiny: Path, tmp_path: Path
) -> None:
    with running(tmp_path / "data", tiny) as stack:
        stack.loaded()
        stack.kill()
        assert (stack.data / "lock").read_text() == stack.url
    done = run_local(tmp_path / "data", tiny, "--once", "any", "--json")
    assert done.returncode == 0
    assert "Using the stack" not in done.stderr
    assert (tmp_path / "data" / "lock").read_text() == ""


def test_the_users_own_aws_account_is_never_spoken_to(tiny: Path, tmp_path: Path) -> None:
    """A shell set up for AWS, with an address that would be noticed."""
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.listen()
        elsewhere.settimeout(0)
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}"
        mine = {
            "AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_S3": url, "AWS_ENDPOINT_URL_SQS": url,
            "AWS_PROFILE": "mine", "AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "mine",
            "IMAGES_BUCKET": "mine", "IMAGES_ENDPOINT": url, "IMAGES_AUTH": "iam",
            "http_proxy": url, "HTTP_PROXY": url,
        }  # fmt: skip
        photos = folder_of(tmp_path / "photos", 2)
        before = dict(os.environ)
        os.environ.update(mine)
        try:
            done = run_local(tmp_path / "data", tiny, "--photos", photos, "--once", "any", "--json")
        finally:
            os.environ.clear()
            os.environ.update(before)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["total"] == 2
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_a_photo_dropped_into_the_running_stack_by_hand_is_told_how(
    tiny: Path, tmp_path: Path
) -> None:
    with running(tmp_path / "data", tiny) as stack:
        stack.loaded()
        told = re.search(r"aws --endpoint-url (\S+) s3 cp FILE s3://photos/", stack.said)
        assert told is not None
        assert told[1] == stack.s3_url
        assert stack.url in stack.said
        known = stack.put("by-hand.png", plain("red", form="PNG"))
        assert stack.known(known)["state"] == "ready"


def test_a_photo_removed_in_mid_load_costs_no_other(tiny: Path, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 60)
    with running(tmp_path / "data", tiny, "--photos", photos) as stack:
        stack.await_stored(1)
        (photos / "photo-0059.jpg").unlink()
        with contextlib.suppress(FileNotFoundError):
            (photos / "photo-0050.jpg").unlink()
        stack.loaded()
        assert "Traceback" not in stack.said
        names = {image["name"] for image in stack.images()}
        assert {f"photo-{n:04}.jpg" for n in range(60) if n not in (50, 59)} <= names


def test_a_large_picture_is_loaded_whole(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    data = encoded_large()
    (tmp_path / "photos" / "large.bmp").write_bytes(data)
    with running(tmp_path / "data", tiny, "--photos", tmp_path / "photos") as stack:
        image: dict[str, object] = _only(stack.loaded())
        assert (image["bytes"], image["width"]) == (len(data), 3000)


def encoded_large() -> bytes:
    """27 MB: above what moto keeps in memory for one object."""
    return plain("red", size=(3000, 3000), form="BMP")


def _only(stack: LocalStack) -> dict[str, object]:
    images = stack.images()
    assert len(images) == 1
    return images[0]
