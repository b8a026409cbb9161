"""Our vectors, pixels and tokens are those of transformers and open_clip.

tests/golden holds small models with random weights in both published layouts, pictures of many
kinds, and what the references made of them (`make golden`, recorded from torch in float32 with each
reference's own tokenizer and processor). Where a reference does not show a picture as a viewer
does, the golden is of the picture as shown: see tests/golden/pictures.py.
"""

from __future__ import annotations

import functools
import json
import lzma
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalicelib.clip import Clip, load_clip
from chalicelib.clip.folder import read_folder
from chalicelib.clip.pixels import normalise, to_pixels
from chalicelib.clip.tokens import Tokens
from chalicelib.images import open_upright
from tests.golden.pictures import PHOTOS, RAMP, SIDE
from tests.golden.texts import QUERIES

GOLDEN = Path(__file__).parents[1] / "golden"
FOLDERS = sorted(path.name for path in (GOLDEN / "folders").iterdir())
INDEX: dict[str, list[str]] = json.loads((GOLDEN / "pixels.json").read_text(encoding="utf-8"))

Array = np.ndarray[Any, Any]

each_folder = pytest.mark.parametrize("name", FOLDERS)


@functools.cache
def recorded(name: str) -> dict[str, Any]:
    """golden.json and the arrays of golden.npz."""
    folder = GOLDEN / "folders" / name
    said: dict[str, Any] = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    with np.load(folder / "golden.npz") as arrays:
        return said | dict(arrays)


@functools.cache
def reference_pixels() -> dict[str, Array]:
    """Set → uint8 [pictures, side, side, 3]."""
    shape = (len(INDEX["sets"]), len(INDEX["pictures"]), SIDE, SIDE, 3)
    steps = np.frombuffer(lzma.decompress((GOLDEN / "pixels.xz").read_bytes()), np.uint8)
    values = np.cumsum(steps.reshape(shape), axis=3, dtype=np.uint8)
    return dict(zip(INDEX["sets"], values, strict=True))


@pytest.fixture(scope="module")
def pictures(samples: Path) -> dict[str, bytes]:
    """Name → file: those drawn for this, which are in git, and some of the sample photos."""
    where = {name: samples if name in PHOTOS else GOLDEN / "pictures" for name in INDEX["pictures"]}
    return {name: (folder / name).read_bytes() for name, folder in where.items()}


@functools.cache
def loaded(name: str) -> Clip:
    return load_clip(GOLDEN / "folders" / name, threads=1)


def cosines(rows: Array, others: Array) -> Array:
    return np.asarray((rows.astype(np.float64) * others).sum(axis=1))


def test_there_is_a_folder_of_every_kind() -> None:
    assert FOLDERS == [
        "clip-hf", "clip-immich", "mclip-immich", "nllb-immich", "siglip-hf", "siglip-immich",
        "siglip2-hf", "xlmr-immich",
    ]  # fmt: skip
    assert sorted(INDEX["sets"]) == ["hf_shortest", "hf_squash", "oc_shortest", "oc_squash"]


@pytest.mark.parametrize("picture", INDEX["pictures"])
def test_pixels_are_the_references_within_one_level(
    picture: str, pictures: dict[str, bytes]
) -> None:
    image, at = open_upright(pictures[picture]).image, INDEX["pictures"].index(picture)
    worst = {}
    for name in FOLDERS:
        wanted = reference_pixels()[recorded(name)["pixels"]][at]
        got = to_pixels(image, read_folder(folder_of(name)).pixels)
        worst[name] = int(np.abs(got.astype(int) - wanted).max())
    assert worst == {name: min(levels, 1) for name, levels in worst.items()}


def folder_of(name: str) -> Path:
    return GOLDEN / "folders" / name


@each_folder
def test_every_level_is_normalised_as_the_reference_does(
    name: str, pictures: dict[str, bytes]
) -> None:
    spec = read_folder(folder_of(name)).pixels
    pixels = to_pixels(open_upright(pictures[RAMP]).image, spec)
    assert {len(np.unique(pixels[..., channel])) for channel in range(3)} == {256}
    got = normalise(pixels[None], spec)[0]
    assert float(np.abs(got - recorded(name)["ramp"]).max()) < 1e-5


@each_folder
def test_picture_vectors_are_the_reference_s(name: str, pictures: dict[str, bytes]) -> None:
    got = loaded(name).embed_images(list(pictures.values()))
    low = cosines(got, recorded(name)["images"])
    assert low.min() >= 0.9999, INDEX["pictures"][int(low.argmin())]


@each_folder
def test_text_vectors_are_the_reference_s(name: str) -> None:
    got = loaded(name).embed_texts(list(QUERIES))
    low = cosines(got, recorded(name)["texts"])
    assert low.min() >= 0.9999, QUERIES[int(low.argmin())]


def test_text_vectors_in_another_language_are_the_reference_s(tmp_path: Path) -> None:
    """NLLB's: the tokenizer's `src_lang` there, search_config.json here."""
    folder = Path(shutil.copytree(folder_of("nllb-immich"), tmp_path / "nllb"))
    (folder / "search_config.json").write_text('{"language": "fra_Latn"}', encoding="utf-8")
    got = load_clip(folder, threads=1).embed_texts(list(QUERIES))
    assert cosines(got, recorded("nllb-immich")["french"]).min() >= 0.9999
    assert cosines(got, recorded("nllb-immich")["texts"]).max() < 0.999


@each_folder
def test_token_ids_are_the_reference_s(name: str) -> None:
    spec = read_folder(folder_of(name)).text
    got = [filled(ids, spec.pad_id, spec.max_tokens) for ids in Tokens(spec).of(list(QUERIES))]
    wanted = [filled(ids, spec.pad_id, spec.max_tokens) for ids in recorded(name)["ids"]]
    pairs = zip(QUERIES, got, wanted, strict=True)
    assert [(text, ids, right) for text, ids, right in pairs if ids != right] == []


def filled(ids: list[int], pad_id: int, length: int) -> list[int]:
    return ids + [pad_id] * (length - len(ids))


@each_folder
def test_the_models_tell_inputs_apart_so_that_a_wrong_one_shows(name: str) -> None:
    """Two pictures, or texts, that a mistake might mix up are far below the bound."""
    images, texts = recorded(name)["images"], recorded(name)["texts"]
    at = INDEX["pictures"].index
    assert images[at("turned_1.jpg")] @ images[at("turned_6.jpg")] < 0.995
    one, other = QUERIES.index("a photo of a cat"), QUERIES.index("a cat")
    assert texts[one] @ texts[other] < 0.995
    assert np.linalg.matrix_rank(images.astype(np.float64), tol=1e-3) > 12
