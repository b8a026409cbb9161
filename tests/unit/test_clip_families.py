"""Each family's texts become the tokens of its authors: cleaned, cut, padded and masked as theirs.

The token ids that a test expects are written out by hand from the reference's rules; that the same
vector comes out shows that the tower got those ids and no others.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chalicelib.clip import load_clip
from chalicelib.clip.folder import read_folder
from chalicelib.clip.spec import TextSpec
from chalicelib.clip.tokens import Tokens
from tests.unit import tiny_clip
from tests.unit.test_clip_folder import edit
from tests.unit.tiny_families import (
    DIM,
    SIDE,
    immich,
    immich_graph,
    jina,
    nllb_tokenizer,
    siglip,
    siglip_tokenizer,
    text_vectors,
    vision_graph,
    xlmr_tokenizer,
)

GEMMA = {letter: 5 + ord(letter) - 33 for letter in "abcdefghijklmnopqrstuvwxyz"} | {" ": 4}
"""Token ids of tiny_families.gemma_tokenizer: four specials, "▁", then the signs of ASCII."""

CLIP_CFG: dict[str, Any] = {"context_length": 77, "vocab_size": 400}


def word_ids(folder: Path, *words: str) -> list[int]:
    """Ids of whole words in the tokenizer of a folder."""
    spec = read_folder(folder).text
    found = [Tokens(spec).load().token_to_id("▁" + word) for word in words]
    assert None not in found
    return found


def filled(ids: list[int], length: int, pad: int) -> list[int]:
    return ids + [pad] * (length - len(ids))


def close(got: np.ndarray, wanted: np.ndarray) -> bool:
    return bool(np.abs(got - wanted).max() < 1e-5)


def png(width: int, height: int, seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


# --- SigLIP -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [False, True])
def test_siglip_reads_small_letters_without_punctuation_filled_to_64(
    tmp_path: Path, mask: bool
) -> None:
    folder = siglip(tmp_path, mask=mask)
    row = filled([*word_ids(folder, "red", "cat"), 1], 64, 1)
    got = load_clip(folder).embed_texts(["red, CAT!"])
    assert close(got, text_vectors("all", [row]))


def test_siglip_joins_what_an_underscore_parts_as_its_tokenizer_does(tmp_path: Path) -> None:
    folder = siglip(tmp_path)
    row = filled([*word_ids(folder, "snakecase"), 1], 64, 1)
    assert close(load_clip(folder).embed_texts(["snake_case"]), text_vectors("all", [row]))


def test_siglip_texts_of_many_lengths_do_not_touch_each_other(tmp_path: Path) -> None:
    clip = load_clip(siglip(tmp_path))
    texts = ["", "red", "a red cat", "cat " * 100, "😀"]
    together = clip.embed_texts(texts)
    alone = np.concatenate([clip.embed_texts([text]) for text in texts])
    assert close(together, alone)


def test_siglip_trained_on_16_tokens_gets_16(tmp_path: Path) -> None:
    folder = siglip(tmp_path, length=16)
    row = filled([*word_ids(folder, "dog"), 1], 16, 1)
    assert close(load_clip(folder).embed_texts(["dog"]), text_vectors("all", [row]))


def test_siglip_2_makes_small_letters_keeps_punctuation_and_fills_with_its_padding(
    tmp_path: Path,
) -> None:
    folder = siglip(tmp_path, second=True)
    comma = 5 + ord(",") - 33
    row = filled([*(GEMMA[x] for x in "red"), comma, *(GEMMA[x] for x in " cat"), 1], 64, 0)
    assert close(load_clip(folder).embed_texts(["Red, CAT"]), text_vectors("all", [row]))


def test_siglip_2_is_told_by_its_tokenizer_where_its_class_is_not_named(tmp_path: Path) -> None:
    edit(siglip(tmp_path, second=True), "tokenizer_config.json", tokenizer_class=...)
    assert read_folder(tmp_path).text.cleaning == "lower"
    edit(siglip(tmp_path), "tokenizer_config.json", tokenizer_class=...)
    assert read_folder(tmp_path).text.cleaning == "canonicalise"


def test_siglip_squashes_pictures(tmp_path: Path) -> None:
    clip = load_clip(siglip(tmp_path))
    assert (clip.pixel_spec.mode, clip.pixel_spec.crop) == ("squash", SIDE)
    assert clip.embed_images([png(60, 20)]).shape == (1, DIM)


# --- Jina CLIP --------------------------------------------------------------------------------


@pytest.mark.parametrize("combined", [False, True], ids=["two graphs", "one graph"])
def test_jina_clip_runs_each_tower_alone(tmp_path: Path, combined: bool) -> None:
    folder = jina(tmp_path, combined=combined)
    clip = load_clip(folder)
    red, cat = word_ids(folder, "red", "cat")
    got = clip.embed_texts(["red", "red cat"])
    assert close(got[:1], text_vectors("own mask", [[0, red, 2]]))
    assert close(got[1:], text_vectors("own mask", [[0, red, cat, 2]]))
    pictures = [png(40, 50, seed) for seed in range(3)]
    plain = load_clip(jina(tmp_path / "two"))
    assert close(clip.embed_images(pictures), plain.embed_images(pictures))


def test_jina_clip_prepares_pictures_as_torchvision_does(tmp_path: Path) -> None:
    pixels = read_folder(jina(tmp_path)).pixels
    assert (pixels.mode, pixels.crop, pixels.halving) == ("shortest", SIDE, "even")


@pytest.mark.parametrize(
    ("text_config", "wanted"),
    [
        ({"max_position_embeddings": 66}, 66),
        ({"max_position_embeddings": 66, "model_type": "xlm-roberta"}, 64),
        ({"max_position_embeddings": 514, "model_type": "xlm-roberta"}, 70),
        ({}, 70),
    ],
    ids=str,
)
def test_a_text_is_as_long_as_the_table_of_positions_and_the_tokenizer_allow(
    tmp_path: Path, text_config: dict[str, Any], wanted: int
) -> None:
    """RoBERTa's positions start after the padding token's id: two of its table are not used."""
    folder = jina(tmp_path)
    edit(folder, "config.json", text_config=text_config)
    assert read_folder(folder).text.max_tokens == wanted


def test_the_padding_token_is_the_one_tokenizer_config_names(tmp_path: Path) -> None:
    folder = jina(tmp_path)
    edit(folder, "tokenizer.json", padding={"pad_id": 3})
    assert read_folder(folder).text.pad_id == 1
    edit(folder, "tokenizer_config.json", pad_token=...)
    assert read_folder(folder).text.pad_id == 3


# --- Immich: CLIP, SigLIP, XLM-R, M-CLIP, NLLB ------------------------------------------------


def immich_clip(folder: Path, **graph: Any) -> Path:
    tokenizer = tiny_clip._tokenizer()
    return immich(folder, CLIP_CFG, tokenizer, immich_graph("end", **graph), pad=tiny_clip.EOS)


@pytest.mark.parametrize("length", [77, "length"])
def test_an_immich_clip_gives_the_vectors_of_its_tokens_at_any_length(
    tmp_path: Path, length: int | str
) -> None:
    folder = immich_clip(tmp_path, length=length)
    ids = Tokens(read_folder(folder).text).of(["a red cat"])
    assert len(ids[0]) < 77
    assert close(load_clip(folder).embed_texts(["A  Red\ncat "]), text_vectors("end", ids))


def test_a_causal_text_runs_at_its_own_length_where_the_graph_lets_it(tmp_path: Path) -> None:
    assert not read_folder(immich_clip(tmp_path, length="length")).text.padded


@pytest.mark.parametrize(
    "change",
    [{"no_causal_mask": True}, {"pool_type": "last"}, {"pool_type": "first"}],
    ids=str,
)
def test_a_text_tower_that_may_see_its_padding_gets_all_of_it(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """Of zeros, as open_clip's own tokenizer fills, whatever tokenizer_config.json says."""
    graph = immich_graph("all", length="length")
    folder = immich(tmp_path, CLIP_CFG | change, siglip_tokenizer(), graph, pad="</s>")
    row = filled([*word_ids(folder, "red"), 1], 77, 0)
    assert close(load_clip(folder).embed_texts(["red"]), text_vectors("all", [row]))


def immich_siglip(folder: Path) -> Path:
    cfg = {
        "context_length": 64,
        "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "pool_type": "last",
    }
    return immich(folder, cfg, siglip_tokenizer(), immich_graph("all", length=64), pad="</s>")


def test_an_immich_siglip_parts_words_at_underscores_as_open_clip_does(tmp_path: Path) -> None:
    folder = immich_siglip(tmp_path)
    row = filled([*word_ids(folder, "snake", "case"), 1], 64, 1)
    assert close(load_clip(folder).embed_texts(["Snake_case!"]), text_vectors("all", [row]))


def immich_xlmr(folder: Path, **graph: Any) -> Path:
    cfg = {"hf_model_name": "xlm-roberta-base", "hf_tokenizer_name": "xlm-roberta-base"}
    return immich(folder, cfg, xlmr_tokenizer(), immich_graph("own mask", **graph))


@pytest.mark.parametrize("graph", [{}, {"length": "length"}, {"length": "length", "batch": "n"}])
def test_an_immich_xlm_r_masks_its_padding_itself(tmp_path: Path, graph: dict[str, Any]) -> None:
    folder = immich_xlmr(tmp_path, **graph)
    assert not read_folder(folder).text.padded
    red, cat, big = word_ids(folder, "red", "cat", "Red")
    got = load_clip(folder).embed_texts(["red cat", "red", "Red"])
    for row, ids in zip(got, [[0, red, cat, 2], [0, red, 2], [0, big, 2]], strict=True):
        assert close(row[None], text_vectors("own mask", [ids]))


@pytest.mark.parametrize("length", [77, "length"])
def test_an_m_clip_gets_the_mask_of_its_text_whatever_the_length(
    tmp_path: Path, length: int | str
) -> None:
    graph = immich_graph("mask", name="input_ids", length=length, mask=True)
    folder = immich(tmp_path, CLIP_CFG, xlmr_tokenizer(), graph)
    ids = [0, *word_ids(folder, "red"), 2]
    assert close(load_clip(folder).embed_texts(["red"]), text_vectors("mask", [ids], [[1] * 3]))


def immich_nllb(folder: Path, *, older: bool = False) -> Path:
    cfg = {"hf_model_name": "facebook/nllb-200", "hf_tokenizer_name": "facebook/nllb-200"}
    return immich(folder, cfg, nllb_tokenizer(older=older), immich_graph("own mask"))


def test_nllb_is_english_by_default(tmp_path: Path) -> None:
    folder = immich_nllb(tmp_path)
    ids = [4, *word_ids(folder, "red"), 2]
    assert close(load_clip(folder).embed_texts(["red"]), text_vectors("own mask", [ids]))


@pytest.mark.parametrize("older", [False, True], ids=["language first", "language last"])
def test_nllb_takes_another_language_in_the_place_of_english(tmp_path: Path, older: bool) -> None:
    folder = immich_nllb(tmp_path, older=older)
    english = load_clip(folder).fingerprint
    edit(folder, "search_config.json", language="fra_Latn")
    (red,) = word_ids(folder, "red")
    wanted = text_vectors("own mask", [[red, 2, 5] if older else [5, red, 2]])
    clip = load_clip(folder)
    assert close(clip.embed_texts(["red"]), wanted)
    assert clip.fingerprint != english
    long = Tokens(read_folder(folder).text).of(["red " * 200])[0]
    assert len(long) == 77
    assert (long[-2:] == [2, 5]) if older else (long[0] == 5 and long[-1] == 2)


# --- Immich: pictures -------------------------------------------------------------------------


def test_an_immich_vision_tower_of_one_picture_at_a_time_takes_many(tmp_path: Path) -> None:
    pictures = [png(40, 50, seed) for seed in range(5)]
    one = load_clip(immich_clip(tmp_path / "one")).embed_images(pictures)
    vision = vision_graph(name="image", output="embedding")
    graph = immich_graph("end")
    tokenizer = tiny_clip._tokenizer()
    many = immich(tmp_path / "many", CLIP_CFG, tokenizer, graph, pad=tiny_clip.EOS, vision=vision)
    assert close(one, load_clip(many).embed_images(pictures))


@pytest.mark.parametrize("batch", [1, "n"])
def test_a_graph_that_takes_whole_pictures_gives_the_same_vectors(
    tmp_path: Path, batch: int | str
) -> None:
    pictures = [png(40, 50, seed) for seed in range(3)]
    plain = load_clip(immich_clip(tmp_path / "plain"))
    folder = immich_clip(tmp_path / "whole")
    whole = vision_graph(name="image", output="image_embedding", batch=batch, whole=True)
    (folder / "visual/model.onnx").write_bytes(whole.SerializeToString())
    assert read_folder(folder).vision_tower.takes_pixels
    assert close(load_clip(folder).embed_images(pictures), plain.embed_images(pictures))


def test_an_only_output_is_taken_whatever_its_name(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path, output="result")
    assert read_folder(folder).text_tower.output == "result"


def test_an_immich_folder_has_the_name_of_its_model(tmp_path: Path) -> None:
    assert read_folder(immich_clip(tmp_path / "ViT-B-32__openai")).name == "vit-b-32-openai"


# --- every family -----------------------------------------------------------------------------

FAMILIES: dict[str, Callable[[Path], Path]] = {
    "clip": tiny_clip.build,
    "siglip": siglip,
    "siglip 2": lambda path: siglip(path, second=True),
    "jina v1": jina,
    "jina v2": lambda path: jina(path, combined=True),
    "immich clip": immich_clip,
    "immich siglip": immich_siglip,
    "immich xlm-r": immich_xlmr,
    "immich nllb": immich_nllb,
}
END = {"clip": 283, "immich clip": 283, "siglip": 1, "siglip 2": 1, "immich siglip": 1}


@pytest.fixture(scope="module", params=FAMILIES)
def family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    return request.param, FAMILIES[request.param](tmp_path_factory.mktemp("family"))


@pytest.mark.parametrize("text", ["", "😀🎉", "!?.,", "\x00", "\ud800", "a" * 4000, "🦊" * 4000])
def test_odd_texts_have_vectors_of_their_own(family: tuple[str, Path], text: str) -> None:
    got = load_clip(family[1]).embed_texts([text, "red"])
    assert got.shape == (2, DIM)
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)


def test_a_text_over_the_limit_keeps_its_end_token(family: tuple[str, Path]) -> None:
    name, folder = family
    spec: TextSpec = read_folder(folder).text
    ids = Tokens(spec).of(["red " * 1000])[0]
    assert len(ids) == spec.max_tokens
    assert ids[-1] == END.get(name, 2)


def test_a_family_has_one_fingerprint_and_each_another(family: tuple[str, Path]) -> None:
    first = load_clip(family[1]).fingerprint
    assert load_clip(family[1]).fingerprint == first
    edit(family[1], "search_config.json", query_template="a photo of {}")
    try:
        assert load_clip(family[1]).fingerprint != first
    finally:
        (family[1] / "search_config.json").unlink()
