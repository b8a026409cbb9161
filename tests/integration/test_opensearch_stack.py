"""`python -m local --index opensearch`: the same product, its index in an OpenSearch."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from chalicelib.clip import load_clip
from chalicelib.index.naming import index_name
from tests.integration.local_stack import LocalStack, indexed_ids, run_local, running
from tests.integration.pictures import plain
from tests.integration.processes import eventually
from tests.opensearch_server import Server
from tests.unit import tiny_clip

COLOURS = ["red", "green", "blue", "yellow"]


@pytest.fixture
def model(opensearch_node: Server, tmp_path: Path) -> Iterator[Path]:
    """A model of this test's own, and so an index of its own, which goes at the end."""
    folder = tiny_clip.build(tmp_path / "model", seed=31)
    clip = load_clip(folder)
    yield folder
    name = index_name(clip.name, clip.fingerprint)
    requests.delete(f"{opensearch_node.url}/{name}", timeout=60)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos of each colour."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for colour in COLOURS:
        for number in range(3):
            (folder / f"{colour}-{number}.jpg").write_bytes(plain(colour, number))
    return folder


def found_in_time(stack: LocalStack, text: str, wanted: list[str]) -> None:
    """Searches lag behind writes by the refresh interval; then the first found are `wanted`."""
    eventually(lambda: sorted(stack.found(text)[: len(wanted)]), lambda names: names == wanted)


def library_of(stack: LocalStack) -> list[dict[str, object]]:
    """All that is known of each image, but for where the stack is."""
    return [{k: v for k, v in i.items() if not k.endswith("url")} for i in stack.images()]


def three(colour: str) -> list[str]:
    return [f"{colour}-{number}.jpg" for number in range(3)]


@pytest.mark.timeout(900)
def test_a_library_in_opensearch_is_loaded_searched_changed_and_found_again_by_the_next_start(
    opensearch_node: Server, model: Path, photos: Path, tmp_path: Path
) -> None:
    data, url = tmp_path / "data", opensearch_node.url
    with running(data, model, "--photos", photos, opensearch=url) as stack:
        stack.loaded()
        assert "12 indexed" in stack.said
        assert not (data / "index").exists()
        for colour in COLOURS:
            found_in_time(stack, colour, three(colour))
        by_name = {image["name"]: image for image in stack.images()}
        stack.put(by_name["red-0.jpg"]["key"], plain("blue", 100))
        answer = stack.request("DELETE", f"/images/{by_name['green-0.jpg']['id']}")
        assert answer.status_code == 200
        assert "green-0.jpg" not in stack.found("green")
        assert "green-0.jpg" not in [image["name"] for image in stack.images()]
        eventually(lambda: sorted(stack.found("blue")[:4]), lambda n: "red-0.jpg" in n)
        found_in_time(stack, "green", ["green-1.jpg", "green-2.jpg"])
        eventually(lambda: stack.get("/stats")["images"]["ready"], lambda count: count == 11)
        assert stack.at_rest().differences() == {}
        before = library_of(stack)
        embedded = indexed_ids(stack.log("worker"))
        assert len(embedded) == 13
        stack.kill()
    with running(data, model, opensearch=url) as stack:
        stack.loaded()
        assert library_of(stack) == before
        assert sorted(stack.found("blue")[:4]) == sorted([*three("blue"), "red-0.jpg"])
        assert indexed_ids(stack.log("worker")) == embedded
        assert stack.reports()[-1]["total"] == 0
        assert stack.differences() == {}


@pytest.mark.timeout(900)
def test_one_query_sees_what_was_loaded_a_moment_ago(
    opensearch_node: Server, model: Path, photos: Path, tmp_path: Path
) -> None:
    done = run_local(
        tmp_path / "data", model, "--photos", photos, "--once", "yellow", "--limit", "3",
        opensearch=opensearch_node.url,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    keys = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()]
    assert sorted(key.rpartition("/")[2] for key in keys) == three("yellow")


def test_no_opensearch_at_the_address_ends_the_start_with_a_sentence(
    tiny: Path, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        done = run_local(tmp_path / "data", tiny, "--once", "red", opensearch=url)
    assert done.returncode == 1
    assert done.stdout == ""
    (error,) = done.stderr.splitlines()
    assert error == (
        f"error: No OpenSearch answers at {url}. Start one in another window: make opensearch "
        "(or docker compose up), or name one: OPENSEARCH_URL=…"
    )
