"""The order of lines, what is kept of them, and in which pieces a picture is read."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chalicelib.errors import ConfigurationError
from chalicelib.ocr import identity, sizes, text_model
from chalicelib.ocr.lines import MOST_CHARACTERS, Box, both_looks, cut, rows, tidy, worth_keeping


def box(x: float, y: float, width: float = 100, height: float = 20, tilt: float = 0) -> Box:
    """A line of text at (x, y) on a page that was turned by `tilt` degrees about its corner."""
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    a = math.radians(tilt)
    return Box(
        tuple(
            (px * math.cos(a) - py * math.sin(a), px * math.sin(a) + py * math.cos(a))
            for px, py in corners
        )
    )


@pytest.mark.parametrize("tilt", [0, 8, -8, 25])
def test_rows_run_from_the_top_down_and_from_left_to_right_also_on_a_page_askew(
    tilt: float,
) -> None:
    names = {box(x, y, tilt=tilt): f"{y}/{x}" for y in (0, 40, 80) for x in (0, 600, 300)}
    read = [[names[b] for b in row] for row in rows(list(names)[::-1])]
    assert read == [[f"{y}/{x}" for x in (0, 300, 600)] for y in (0, 40, 80)]


def test_lines_of_different_height_beside_each_other_are_one_row() -> None:
    price, name = box(500, 96, 60, 28), box(0, 100, 300, 20)
    assert rows([price, name, box(0, 140)]) == [[name, price], [box(0, 140)]]


def test_a_single_upright_line_does_not_turn_the_page() -> None:
    upright = Box(((50, 0), (70, 0), (70, 300), (50, 300)))
    assert rows([upright, box(0, 400)]) == [[upright], [box(0, 400)]]
    assert upright.thickness == 20
    assert rows([]) == []


def test_two_looks_find_each_line_once() -> None:
    first, second, other = box(0, 0), box(0, 30), box(400, 400)
    blurred = box(0, 0, 100, 50)
    assert both_looks([first, second], [blurred, other]) == [first, second, other]
    assert both_looks([blurred], [first]) == [blurred]
    assert both_looks([], [other]) == [other]


def test_what_cannot_be_seen_is_not_kept() -> None:
    assert tidy("  a\u00adb \x00c\u200b\td\n e\u0301 ") == "a b c d é"


@pytest.mark.parametrize(
    ("text", "sureness", "kept"),
    [
        ("exit", 0.71, True),
        ("exit", 0.69, False),
        ("7", 0.89, False),
        ("7", 0.91, True),
        ("---", 1.0, False),
        ("出口", 0.8, True),
        ("", 1.0, False),
    ],
)
def test_a_line_is_kept_where_it_is_surely_one(text: str, sureness: float, kept: bool) -> None:
    assert worth_keeping(text, sureness) is kept


@given(st.text(alphabet="ab 漢\n", max_size=300), st.integers(1, 200))
def test_a_cut_is_a_start_no_longer_than_asked(text: str, most: int) -> None:
    short = cut(text, most)
    assert text.startswith(short)
    assert len(short) <= most


def test_a_cut_falls_between_words_and_through_a_script_that_has_none() -> None:
    assert cut("one two three", 9) == "one two"
    assert cut("one two three", 7) == "one two"
    assert cut("one two", 7) == "one two"
    assert cut("word " * 1000) == ("word " * 800).rstrip()
    assert cut("漢" * 5000) == "漢" * MOST_CHARACTERS


@pytest.mark.parametrize(
    "size", [(1080, 8000), (1080, 30000), (4000, 3000), (500, 375), (8000, 900), (1, 60000), (1, 1)]
)
def test_a_picture_is_read_in_a_size_that_costs_no_more_than_a_page_does(
    size: tuple[int, int],
) -> None:
    read = sizes.to_read(Image.new("RGB", size))
    assert read.width * read.height <= 8_100_000
    assert abs(read.width / read.height / (size[0] / size[1]) - 1) < 0.1 or min(read.size) == 1
    assert read.width <= size[0]
    assert max(read.size) <= 2200 or min(read.size) <= 1200


def test_a_telephones_screenshots_are_read_pixel_by_pixel() -> None:
    for size in ((1080, 2200), (1080, 7000), (1920, 1080)):
        assert sizes.to_read(Image.new("RGB", size)).size == size


@given(st.integers(1, 3000), st.integers(1, 30000))
def test_bands_cover_the_picture_from_the_top_down_and_overlap(width: int, height: int) -> None:
    found = sizes.bands(width, height)
    assert (found[0][0], found[-1][1]) == (0, height)
    assert all(top < bottom for top, bottom in found)
    assert all(before[1] >= after[0] for before, after in itertools.pairwise(found))
    assert len(found) == 1 or height > width * 2.2


def test_the_identity_names_models_side_and_version() -> None:
    assert text_model() == "ppocrv6-small/736/1"


def test_another_recogniser_makes_another_identity(tmp_path: Path) -> None:
    said = set()
    for number, dictionary in enumerate([b"", b"a\nb\n", b"a\nc\n"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "cyrillic.onnx").write_bytes(b"model")
        if dictionary:
            (folder / "cyrillic.txt").write_bytes(dictionary)
        said.add(text_model(str(folder)))
    assert len(said) == 3
    assert all(name.startswith("ppocrv6-small/736/1/") for name in said)


def test_a_folder_without_a_model_and_a_missing_package_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        text_model(str(tmp_path))
    assert f"{tmp_path}, where no recognition model" in caught.value.message
    monkeypatch.setattr(identity.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="needs the package rapidocr"):
        identity.check_reading()


def test_who_only_asks_what_reads_loads_nothing_of_it() -> None:
    code = (
        "import sys, chalicelib.wiring, chalicelib.decoding, chalicelib.ocr as ocr;"
        "ocr.text_model();"
        "print({'rapidocr','cv2','onnxruntime','shapely','omegaconf','numpy','PIL'} & "
        "set(sys.modules))"
    )
    root = Path(__file__).resolve().parents[2]
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "set()"
