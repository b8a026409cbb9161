"""Copies on the page: folded in answers, told in the larger view, deleted there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.browser import Page
from tests.integration.local_stack import LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]


@pytest.fixture
def copies(site: LocalStack, samples: Path) -> Iterator[list[str]]:
    """Two files of the same bytes and a smaller JPEG of the same picture."""
    picture = samples / "motorcycle-left.png"
    small = io.BytesIO()
    with Image.open(picture) as opened:
        opened.convert("RGB").resize((520, 351)).save(small, "JPEG", quality=80)
    files = {"one.png": picture.read_bytes(), "two.png": picture.read_bytes()}
    files["small.jpg"] = small.getvalue()
    ids = [site.upload(name, data, collection="copies") for name, data in files.items()]
    assert {site.known(image)["state"] for image in ids} == {"ready"}
    yield ids
    for image in ids:  # those too that a test has deleted
        site.request("DELETE", f"/images/{image}")


def badges(page: Page) -> list[str]:
    return [badge.text for badge in page.all("item-copies")]


def test_copies_are_folded_told_shown_and_deleted(
    page: Page, site: LocalStack, copies: list[str]
) -> None:
    page.open("/?collection=copies")
    assert (set(page.ids()), badges(page)) == (set(copies), ["3 alike"] * 3)
    assert not page.all("copies-toggle"), "a listing is not folded"

    page.search("a motorcycle")
    (best,) = page.ids()
    assert badges(page) == ["3 alike"]
    told = site.get(f"/images/{best}/copies")["items"]
    page.click("item")
    kinds = [item["copy"] for item in told]
    expected = {
        ("exact", "near"): "1 identical file, 1 near copy",
        ("near", "near"): "2 near copies",
    }[kinds[0], kinds[1]]
    section = page.one("copies")
    assert section.text.split("\n")[0] == expected
    assert [link.get_attribute("data-id") for link in page.all("copy")] == [i["id"] for i in told]
    assert f"{told[0]['width']} × {told[0]['height']} px" in section.text

    page.click("copy")
    page.until(lambda: told[0]["id"] in page.driver.current_url, "the copy is shown")
    page.click("delete")
    page.click("confirm-delete")
    page.until(lambda: not page.all("viewer"), "the larger view is closed")
    page.until(lambda: badges(page) == ["2 alike"], "one copy fewer stands behind the other")
    assert page.ids() == [best]

    page.click("copies-toggle")
    page.settled()
    left = {best, told[1]["id"]}
    page.until(lambda: set(page.ids()) == left, "each copy is an image of its own")
    assert "copies=all" in page.driver.current_url
    assert badges(page) == []
    page.reload()
    assert set(page.ids()) == left
    assert page.one("copies-toggle").text == "Fold copies"
    page.click("copies-toggle")
    page.until(lambda: badges(page) == ["2 alike"], "they are folded again")
    assert "copies=" not in page.driver.current_url


def test_the_next_copy_comes_forward_when_the_best_is_deleted(
    page: Page, site: LocalStack, copies: list[str]
) -> None:
    page.open("/?collection=copies&q=a+motorcycle")
    (best,) = page.ids()
    page.click("item")
    page.one("copies")
    page.click("delete")
    page.click("confirm-delete")
    page.until(lambda: len(page.ids()) == 1 and page.ids() != [best], "another stands for it")
    page.until(lambda: badges(page) == ["2 alike"], "and the third behind it")
