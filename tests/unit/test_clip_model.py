"""Clip gives unit vectors, in order, and says which picture it could not read."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from chalicelib.clip import Clip, load_clip
from chalicelib.clip.devices import CPU_BATCH
from chalicelib.clip.model import fill
from chalicelib.errors import ModelError, Permanent, UnreadableImage
from tests.unit import tiny_clip


@pytest.fixture(scope="module", params=[False, True], ids=["causal text", "masked text"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    folder = tiny_clip.build(tmp_path_factory.mktemp("model"), attention_mask=request.param)
    return load_clip(folder, threads=1)


def png(colour: str | tuple[int, int, int], size: tuple[int, int] = (50, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def test_importing_and_loading_load_no_runtime(tmp_path: Path) -> None:
    tiny_clip.build(tmp_path)
    heavy = "{'onnxruntime', 'tokenizers', 'numpy', 'PIL'} & set(sys.modules)"
    code = (
        f"import sys, chalicelib.clip; assert not {heavy}, {heavy}; "
        f"c = chalicelib.clip.load_clip({str(tmp_path)!r}); c.fingerprint; "
        f"assert not {heavy}, {heavy}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_model_says_what_it_is(clip: Clip) -> None:
    assert (clip.name, clip.dim, clip.form) == ("tiny-clip", 16, "fp32")
    assert len(clip.fingerprint) == 12
    assert clip.pixel_spec.crop == 32


def test_pictures_and_texts_become_unit_rows(clip: Clip) -> None:
    for rows in (
        clip.embed_images([png("red"), png("blue", (3, 200)), png("white", (1, 1))]),
        clip.embed_texts(["red", "a much longer text about nothing", ""]),
    ):
        assert rows.shape == (3, 16)
        assert rows.dtype == np.float32
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_the_word_for_a_colour_finds_the_picture_of_it(clip: Clip) -> None:
    pictures = clip.embed_images([png(c) for c in tiny_clip.COLOURS.values()])
    words = clip.embed_texts(list(tiny_clip.COLOURS))
    assert (words @ pictures.T).argmax(axis=1).tolist() == list(range(len(tiny_clip.COLOURS)))


def test_no_pictures_and_no_texts_give_no_rows(clip: Clip) -> None:
    side = clip.pixel_spec.crop
    assert clip.embed_images([]).shape == (0, 16)
    assert clip.embed_texts([]).shape == (0, 16)
    assert clip.embed_pixels(np.empty((0, side, side, 3), np.uint8)).shape == (0, 16)
    assert clip.embed_images_each([]) == []


def test_rows_come_in_the_order_of_the_pictures_across_batches(clip: Clip) -> None:
    colours = [(n, 255 - n, n // 2) for n in range(0, 256, 4)]
    assert len(colours) > CPU_BATCH
    together = clip.embed_images([png(c) for c in colours])
    alone = np.concatenate([clip.embed_images([png(c)]) for c in colours])
    assert np.allclose(together, alone, atol=1e-5)


def test_a_text_gives_the_same_vector_alone_and_among_longer_ones(clip: Clip) -> None:
    texts = [f"{'word ' * (n % 12)}red {n}" for n in range(2 * CPU_BATCH)]
    together = clip.embed_texts(texts)
    alone = np.concatenate([clip.embed_texts([t]) for t in texts])
    assert np.allclose(together, alone, atol=1e-5)


def test_a_bad_picture_gives_its_error_in_its_place(clip: Clip) -> None:
    first, bad, last = clip.embed_images_each([png("red"), b"not a picture", png("blue")])
    assert isinstance(bad, UnreadableImage)
    wanted = clip.embed_images([png("red"), png("blue")])
    assert not isinstance(first, Permanent)
    assert not isinstance(last, Permanent)
    assert np.allclose(np.stack([first, last]), wanted, atol=1e-6)


def test_a_bad_picture_among_good_ones_is_raised(clip: Clip) -> None:
    with pytest.raises(UnreadableImage):
        clip.embed_images([png("red"), png("red")[:60]])


def test_pixels_of_another_shape_are_refused(clip: Clip) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[N, 32, 32, 3\]"):
        clip.embed_pixels(np.zeros((1, 31, 32, 3), np.uint8))


def test_a_long_text_loses_its_end_but_keeps_its_end_token(clip: Clip) -> None:
    ids = clip._text.tokens.of(["x" * 500, "red"])
    end = ids[1][-1]
    assert len(ids[0]) == tiny_clip.MAX_TOKENS
    assert ids[0][-1] == end
    assert end not in ids[0][:-1]
    assert np.array_equal(clip.embed_texts(["x" * 500]), clip.embed_texts(["x" * 600]))


def test_many_threads_load_and_use_a_model_at_once(tmp_path: Path) -> None:
    clip = load_clip(tiny_clip.build(tmp_path), threads=1)
    wanted = (
        load_clip(tmp_path).embed_texts(["red"]) @ load_clip(tmp_path).embed_images([png("red")]).T
    )
    together = Barrier(8)

    def work(_: int) -> np.ndarray:
        together.wait(timeout=30)
        return clip.embed_texts(["red"]) @ clip.embed_images([png("red")]).T

    with ThreadPoolExecutor(8) as pool:
        assert all(np.allclose(got, wanted, atol=1e-6) for got in pool.map(work, range(8)))


def test_a_search_loads_no_vision_tower(tmp_path: Path) -> None:
    folder = tiny_clip.build(tmp_path)
    clip = load_clip(folder)
    (folder / "onnx" / "vision_model.onnx").unlink()
    assert clip.embed_texts(["red"]).shape == (1, 16)
    with pytest.raises(ModelError, match=r"vision_model\.onnx does not load"):
        clip.embed_images([png("red")])


def break_output(file: Path, output: str, change: Callable[[onnx.GraphProto, str], None]) -> None:
    """Put `change`'s nodes between the graph and its output."""
    model = onnx.load(str(file))
    node = model.graph.node[-1]
    node.output[0] = "before"
    change(model.graph, output)
    onnx.save(model, str(file))


@pytest.mark.parametrize("op", ["Sub", "Div"], ids=["zero", "not a number"])
def test_vectors_that_are_zero_or_not_finite_are_refused(tmp_path: Path, op: str) -> None:
    folder = tiny_clip.build(tmp_path)

    def spoil(graph: onnx.GraphProto, output: str) -> None:
        graph.node.append(helper.make_node("Sub", ["before", "before"], ["nothing"]))
        graph.node.append(helper.make_node(op, ["nothing", "nothing"], [output]))

    break_output(folder / "onnx" / "vision_model.onnx", "image_embeds", spoil)
    with pytest.raises(ModelError, match="zero or not finite"):
        load_clip(folder).embed_images([png("red")])


def test_vectors_of_another_length_than_promised_are_refused(tmp_path: Path) -> None:
    folder = tiny_clip.build(tmp_path)

    def widen(graph: onnx.GraphProto, output: str) -> None:
        graph.node.append(helper.make_node("Concat", ["before", "before"], [output], axis=1))
        graph.output[0].type.tensor_type.shape.dim[1].ClearField("dim_value")

    break_output(folder / "onnx" / "text_model.onnx", "text_embeds", widen)
    with pytest.raises(ModelError, match=r"text_embeds has shape \(1, 32\)"):
        load_clip(folder).embed_texts(["red"])


def test_a_graph_of_fixed_batch_takes_any_number_of_pictures(tmp_path: Path) -> None:
    folder = tiny_clip.build(tmp_path)
    pictures = [png(c) for c in tiny_clip.COLOURS.values()]
    wanted = load_clip(folder).embed_images(pictures)
    file = folder / "onnx" / "vision_model.onnx"
    model = onnx.load(str(file))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, str(file))
    assert np.allclose(load_clip(folder).embed_images(pictures), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("tower", "kind", "inside"),
    [
        ("vision", TensorProto.FLOAT16, TensorProto.FLOAT),
        ("text", TensorProto.INT32, TensorProto.INT64),
    ],
)
def test_inputs_are_cast_to_what_the_graph_takes(
    tmp_path: Path, tower: str, kind: int, inside: int
) -> None:
    folder = tiny_clip.build(tmp_path)
    before = load_clip(folder)
    wanted = [before.embed_images([png("red")]), before.embed_texts(["red"])]
    file = folder / "onnx" / f"{tower}_model.onnx"
    model = onnx.load(str(file))
    taken = model.graph.input[0]
    taken.type.tensor_type.elem_type = kind
    for node in model.graph.node:
        node.input[:] = ["cast" if name == taken.name else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Cast", [taken.name], ["cast"], to=inside))
    onnx.save(model, str(file))
    after = load_clip(folder)
    got = [after.embed_images([png("red")]), after.embed_texts(["red"])]
    assert all(np.allclose(g, w, atol=1e-3) for g, w in zip(got, wanted, strict=True))


@pytest.mark.parametrize(
    ("template", "text", "wanted"),
    [
        ("{}", "a cat", "a cat"),
        ("a photo of a {}", "cat", "a photo of a cat"),
        ("a photo of a {}", "a cat", "a photo of a cat"),
        ("a photo of a {}", "An  Apple", "a photo of a Apple"),
        ("a photo of a {}", "the sea", "a photo of a sea"),
        ("a photo of a {}", "Athens", "a photo of a Athens"),
        ("a photo of a {}", "a", "a photo of a a"),
        ("a photo of {}", "a cat", "a photo of a cat"),
        ("query: {}.", " the  cat\n", "query: the cat."),
        ("{}", "curly {} braces", "curly {} braces"),
    ],
)
def test_a_query_goes_into_the_template_without_a_second_article(
    template: str, text: str, wanted: str
) -> None:
    assert fill(template, text) == wanted
