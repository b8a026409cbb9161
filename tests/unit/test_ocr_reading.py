"""Text is read off pictures that tests write it into: fonts, sizes, scripts, signs, screens."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from chalicelib.errors import ConfigurationError
from chalicelib.ocr import MOST_CHARACTERS, sizes
from chalicelib.ocr import reader as reader_module
from chalicelib.ocr.glance import glance
from chalicelib.ocr.lines import cut
from chalicelib.ocr.reader import TextReader
from tests.unit import written
from tests.unit.pictures import scene

pytestmark = pytest.mark.xdist_group("text_reader")


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader()


def read(reader: TextReader, image: Image.Image) -> str:
    """As a decoding child reads it."""
    seen = glance(image)
    assert seen.may_hold_text
    return reader.read(sizes.to_read(image), fine=seen.drawn)


@pytest.mark.parametrize("font", written.FONTS)
@pytest.mark.parametrize("size", [16, 32, 120])
def test_a_line_is_read_in_several_fonts_and_sizes(
    reader: TextReader, font: str, size: int
) -> None:
    assert read(reader, written.line("Lighthouse 42", font=font, size=size)) == "Lighthouse 42"


@pytest.mark.parametrize(
    "text",
    [
        "Grüße aus Köln",
        "déjà vu à la carte",
        "Zażółć gęślą jaźń",
        "Příliš kůň žlutý",
        "El niño está aquí",
        "Üçüncü şehir ışığı",
        "Blåbærsyltetøy",
        "请勿吸烟",
        "東京駅",
        "ありがとう",
        "カタカナ",
    ],
)
def test_latin_with_accents_chinese_and_japanese_are_read(reader: TextReader, text: str) -> None:
    assert read(reader, written.line(text, font="uni", size=40)) == text


@pytest.mark.parametrize("tilt", [-8, -3, 5, 10])
@pytest.mark.parametrize("quality", [60, 90])
def test_a_sign_that_hangs_askew_in_a_noisy_photo_is_read(
    reader: TextReader, tilt: float, quality: int
) -> None:
    photo = written.sign("EMERGENCY EXIT", tilt=tilt, seed=quality)
    data = written.as_file(photo, "JPEG", quality=quality)
    with Image.open(io.BytesIO(data)) as stored:
        assert "EMERGENCY EXIT" in read(reader, stored.convert("RGB"))


def test_a_receipt_is_read_line_by_line(reader: TextReader) -> None:
    items = [("Coffee beans", "12.90"), ("Butter", "3.45"), ("Strawberry jam", "4.20")]
    text = read(reader, written.receipt(items))
    assert text.splitlines() == [f"{name} {price}" for name, price in items]


def test_a_page_is_read_from_the_top_down(reader: TextReader) -> None:
    lines = [" ".join(written.some_words(6, seed)) for seed in range(8)]
    assert read(reader, written.page(lines)).splitlines() == lines


def test_small_letters_on_a_large_screen_are_read(reader: TextReader) -> None:
    lines = [" ".join(written.some_words(4, seed)) for seed in range(30)]
    text = read(reader, written.desktop(lines, size=12))
    assert sum(line in text.splitlines() for line in lines) >= 27


@pytest.mark.parametrize("size", [13, 16, 24, 90])
def test_a_few_words_on_a_large_empty_screen_are_read(reader: TextReader, size: int) -> None:
    lines = ["Preferences", "Keyboard shortcuts"]
    assert read(reader, written.desktop(lines, size=size)).splitlines() == lines


def test_a_long_screenshot_is_read_to_its_end_each_line_once(reader: TextReader) -> None:
    messages = [f"{word} {n}" for n, word in enumerate(written.some_words(40, 3))]
    assert written.chat(messages).height > 4000
    assert read(reader, written.chat(messages)).splitlines() == messages


def test_no_more_is_read_than_is_kept(reader: TextReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "MOST_CHARACTERS", 130)
    lines = [" ".join(written.some_words(6, seed)) for seed in range(8)]
    assert reader.read(written.page(lines)) == cut("\n".join(lines), 130)


def test_what_was_read_when_time_is_up_is_kept() -> None:
    lines = [" ".join(written.some_words(6, seed)) for seed in range(8)]
    some = TextReader(seconds=0.6).read(written.page(lines)).splitlines()
    assert len(some) < len(lines)
    assert TextReader(seconds=0).read(written.page(lines)) == ""


@pytest.mark.parametrize("seed", range(5))
def test_no_words_are_read_off_a_scene_without_any(reader: TextReader, seed: int) -> None:
    assert not re.search(r"\w{3}", reader.read(scene(800, 600, seed=seed)))


def test_a_glance_passes_what_is_written_and_not_what_is_smooth() -> None:
    for image in (
        written.line("Exit"),
        written.sign("EXIT"),
        written.receipt([("Coffee", "1.20")]),
        written.page(["one short line"]),
        written.desktop(["one short line"], size=12),
        written.chat(["hello there"] * 60),
        written.chat(["hello there"] * 60).rotate(90, expand=True),
    ):
        assert glance(image).may_hold_text
    ramp = np.linspace(0, 255, 640 * 480).reshape(480, 640).astype(np.uint8)
    smooth = Image.fromarray(ramp).convert("RGB")
    for image in (smooth, Image.new("RGB", (700, 500), "white"), written.noisy(smooth, level=4)):
        assert not glance(image).may_hold_text
    assert glance(written.desktop(["a line"])).drawn
    assert not glance(written.sign("EXIT")).drawn


def chessboard(width: int, height: int) -> Image.Image:
    rows, columns = np.indices((height, width))
    return Image.fromarray((((rows // 8 + columns // 8) % 2) * 255).astype(np.uint8)).convert("RGB")


ODD = {
    "one pixel": Image.new("RGB", (1, 1)),
    "a hair, upright": Image.new("RGB", (1, 9000), "white"),
    "a hair, lying": Image.new("RGB", (9000, 1), "white"),
    "a thin strip of noise": written.noisy(Image.new("RGB", (3000, 7), "grey"), level=90),
    "a chessboard": chessboard(900, 700),
    "noise": written.noisy(Image.new("RGB", (900, 700), "grey"), level=90),
    "a tower of noise": written.noisy(Image.new("RGB", (60, 6000), "grey"), level=90),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_read_to_an_end(reader: TextReader, name: str) -> None:
    image = sizes.to_read(ODD[name])
    glance(ODD[name])
    assert len(reader.read(image, fine=True)) <= MOST_CHARACTERS


# --- recognisers for other scripts ------------------------------------------------------------


def recogniser(path: Path, *, text: str, sureness: float, names_characters: bool = True) -> None:
    """A recognition model that reads `text` everywhere: from [N, 3, 48, W] to [N, T, characters].

    Of its characters the first is the blank one, as in all of PP-OCR's models, and the last is the
    space; after each letter comes a blank, so that none is taken for the same one twice.
    """
    letters = sorted(set(text))
    table = np.zeros((1, 2 * len(text), len(letters) + 2), np.float32)
    for n, letter in enumerate(text):
        table[0, 2 * n, 1 + letters.index(letter)] = sureness
        table[0, 2 * n + 1, 0] = 1
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "none"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "recogniser",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 48, "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(table.shape))],
        [
            helper.make_tensor("table", TensorProto.FLOAT, table.shape, table.ravel()),
            helper.make_tensor("none", TensorProto.FLOAT, [], [0.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    if names_characters:
        helper.set_model_props(model, {"character": "\n".join(letters)})
    else:
        path.with_suffix(".txt").write_text("\n".join(letters) + "\n", encoding="utf-8")
    onnx.save(model, str(path))


@pytest.mark.parametrize("names_characters", [True, False], ids=["metadata", "dictionary"])
def test_a_folders_recogniser_reads_what_it_is_surer_of(
    tmp_path: Path, names_characters: bool
) -> None:
    recogniser(
        tmp_path / "cyrillic.onnx", text="мир", sureness=0.97, names_characters=names_characters
    )
    both = TextReader(str(tmp_path))
    assert both.read(written.line("Привет", font="sans", size=48)) == "мир"
    assert both.read(written.line("Harbour 42", font="sans", size=48)) == "Harbour 42"


def test_a_recogniser_without_characters_is_refused_and_none_are_fetched(tmp_path: Path) -> None:
    recogniser(tmp_path / "mute.onnx", text="мир", sureness=0.9, names_characters=False)
    (tmp_path / "mute.txt").unlink()
    with pytest.raises(ConfigurationError, match=r"Put its dictionary beside it, as mute\.txt"):
        TextReader(str(tmp_path)).read(written.line("Привет"))
