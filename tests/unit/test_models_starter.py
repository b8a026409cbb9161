"""The starter model, built, finds what it should in real photos."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from chalicelib.clip import Clip, load_clip
from models.cache import cache_folder
from models.calibrate import is_calibrated
from models.starter import build_starter, is_built, recipe

ROOT = Path(__file__).parents[2]
PHOTOS = {
    "cat": "chelsea-the-cat.png",
    "clock": "clock.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
}

pytestmark = pytest.mark.model


@pytest.fixture(scope="session")
def starter_folder() -> Path:
    """The folder that INTELLISENSE_STARTER names, else `.cache/models/starter`."""
    folder = Path(os.environ.get("INTELLISENSE_STARTER") or ROOT / ".cache/models/starter")
    if not is_built(folder):
        pytest.fail(
            f"{folder} holds no starter model of this version. Build it: python -m models starter"
        )
    return folder


@pytest.fixture(scope="session")
def starter(starter_folder: Path) -> Clip:
    return load_clip(starter_folder)


@pytest.fixture(scope="session")
def photos(starter: Clip, samples: Path) -> np.ndarray:
    """float32 [4, 384]: cat, clock, coffee, rocket."""
    return starter.embed_images([(samples / name).read_bytes() for name in PHOTOS.values()])


def test_it_loads_as_any_model_does(starter: Clip) -> None:
    assert (starter.name, starter.dim, starter.form) == ("starter", 384, "fp32")
    spec = starter.pixel_spec
    assert (spec.mode, spec.size, spec.crop, spec.interpolation) == (
        "shortest", 297, 260, "bicubic",
    )  # fmt: skip


def test_its_fingerprint_is_its_recipe_whatever_machine_built_it(starter: Clip) -> None:
    assert starter.fingerprint == recipe()


@pytest.mark.parametrize(
    ("query", "wanted", "margin"),
    [
        ("a cat", "cat", 0.2),
        ("kitten", "cat", 0.15),
        ("a cup of coffee", "coffee", 0.3),
        ("espresso", "coffee", 0.5),
        ("a clock", "clock", 0.3),
        ("what time is it", "clock", 0.1),
        ("a rocket", "rocket", 0.3),
        ("A ROCKET", "rocket", 0.3),
        ("animal", "cat", 0.1),
        ("drink", "coffee", 0.15),
    ],
)
def test_words_find_the_photo_of_what_they_say(
    starter: Clip, photos: np.ndarray, query: str, wanted: str, margin: float
) -> None:
    scores = (starter.embed_texts([query]) @ photos.T)[0]
    names = list(PHOTOS)
    best, second = np.argsort(-scores)[:2]
    assert names[best] == wanted
    assert scores[best] - scores[second] > margin


def test_an_article_changes_nothing(starter: Clip) -> None:
    first, second = starter.embed_texts(["a motorcycle", "motorcycle"])
    assert np.array_equal(first, second)


def test_texts_say_the_same_alone_and_among_others(starter: Clip) -> None:
    texts = ["a cat", "a very long text about " + "many things " * 40, "dog", "x " * 400]
    alone = np.concatenate([starter.embed_texts([t]) for t in texts])
    assert (alone * starter.embed_texts(texts)).sum(axis=1).min() > 0.99999


def test_words_for_one_kind_of_thing_lie_together(starter: Clip) -> None:
    cat, kitten, car, truck = starter.embed_texts(["cat", "kitten", "car", "truck"])
    assert cat @ kitten > 0.5 > 0.2 > cat @ car
    assert car @ truck > cat @ truck


def test_a_second_build_returns_at_once(starter_folder: Path, tmp_path: Path) -> None:
    before = (starter_folder / "build.json").stat().st_mtime_ns
    assert build_starter(starter_folder, tmp_path, wheels=tmp_path / "none") == starter_folder
    assert (starter_folder / "build.json").stat().st_mtime_ns == before


def test_it_comes_with_its_calibration_which_is_made_again_where_it_is_missing(
    starter_folder: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_calibrated(starter_folder)
    monkeypatch.setattr("models.calibrate_words.nouns", lambda *_: ["cat", "dog", "coffee"])
    copy = shutil.copytree(starter_folder, tmp_path / "starter")
    (copy / "calibration.npz").unlink()
    weights = (copy / "build.json").stat().st_mtime_ns
    assert build_starter(copy, cache_folder()) == copy
    assert is_calibrated(copy)
    assert (copy / "build.json").stat().st_mtime_ns == weights


def test_a_folder_that_lost_a_file_is_not_taken_for_built(
    starter_folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "starter"
    (copy / "onnx").mkdir(parents=True)
    for path in starter_folder.rglob("*"):
        if path.is_file():
            (copy / path.relative_to(starter_folder)).symlink_to(path.resolve())
    assert is_built(copy)
    (copy / "onnx" / "text_model.onnx").unlink()
    assert not is_built(copy)
