"""The text in a picture on the page: found by its words, shown marked, read and copied whole."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.e2e.browser import Page
from tests.integration.local_stack import LocalStack

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.xdist_group("e2e")]

LINES = ("Harbour Ferries", "Platform seven", "Departure at noon", "Please keep this ticket")


@pytest.fixture
def ticket(site: LocalStack) -> Iterator[str]:
    """A picture of a ticket, whose name tells nothing."""
    picture = Image.new("RGB", (900, 560), "white")
    font = ImageFont.load_default(52)
    draw = ImageDraw.Draw(picture)
    draw.multiline_text((70, 60), "\n".join(LINES), fill="black", font=font, spacing=48)
    file = io.BytesIO()
    picture.save(file, "PNG")
    image = site.upload("p1.png", file.getvalue(), collection="text")
    assert site.known(image)["text"].split("\n") == list(LINES)
    yield image
    site.request("DELETE", f"/images/{image}")


def test_a_picture_is_found_by_the_text_in_it_which_can_be_read_and_copied(
    ticket: str, page: Page, site: LocalStack
) -> None:
    page.open("/?q=FERRIES+departure&collection=text")
    assert page.ids() == [ticket]
    assert page.one("item-words").text.startswith("Text in the picture:")
    assert page.marked("item-words") == ["Ferries", "Departure"]

    page.click("item")
    page.until(lambda: page.one("picture-text").text.split("\n") == list(LINES), "all is there")
    assert page.marked("picture-text") == ["Ferries", "Departure"]
    assert page.one("match").text.endswith("the text in it")

    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": site.url},
    )
    page.click("copy-text")
    page.said("Text copied")
    read = "navigator.clipboard.readText().then(arguments[0])"
    assert page.driver.execute_async_script(read) == "\n".join(LINES)


def test_a_picture_without_text_has_no_section_for_it(page: Page) -> None:
    page.open("/?collection=seeds&q=a+rocket")
    page.click("item")
    page.until(lambda: page.js("return document.querySelector('.large.loaded')"), "it shows")
    assert not page.all("reading")
