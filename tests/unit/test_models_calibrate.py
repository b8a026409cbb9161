"""`python -m models calibrate`: what it measures, and what is left when it cannot."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chalicelib.clip import load_clip
from chalicelib.clip.calibration import FILE, Calibration, centred, responses
from chalicelib.errors import ConfigurationError, ModelError
from models import calibrate as room
from models.__main__ import main
from models.calibrate import Source, calibrate, is_calibrated, share
from models.calibrate_words import nouns, null_texts
from models.optimise import optimise
from models.verify import pictures_of, sample_of
from tests.unit import small_clip, tiny_clip
from tests.unit.pictures import scene

NOUNS = [f"{colour} {thing}" for colour in tiny_clip.COLOURS for thing in "abcdefghijklmnopq"]


def scenes(folder: Path, first: int = 0) -> Path:
    folder.mkdir()
    for seed in range(first, first + 17):
        scene(64, 48, seed=seed).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source(NOUNS, scenes(tmp_path_factory.mktemp("photos") / "scenes"))


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny, tmp_path / "model")


def test_the_folder_then_has_a_calibration_of_its_own(model: Path, source: Source) -> None:
    assert not is_calibrated(model)
    made = calibrate(model, source)
    assert is_calibrated(model)
    clip = load_clip(model)
    assert clip.calibration is not None
    assert clip.calibration.version == made.version == source.version(clip.fingerprint)
    assert clip.calibration.model == clip.fingerprint
    assert sorted(path.name for path in model.iterdir() if path.name.startswith(".")) == []


def test_queries_and_pictures_are_seen_from_what_they_are_in_the_mean(
    model: Path, source: Source
) -> None:
    clip = load_clip(model)
    made = calibrate(model, source)
    said = clip.embed_texts(NOUNS)
    pixels = sample_of(source.photos, [], clip.pixel_spec).pixels
    shown = clip.embed_pixels(pixels)
    assert np.allclose(made.of_texts(said), centred(said, said.mean(axis=0)), atol=1e-5)
    assert np.allclose(made.of_images(shown), centred(shown, shown.mean(axis=0)), atol=1e-5)


def test_nouns_in_eight_bits_answer_as_whole_ones_do(model: Path, source: Source) -> None:
    clip = load_clip(model)
    made = calibrate(model, source)
    said = clip.embed_texts(NOUNS)
    shown = clip.embed_pixels(sample_of(source.photos, [], clip.pixel_spec).pixels)
    bank = centred(said, said.mean(axis=0))
    whole = responses(made.of_images(shown), bank, 1)
    response = made.stored(shown)[1]
    above = response > response.min()
    assert above.sum() > 90
    assert np.abs(response / whole - 1)[above].max() < 0.01
    assert response.min() >= np.median(whole) * 0.499


def test_it_says_how_alike_photos_of_different_things_are(model: Path, source: Source) -> None:
    made = calibrate(model, source)
    clip = load_clip(model)
    pictures = pictures_of(source.photos, clip.pixel_spec)
    assert len(pictures.whole) == 17 < len(pictures.pixels)
    rows = clip.embed_images([path.read_bytes() for path in sorted(source.photos.iterdir())])
    kept = made.stored(rows)[0]
    pairs = [
        made.of_images(rows)[one] @ kept[other]
        for one in range(17)
        for other in range(17)
        if one != other
    ]
    assert made.alike == pytest.approx(np.percentile(pairs, 95), abs=0.005)


def test_the_same_model_nouns_and_photos_make_the_same_file(model: Path, source: Source) -> None:
    calibrate(model, source)
    first = (model / FILE).read_bytes()
    calibrate(model, source)
    assert (model / FILE).read_bytes() == first


def test_the_version_stands_for_model_nouns_and_photos(
    model: Path, source: Source, tmp_path: Path
) -> None:
    fingerprint = load_clip(model).fingerprint
    version = source.version(fingerprint)
    others = [
        source.version("0" * 12),
        replace(source, nouns=NOUNS[:-1]).version(fingerprint),
        replace(source, photos=scenes(tmp_path / "others", first=100)).version(fingerprint),
    ]
    assert len({version, *others}) == 4
    renamed = shutil.copytree(source.photos, tmp_path / "renamed")
    for path in sorted(renamed.iterdir()):
        path.rename(path.with_name(f"x{path.name}"))
    assert replace(source, photos=renamed).version(fingerprint) == version


def test_a_deploy_form_takes_its_sources_calibration_along(source: Source, tmp_path: Path) -> None:
    model = small_clip.build(tmp_path / "small")
    made = calibrate(model, source)
    form = optimise(model, tmp_path / "small-int8", small_clip.sample(model)).out
    assert (form / FILE).read_bytes() == (model / FILE).read_bytes()
    own = load_clip(form).calibration
    assert own is not None
    assert own.version == made.version
    assert calibrate(form, source).version == made.version


def test_a_form_gets_what_its_source_has_now(model: Path, source: Source, tmp_path: Path) -> None:
    form = shutil.copytree(model, tmp_path / "form")
    calibrate(model, source)
    share(model, form)
    assert is_calibrated(form)
    (form / FILE).write_bytes(b"old")
    share(model, form)
    assert is_calibrated(form)
    before = (form / FILE).stat().st_mtime_ns
    share(model, form)
    assert (form / FILE).stat().st_mtime_ns == before
    (model / FILE).unlink()
    share(model, form)
    assert not (form / FILE).exists()


def test_a_calibration_that_is_damaged_old_or_anothers_does_not_count(
    model: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrate(model, source)
    whole = (model / FILE).read_bytes()
    (model / FILE).write_bytes(whole[: len(whole) // 2])
    assert not is_calibrated(model)
    (model / FILE).write_bytes(whole)
    assert is_calibrated(model)
    monkeypatch.setattr(room, "VERSION", room.VERSION + 1)
    assert not is_calibrated(model)
    monkeypatch.undo()
    tiny_clip.build(model, seed=1)
    assert not is_calibrated(model)


def test_stopped_in_the_middle_it_leaves_what_was_there(
    model: Path, source: Source, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrate(model, source)
    before = (model / FILE).read_bytes()

    def stopped(path: Path, arrays: object) -> None:
        path.write_bytes(before[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "_write", stopped)
    monkeypatch.setattr("models.calibrate_words.nouns", lambda *_: NOUNS)
    assert main(["calibrate", str(model), "--photos", str(source.photos)]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert (model / FILE).read_bytes() == before
    assert not list(model.glob(".calibrating-*"))


@pytest.mark.parametrize(
    ("photos", "others", "pictures"), [(17, 0, 102), (70, 0, 420), (100, 5, 100), (90, 30, 540)]
)
def test_a_folder_of_any_size_will_do_and_crops_make_up_for_what_it_lacks(
    tiny: Path, tmp_path: Path, photos: int, others: int, pictures: int
) -> None:
    for number in range(photos):
        scene(48, 48, seed=number).save(tmp_path / f"{number}.png")
    for number in range(others):
        (tmp_path / f"{number}.txt").write_text("no picture")
    found = pictures_of(tmp_path, load_clip(tiny).pixel_spec)
    assert (len(found.whole), len(found.pixels)) == (photos, pictures)


def test_what_cannot_be_calibrated_is_said(model: Path, source: Source, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigurationError, match="none holds too few pictures; give a folder"):
        calibrate(model, replace(source, photos=tmp_path / "none"))
    with pytest.raises(ModelError, match="is not a model folder"):
        calibrate(tmp_path / "none", source)
    (model / FILE).mkdir()
    with pytest.raises(ModelError, match=r"model/calibration\.npz cannot be written"):
        calibrate(model, source)


def test_null_queries_are_of_two_kinds_and_always_the_same() -> None:
    texts = null_texts()
    assert texts == null_texts()
    assert len(texts) == len(set(texts)) == 250
    strings, abstract = texts[:125], texts[125:]
    assert all(word.isalpha() and " " not in word for word in abstract)
    assert any(" " in text for text in strings)
    assert any(character.isdigit() for text in strings for character in text)


@pytest.mark.model
def test_the_nouns_are_names_of_things_each_once(starter: Path) -> None:
    found = nouns(Path(__file__).parents[2] / ".cache")
    assert 10_000 < len(found) == len(set(found)) < 12_000
    assert {"dog", "tench", "hunting knife", "piano"} <= set(found)
    assert not set(null_texts()) & set(found)


@pytest.mark.model
def test_the_command_takes_the_nouns_and_the_sample_photos_by_itself(
    starter: Path, samples: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", str(model)]) == 0
    found = Calibration(model / FILE, tiny_clip.DIM)
    assert capsys.readouterr().out == f"{model}\n  calibration {found.version}\n"
    assert is_calibrated(model)
