"""`python -m models optimise`: what the deploy form shares with its source, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from chalicelib.clip import load_clip
from chalicelib.clip.folder import read_folder
from chalicelib.errors import ConfigurationError, ModelError
from models.__main__ import main
from models.optimise import optimise
from models.verify import Sample
from tests.unit import small_clip, tiny_clip
from tests.unit.pictures import scene
from tests.unit.test_clip_families import immich_clip, immich_nllb, immich_siglip, immich_xlmr
from tests.unit.tiny_families import jina, siglip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clip.build(tmp_path_factory.mktemp("source") / "small")


@pytest.fixture(scope="module")
def sample(source: Path) -> Sample:
    return small_clip.sample(source)


@pytest.fixture(scope="module")
def int8(source: Path, sample: Sample) -> Path:
    return optimise(source, source.with_name("small-int8"), sample).out


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(17):
        scene(64, 48, seed=seed).save(folder / f"{seed}.png")
    return folder


def operators(folder: Path, role: str) -> list[str]:
    file = next(folder.glob(f"onnx/{role}_model*.onnx"))
    return [node.op_type for node in onnx.load(str(file), load_external_data=False).graph.node]


def test_a_form_shares_fingerprint_and_name_and_says_what_it_is(source: Path, int8: Path) -> None:
    model, form = load_clip(source), load_clip(int8)
    assert (form.fingerprint, form.name, form.dim) == (model.fingerprint, model.name, model.dim)
    assert (model.form, form.form) == ("fp32", "int8")
    assert form.pixel_spec == model.pixel_spec


def test_a_form_gives_nearly_the_vectors_of_its_source(source: Path, int8: Path) -> None:
    pixels = np.stack([np.asarray(scene(32, 32, seed=seed)) for seed in range(200, 240)])
    texts = ["a red house", "blue", "yellow and green " * 9, "", "no such text before"]
    model, form = load_clip(source), load_clip(int8)
    for wanted, got in (
        (model.embed_pixels(pixels), form.embed_pixels(pixels)),
        (model.embed_texts(texts), form.embed_texts(texts)),
    ):
        assert (wanted * got).sum(axis=1).min() > 0.99
        assert not np.array_equal(wanted, got)


def test_a_form_is_two_fifths_of_its_source_or_less(source: Path, int8: Path) -> None:
    def size(folder: Path) -> int:
        return sum(path.stat().st_size for path in (folder / "onnx").iterdir())

    assert size(int8) * 2.5 < size(source)


def test_attention_becomes_one_node_a_layer_and_all_weights_are_whole(int8: Path) -> None:
    for role, product in (("vision", "MatMulIntegerToFloat"), ("text", "MatMulNBits")):
        found = operators(int8, role)
        assert found.count("MultiHeadAttention") == 2
        assert found.count("Softmax") == found.count("Conv") == 0
        # Four linear layers in each of two, query, key and value being one; patches for vision.
        assert found.count(product) >= 2 * 4


def test_a_form_takes_pixels_and_gives_unit_rows_without_being_optimised_again(int8: Path) -> None:
    folder = read_folder(int8)
    assert folder.vision_tower.takes_pixels
    assert folder.vision_tower.ready
    assert folder.text_tower.ready
    session = load_clip(int8)._vision._session.load()
    pixels = np.zeros((3, small_clip.SIZE.side, small_clip.SIZE.side, 3), np.uint8)
    (rows,) = session.run(None, {"pixel_values": pixels})
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_text_rules_are_written_out(int8: Path) -> None:
    said = json.loads((int8 / "search_config.json").read_text())
    assert set(said["text"]) == {"max_tokens", "pad_id", "padded", "cleaning", "language_prefix"}
    assert said["ready"] is True


def test_fp16_halves_the_weights_and_keeps_the_vectors(source: Path, sample: Sample) -> None:
    made = optimise(source, source.with_name("small-fp16"), sample, form="fp16")
    assert load_clip(made.out).form == "fp16"
    assert load_clip(made.out).fingerprint == load_clip(source).fingerprint
    assert made.figures.least_cosine > 0.999
    assert sum(made.after.values()) * 1.8 < sum(made.before.values())


def test_a_tower_with_an_attention_mask_is_optimised_too(tmp_path: Path, sample: Sample) -> None:
    source = small_clip.build(tmp_path / "masked", attention_mask=True)
    out = optimise(source, tmp_path / "out", sample).out
    assert operators(out, "text").count("MultiHeadAttention") == 2
    assert read_folder(out).text_tower.mask == "attention_mask"


def test_a_model_whose_weights_do_not_become_whole_is_refused(
    tmp_path: Path, sample: Sample
) -> None:
    source = small_clip.build(tmp_path / "poisoned", poisoned=True)
    with pytest.raises(ModelError, match=r"differs too much.*cosine.*overlap.*Nothing was written"):
        optimise(source, tmp_path / "out", sample)
    assert [path.name for path in tmp_path.iterdir()] == ["poisoned"]


def test_a_form_is_not_made_of_a_form(int8: Path, tmp_path: Path, sample: Sample) -> None:
    with pytest.raises(ModelError, match="int8 weights; a form is made from the fp32 model"):
        optimise(int8, tmp_path / "out", sample)


def test_a_folder_with_something_else_is_left_alone(
    source: Path, tmp_path: Path, sample: Sample
) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ConfigurationError, match="something other than an optimised model"):
        optimise(source, tmp_path, sample)
    with pytest.raises(ConfigurationError, match="take the place of its source"):
        optimise(source, source, sample)
    assert (tmp_path / "letter.txt").read_text() == "dear"
    assert load_clip(source).form == "fp32"


def test_a_form_made_before_is_replaced(source: Path, tmp_path: Path, sample: Sample) -> None:
    first = optimise(source, tmp_path / "out", sample).out
    (first / "left-over").touch()
    assert not (optimise(source, tmp_path / "out", sample).out / "left-over").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_graph_that_is_no_transformer_is_optimised_as_far_as_it_goes(
    tmp_path: Path, sample: Sample
) -> None:
    source = tiny_clip.build(tmp_path / "tiny", attention_mask=True)
    out = optimise(source, tmp_path / "out", sample).out
    assert read_folder(out).vision_tower.takes_pixels


def test_the_command_prints_sizes_and_both_figures(
    source: Path, tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(source), "--out", str(tmp_path / "out"), "--photos", str(photos)]
    assert main(["optimise", *arguments]) == 0
    printed, progress = capsys.readouterr()
    assert "MiB → " in printed
    assert "cosine of 102 pictures" in printed
    assert "top-10 overlap" in printed
    assert printed.splitlines()[-1] == str(tmp_path / "out")
    assert "simplifying the vision graph" in progress


def test_too_few_photos_to_compare_on_are_said(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "note.txt").write_text("no picture")
    assert main(["optimise", str(source), "--photos", str(tmp_path)]) == 1
    assert "give a folder of 17 or more" in capsys.readouterr().err


def test_a_death_in_the_middle_leaves_no_form_and_the_next_run_clears_up(
    source: Path, tmp_path: Path, photos: Path
) -> None:
    command = [sys.executable, "-m", "models", "optimise", str(source)]
    command += ["--out", str(tmp_path / "out"), "--photos", str(photos)]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=dict(os.environ)
    ) as process:
        assert process.stderr is not None
        seen = b""
        while b"text tower" not in seen:
            seen += (read := os.read(process.stderr.fileno(), 4096))
            assert read, "the command ended by itself"
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert not (tmp_path / "out").exists()
    assert main(["optimise", *command[4:]]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_immich_folder_of_fixed_shapes_becomes_one_of_our_layout(
    tmp_path: Path, sample: Sample
) -> None:
    source = immich_clip(tmp_path / "immich")
    out = optimise(source, tmp_path / "out", sample).out
    model, form = load_clip(source), load_clip(out)
    assert form.fingerprint == model.fingerprint
    texts = ["red", "a green thing", ""]
    assert (model.embed_texts(texts) * form.embed_texts(texts)).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("build", [siglip, jina, immich_siglip, immich_xlmr, immich_nllb])
def test_every_family_has_a_deploy_form_with_the_same_text_rules(
    tmp_path: Path, sample: Sample, build: Callable[[Path], object]
) -> None:
    build(tmp_path / "source")
    source = read_folder(tmp_path / "source")
    made = optimise(source.path, tmp_path / "out", sample)
    text = read_folder(made.out).text
    assert replace(text, tokenizer=source.text.tokenizer) == source.text
    assert made.figures.least_cosine > 0.999
