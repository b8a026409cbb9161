"""Images by the place they were taken at: typed as a filter, or from one that was taken there."""

from __future__ import annotations

import io

import pytest
from PIL import ExifTags, Image

from tests.e2e.browser import Page
from tests.integration.local_stack import LocalStack
from tests.integration.pictures import jpeg
from tests.unit.pictures import exif

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

TAKEN_AT = {"by-the-river.jpg": 61.1374, "in-the-woods.jpg": 61.1755, "in-the-hills.jpg": 61.3700}
"""Degrees north, all at 11.575 east, where no photo of other tests was taken: 4 km from the first
to the second, 26 to the third."""


def taken_at(north: float, number: int) -> bytes:
    """Like no sample, so that no other test finds it in place of one."""
    degrees, minutes = int(north), (north % 1) * 60
    where = {1: "N", 2: (degrees, minutes, 0.0), 3: "E", 4: (11.0, 34.5, 0.0)}
    file = io.BytesIO()
    with Image.open(io.BytesIO(jpeg(number))) as picture:
        tags = exif({}, ifds={ExifTags.IFD.GPSInfo: where})
        picture.save(file, "JPEG", exif=tags)
    return file.getvalue()


@pytest.fixture(scope="module")
def places(site: LocalStack) -> dict[str, str]:
    """Name → id."""
    ids = {
        name: site.upload(name, taken_at(north, 900 + number), collection="places")
        for number, (name, north) in enumerate(TAKEN_AT.items())
    }
    for id_ in ids.values():
        assert site.known(id_)["location"] is not None
    return ids


def test_a_place_is_typed_and_the_address_has_it(page_at: Page, places: dict[str, str]) -> None:
    page_at.open("/?collection=places")
    page_at.until(lambda: set(page_at.ids()) == set(places.values()), "all are there")
    field = page_at.one("filter-near")
    field.send_keys("61.1374, 11.575, 10\n")
    near = {places["by-the-river.jpg"], places["in-the-woods.jpg"]}
    page_at.until(lambda: set(page_at.ids()) == near, "only those near that place are left")
    assert page_at.asked()["near"] == "61.1374, 11.575, 10"
    page_at.reload()
    page_at.until(lambda: set(page_at.ids()) == near, "the address says as much")
    page_at.shot("filter-place")
    assert page_at.axe() == []


def test_a_place_narrows_searches_by_words_and_by_pictures(
    page: Page, places: dict[str, str]
) -> None:
    cat = places["by-the-river.jpg"]
    page.open("/?q=a+cat&collection=places&near=61.1374+11.575+1&closest=true")
    page.until(lambda: page.ids() == [cat], "in the words' answer")
    page.open(f"/?like={cat}&near=61.1374,11.575,10&closest=true")
    page.until(
        lambda: page.ids() == [places["in-the-woods.jpg"]], "in the answer to a picture, by POST"
    )


def test_the_larger_view_leads_to_what_was_taken_around_there(
    page_at: Page, places: dict[str, str]
) -> None:
    page_at.open("/?q=a+rocket&collection=places&closest=true")
    rocket = f'.grid a[data-id="{places["in-the-woods.jpg"]}"]'
    page_at.until(lambda: page_at.js("return document.querySelector(arguments[0])", rocket), "it")
    page_at.js("document.querySelector(arguments[0]).click()", rocket)
    page_at.one("viewer")
    page_at.click("around-here")
    near = {places["by-the-river.jpg"], places["in-the-woods.jpg"]}
    page_at.until(lambda: set(page_at.ids()) == near, "of the whole library")
    assert page_at.asked()["near"].endswith(",5")
    assert "q" not in page_at.asked()
    page_at.driver.back()
    page_at.until(lambda: page_at.asked().get("q") == "a rocket", "and back")


def test_what_is_no_place_is_told_with_an_example(page: Page, places: dict[str, str]) -> None:
    page.open("/?collection=places&near=Munich")
    page.until(
        lambda: "A place is latitude, longitude" in page.js("return document.body.innerText"),
        "it is told how a place is written",
    )
    page.expected("400")
