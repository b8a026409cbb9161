"""`python -m client search` and `status`, and the same in Python, on the sample photos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from client import ApiError, Client, Part, SearchPage, UsageError
from tests.integration.client_runs import Machine
from tests.integration.local_stack import LocalStack
from tests.integration.proxy import proxy_before

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("stack")]

CAT = "chelsea-the-cat.png"


@pytest.fixture
def reader(stack: LocalStack, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "state", stack.url)


@pytest.fixture
def images(stack: LocalStack, tmp_path: Path) -> Client:
    return Client(stack.url, state=tmp_path / "state")


def _names(told: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["name"] for item in told["items"]]


def test_words_find_what_matches_and_say_how_sure_that_is(reader: Machine) -> None:
    done = reader.run("search", "a", "cat", "--filter", "collection=samples")
    assert done.returncode == 0
    first = done.stdout.splitlines()[0]
    assert first.endswith(f"samples/{CAT}")
    assert first.strip()[0].isdigit()


def test_where_nothing_matches_it_says_so_and_how_to_see_more(reader: Machine) -> None:
    done = reader.run("search", "qzxv wlpf", "--filter", "collection=samples")
    assert done.stdout.startswith("Nothing in the library is what was asked for. --closest shows")
    told = reader.told("search", "qzxv wlpf", "--closest", "--limit", "3")
    assert len(told["items"]) == 3


def test_a_picture_an_image_like_it_and_what_is_not_wanted_go_together(
    reader: Machine, samples: Path
) -> None:
    told = reader.told("search", "--image", samples / CAT, "--filter", "collection=samples")
    assert _names(told)[0] == CAT
    cat = told["items"][0]["id"]
    # Others may have put the same picture into collections of their own.
    here = ("--filter", "collection=samples")
    assert CAT not in _names(reader.told("search", "--like", cat, "--closest", *here))
    both = reader.told("search", "cup", "--like", cat, "--not", "cat", "--closest", *here)
    assert both["items"]
    part = ("--image", samples / CAT, "--region", "0.2,0.2,0.6,0.6")
    assert _names(reader.told("search", *part, *here))[0] == CAT


def test_filters_and_order_are_those_of_the_api(reader: Machine) -> None:
    told = reader.told(
        "search", "a photo", "--closest", "--filter", "format=png", "--order", "newest",
        "--filter", "min_width=300",
    )  # fmt: skip
    assert {item["format"] for item in told["items"]} == {"png"}
    done = reader.run("search", "cat", "--filter", "colour=red")
    assert (done.returncode, "colour" in done.stderr) == (1, True)
    assert reader.run("search", "cat", "--filter", "near=here").returncode == 2
    assert reader.run("search").returncode == 2


def test_what_is_found_is_downloaded_whole_and_writes_over_nothing(
    reader: Machine, samples: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "found"
    here = ("--filter", "collection=samples")
    asked = ("search", "a cat", "--limit", "1", "--download", folder, *here)
    told = reader.told(*asked)
    reader.told(*asked)
    name = told["items"][0]["name"]
    stem, ending = name.rsplit(".", 1)
    assert sorted(path.name for path in folder.iterdir()) == [f"{stem} (2).{ending}", name]
    data = (folder / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == told["items"][0]["sha256"]
    assert told["items"][0]["saved"] == str(folder / name)


def test_more_than_a_page_is_walked(images: Client) -> None:
    pages = list(images.search("a photo", closest=True, filters={"collection": "samples"}))
    few = list(images.search("a photo", closest=True, limit=3, filters={"collection": "samples"}))
    assert len(pages) == len({match.image.id for match in pages}) == 28
    assert [match.image.id for match in few] == [match.image.id for match in pages[:3]]


def test_later_pages_of_a_search_by_a_picture_do_not_send_it_again(
    stack: LocalStack, samples: Path, tmp_path: Path
) -> None:
    with proxy_before(stack.url) as proxy:
        images = Client(proxy.url, state=tmp_path / "state")
        asked = {
            "image": (samples / CAT).read_bytes(),
            "closest": True,
            "filters": {"collection": "samples"},
        }
        pages = [page.matches for page in islice(_pages_of_five(images, **asked), 3)]
        bodies = [json.loads(e.asked.body) for e in proxy.exchanges if e.asked.method == "POST"]
    assert [("image" in body, "vector" in body) for body in bodies] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    found = [match.image.id for page in pages for match in page]
    assert len(set(found)) == 15
    assert pages[0][0].image.name == CAT


def _pages_of_five(images: Client, **asked: Any) -> Iterator[SearchPage]:
    """As `search_pages`, which takes 200 at a time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("client.api.MOST_A_PAGE", 5)
        yield from images.search_pages(**asked)


def test_results_are_typed_and_errors_say_where(images: Client) -> None:
    page = images.search_page("a cat", filters={"collection": "samples"}, limit=5)
    best = page.matches[0]
    assert (best.image.name, best.image.state, best.within) == (CAT, "ready", True)
    assert best.confidence is not None
    assert 0 < best.confidence <= 1
    assert "meaning" in best.why
    assert best.image.uploaded_at is not None
    assert images.image(best.image.id) == best.image
    with pytest.raises(ApiError) as caught:
        images.search_page("a cat", limit=500)
    assert (caught.value.status, caught.value.code) == (400, "invalid_request")
    assert (caught.value.field, bool(caught.value.request_id)) == ("limit", True)
    with pytest.raises(ApiError, match="No image has this id"):
        images.image("0" * 32)
    with pytest.raises(UsageError):
        images.search_page(parts=[Part(text="a", id="b")])


def test_the_status_says_what_is_there_and_who_asks(reader: Machine) -> None:
    told = reader.told("status")
    assert told["stats"]["images"]["ready"] >= 28
    assert told["session"]["scopes"] == ["read", "upload", "admin"]
    said = reader.run("status").stdout
    assert "Images: " in said
    assert "may read, upload, admin" in said


def test_json_is_one_object_also_where_something_is_wrong(reader: Machine) -> None:
    done = reader.run("search", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (2, "usage")
