"""Decoding ahead of the model: in order, within bounds, and no picture harms another."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from chalicelib import images
from chalicelib.clip import Clip, load_clip
from chalicelib.clip.devices import CPU_BATCH
from chalicelib.errors import Permanent, UnreadableImage, UnusableVector
from chalicelib.overlap import in_order
from tests.unit import tiny_clip
from tests.unit.pictures import encoded, scene

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip.build(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def clip(folder: Path) -> Clip:
    return load_clip(folder, threads=3)


def png(colour: str | tuple[int, int, int], size: tuple[int, int] = (50, 40)) -> bytes:
    return encoded(Image.new("RGB", size, colour), "PNG")


def vectors(rows: list[np.ndarray | Permanent]) -> np.ndarray:
    assert not [row for row in rows if isinstance(row, Permanent)]
    return np.stack(rows)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 3), max_size=20), st.integers(1, 4), st.integers(1, 8))
def test_results_come_in_the_order_of_the_items(waits: list[int], workers: int, ahead: int) -> None:
    def work(item: tuple[int, int]) -> int:
        time.sleep(item[1] / 2000)
        return item[0]

    items = list(enumerate(waits))
    assert list(in_order(work, items, workers=workers, ahead=ahead)) == list(range(len(waits)))


def test_items_are_taken_as_they_are_needed_and_few_are_worked_on_at_once() -> None:
    taken, at_work, most = 0, 0, 0
    lock = threading.Lock()

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    def work(number: int) -> int:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.001)
        with lock:
            at_work -= 1
        return number

    for number in in_order(work, items(), workers=3, ahead=8):
        assert taken <= number + 1 + 8
    assert most == 3


def test_a_single_item_is_worked_on_without_a_thread() -> None:
    where = in_order(lambda _: threading.current_thread(), [0], workers=4, ahead=8)
    assert list(where) == [threading.current_thread()]


def test_one_worker_is_the_caller() -> None:
    where = in_order(lambda _: threading.current_thread(), range(5), workers=1, ahead=8)
    assert set(where) == {threading.current_thread()}


def test_whoever_stops_early_leaves_no_threads_and_no_work() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        time.sleep(0.001)
        done.append(number)
        return number

    results = in_order(work, range(1000), workers=2, ahead=50, name="decode")
    assert next(results) == 0
    results.close()
    finished = len(done)
    assert finished < 50
    time.sleep(0.02)
    assert len(done) == finished
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]


def test_what_an_item_raises_ends_the_rest() -> None:
    results = in_order(lambda n: 6 // n, [3, 2, 1, 0, 1], workers=2, ahead=2, name="decode")
    assert [next(results) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]


def test_an_interrupt_ends_the_work_at_once(folder: Path) -> None:
    code = (
        "import itertools, sys\n"
        "from chalicelib.clip import load_clip\n"
        "from tests.unit.pictures import encoded, scene\n"
        "def pictures():\n"
        "    for number in itertools.count():\n"
        "        if number == 100: print('at work', flush=True)\n"
        "        yield data\n"
        "data = encoded(scene(300, 200), 'JPEG')\n"
        "load_clip(sys.argv[1], threads=2).embed_images(pictures())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "at work\n"
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1


def test_bad_pictures_give_their_errors_in_their_places_across_batches(clip: Clip) -> None:
    colours = [(n, 255 - n, n // 2) for n in range(0, 240, 3)]
    assert len(colours) > 2 * CPU_BATCH
    good = [png(colour) for colour in colours]
    wanted = np.concatenate([clip.embed_images([data]) for data in good])
    mixed = list(good)
    for place in (0, 7, CPU_BATCH, len(good) - 1):
        mixed[place] = good[place][:50]
    rows = clip.embed_images_each(mixed)
    bad = [n for n, row in enumerate(rows) if isinstance(row, UnreadableImage)]
    assert bad == [0, 7, CPU_BATCH, len(good) - 1]
    for number, row in enumerate(rows):
        assert isinstance(row, Permanent) or np.allclose(row, wanted[number], atol=1e-5)


def test_only_bad_pictures_give_only_errors(clip: Clip) -> None:
    rows = clip.embed_images_each([b"", b"GIF89a", b"\xff\xd8\xff"])
    assert all(isinstance(row, UnreadableImage) for row in rows)


def test_pictures_may_come_one_by_one_and_no_more_are_taken_than_needed(clip: Clip) -> None:
    taken = 0

    def pictures() -> Iterator[bytes]:
        nonlocal taken
        for number in range(10 * CPU_BATCH):
            taken += 1
            yield b"broken" if number == 5 else png("red")

    with pytest.raises(UnreadableImage):
        clip.embed_images(pictures())
    assert taken <= 6 + CPU_BATCH


def test_whole_pictures_are_held_within_the_budget(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for one and a half pictures, they are decoded one after the other."""
    data = encoded(scene(400, 300), "PNG")
    monkeypatch.setattr("chalicelib.clip.model.pixel_budget", lambda _: 180_000)
    held: list[int] = []
    most = 0

    plain = images.exif.upright

    def watched(image: Image.Image, facts: Image.Exif | None) -> Image.Image:
        nonlocal most
        held.append(1)
        most = max(most, len(held))
        time.sleep(0.005)
        held.pop()
        return plain(image, facts)

    monkeypatch.setattr(images.exif, "upright", watched)
    load_clip(folder, threads=4).embed_images([data] * 8)
    assert most == 1


SHAPES = {"one pixel": (1, 1), "a line": (20_000, 1), "a pillar": (1, 20_000)}


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_of_odd_shapes_look_like_their_colour(
    folder: Path, exact: bool, shape: str
) -> None:
    clip = load_clip(folder, exact=exact)
    odd, plain = clip.embed_images([png("red", SHAPES[shape]), png("red")])
    assert odd @ plain > 0.999


@pytest.mark.parametrize(
    ("given", "kind"), [("cat.jpg", "str"), (png("red"), "bytes"), (bytearray(9), "bytearray")]
)
def test_a_lone_file_is_not_taken_for_a_list(clip: Clip, given: bytes, kind: str) -> None:
    with pytest.raises(TypeError, match=f"list of files' bytes, not as one {kind}"):
        clip.embed_images(given)  # type: ignore[arg-type]


def test_a_name_in_place_of_a_file_is_told_with_its_number(clip: Clip) -> None:
    for wrong in ("cat.jpg", Path("cat.jpg"), None, np.zeros((4, 4, 3), np.uint8)):
        kind = type(wrong).__name__
        with pytest.raises(TypeError, match=f"Picture 2 is of type {kind}: pass the bytes"):
            clip.embed_images_each([png("red"), png("red"), wrong])  # type: ignore[list-item]


def test_a_lone_text_is_not_taken_for_a_list(clip: Clip) -> None:
    with pytest.raises(TypeError, match="not as one str"):
        clip.embed_texts("red")  # type: ignore[arg-type]


def choke_on_white(file: Path, axes: list[int]) -> None:
    """Give NaN for pictures with a bright spot; over axis 0 for all that are in their batch."""
    model = onnx.load(str(file))
    model.graph.node[-1].output[0] = "before"
    node = helper.make_node
    model.graph.node.extend(
        [
            node("ReduceMax", ["pixel_values"], ["brightest"], axes=axes, keepdims=1),
            node("Flatten", ["brightest"], ["column"], axis=1),
            node("Sub", ["limit", "column"], ["dark"]),
            node("Sqrt", ["dark"], ["root"]),
            node("Mul", ["root", "nothing"], ["none"]),
            node("Add", ["before", "none"], ["image_embeds"]),
        ]
    )
    for name, value in (("limit", 1.7), ("nothing", 0.0)):
        constant = numpy_helper.from_array(np.asarray([value], np.float32), name)
        assert constant.data_type == TensorProto.FLOAT
        model.graph.initializer.append(constant)
    onnx.save(model, str(file))


@pytest.mark.parametrize("axes", [[1, 2, 3], [0, 1, 2, 3]], ids=["its own", "all of its batch"])
def test_a_picture_that_gives_no_number_costs_no_other_its_vector(
    tmp_path: Path, axes: list[int]
) -> None:
    names = ["red", "white", "green", "blue"]
    pictures = [png(tiny_clip.COLOURS[name]) for name in names]
    wanted = load_clip(tiny_clip.build(tmp_path)).embed_images(pictures)
    choke_on_white(tmp_path / "onnx" / "vision_model.onnx", axes)
    clip = load_clip(tmp_path)
    rows = clip.embed_images_each(pictures)
    assert isinstance(rows[1], UnusableVector)
    assert np.allclose(vectors([*rows[:1], *rows[2:]]), wanted[[0, 2, 3]], atol=1e-6)
    with pytest.raises(UnusableVector, match="zero or not finite"):
        clip.embed_images(pictures)


def test_exact_is_as_the_folder_has_it_unless_told(folder: Path) -> None:
    assert load_clip(folder).exact
    assert load_clip(folder, exact=True).exact
    assert not load_clip(folder, exact=False).exact


def test_a_model_held_in_less_than_fp32_is_not_exact_unless_told(tmp_path: Path) -> None:
    folder = tiny_clip.build(tmp_path)
    vision = folder / "onnx" / "vision_model.onnx"
    for tower in ("vision", "text"):
        file = folder / "onnx" / f"{tower}_model.onnx"
        file.rename(file.with_name(f"{tower}_model_fp16.onnx"))
    assert not vision.exists()
    assert load_clip(folder).form == "fp16"
    assert not load_clip(folder).exact
    assert load_clip(folder, exact=True).exact


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_scaled_pictures_have_very_nearly_the_exact_vectors(folder: Path, format: str) -> None:
    pictures = [encoded(scene(900, 601, seed=n), format) for n in range(12)]
    exact, scaled = (load_clip(folder, exact=e).embed_images(pictures) for e in (True, False))
    assert (exact * scaled).sum(axis=1).min() > 0.9995
    assert not np.array_equal(exact, scaled)


def test_exact_vectors_are_those_of_pixels_decoded_by_pillow_alone(clip: Clip) -> None:
    data = encoded(scene(900, 601), "JPEG")
    with Image.open(io.BytesIO(data)) as opened:
        whole = opened.convert("RGB").resize((47, 32), Image.Resampling.BICUBIC)
    pixels = np.asarray(whole.crop((7, 0, 39, 32)))
    assert np.array_equal(clip.embed_images([data]), clip.embed_pixels(pixels[None]))
