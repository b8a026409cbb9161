"""What is stored of a picture and what a query becomes, and files that are no calibration."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.clip import load_clip
from chalicelib.clip.calibration import FILE, Calibration, read_calibration
from chalicelib.errors import ModelError
from tests.unit import tiny_clip

DIM, NOUNS, NEAREST = 12, 400, 3


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def arrays(seed: int = 0) -> dict[str, Any]:
    """What a calibration.npz holds, of a model whose vectors lie in two cones."""
    rng = np.random.default_rng(seed)
    bank = unit(rng.normal(size=(NOUNS, DIM)))
    scale = (np.abs(bank).max(axis=1) / 127).astype(np.float32)
    return {
        "version": np.asarray("0123456789ab"),
        "model": np.asarray("ba9876543210"),
        "texts_mean": (rng.normal(size=DIM) / 8).astype(np.float32),
        "images_mean": (rng.normal(size=DIM) / 8).astype(np.float32),
        "bank": np.round(bank / scale[:, None]).astype(np.int8),
        "bank_scale": scale,
        "nearest": np.asarray(NEAREST),
        "least": np.asarray(0.05, np.float32),
        "null_texts": unit(rng.normal(size=(250, DIM))),
        "alike": np.asarray(0.5, np.float32),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / FILE, **arrays())
    return tmp_path


@pytest.fixture
def calibration(folder: Path) -> Calibration:
    return Calibration(folder / FILE, DIM)


seeds = st.integers(0, 2**32 - 1)
within = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@within
@given(seeds, st.integers(1, 9))
def test_a_stored_vector_times_its_response_is_unit_and_gives_the_vector_back(
    calibration: Calibration, seed: int, count: int
) -> None:
    rows = unit(np.random.default_rng(seed).normal(size=(count, DIM)))
    kept, response = calibration.stored(rows)
    assert (kept.dtype, kept.shape) == (np.float32, (count, DIM))
    assert (response.dtype, response.shape) == (np.float32, (count,))
    back = kept * response[:, None]
    assert np.allclose(np.linalg.norm(back, axis=1), 1, atol=1e-6)
    assert np.allclose(back, calibration.of_images(rows), atol=1e-6)


@within
@given(seeds)
def test_the_response_is_the_mean_of_the_nouns_that_answer_most(
    calibration: Calibration, seed: int
) -> None:
    rows = unit(np.random.default_rng(seed).normal(size=(4, DIM)))
    made = arrays()
    bank = made["bank"] * made["bank_scale"][:, None]
    seen = unit(rows.astype(np.float64) - made["images_mean"])
    wanted = np.sort(seen @ bank.T, axis=1)[:, -NEAREST:].mean(axis=1)
    assert np.allclose(calibration.stored(rows)[1], wanted, atol=1e-5)


def test_each_row_is_stored_as_it_would_be_alone(calibration: Calibration) -> None:
    rows = unit(np.random.default_rng(5).normal(size=(7, DIM)))
    together = calibration.stored(rows)
    for at in range(7):
        alone = calibration.stored(rows[at : at + 1])
        assert np.allclose(alone[0][0], together[0][at], atol=1e-6)
        assert np.allclose(alone[1][0], together[1][at], atol=1e-6)
    none = calibration.stored(rows[:0])
    assert (none[0].shape, none[1].shape) == ((0, DIM), (0,))


def test_no_response_is_below_the_least(folder: Path) -> None:
    np.savez(folder / FILE, **arrays() | {"least": np.asarray(0.97, np.float32)})
    rows = unit(np.random.default_rng(1).normal(size=(50, DIM)))
    response = Calibration(folder / FILE, DIM).stored(rows)[1]
    assert response.min() == np.float32(0.97)


@pytest.mark.parametrize("kind", ["texts", "images"])
def test_queries_are_seen_from_the_mean_of_their_kind(calibration: Calibration, kind: str) -> None:
    rows = unit(np.random.default_rng(2).normal(size=(5, DIM)))
    seen = getattr(calibration, f"of_{kind}")(rows)
    wanted = unit(rows.astype(np.float64) - arrays()[f"{kind}_mean"])
    assert seen.dtype == np.float32
    assert np.allclose(seen, wanted, atol=1e-6)


def test_a_picture_that_is_the_mean_itself_still_has_a_vector(folder: Path) -> None:
    mean = unit(np.ones((1, DIM)))
    np.savez(folder / FILE, **arrays() | {"images_mean": mean[0]})
    kept, response = Calibration(folder / FILE, DIM).stored(mean)
    assert np.allclose(np.linalg.norm(kept * response[:, None], axis=1), 1, atol=1e-6)


def test_null_queries_come_as_queries_do(calibration: Calibration) -> None:
    made = arrays()
    assert np.array_equal(calibration.null_texts, calibration.of_texts(made["null_texts"]))
    assert calibration.alike == 0.5


def test_a_folder_without_the_file_has_none(tmp_path: Path, tiny: Path) -> None:
    assert read_calibration(tmp_path, DIM) is None
    assert load_clip(tiny).calibration is None


def changed(path: Path, **changes: Any) -> None:
    kept = arrays() | changes
    np.savez(path, **{name: value for name, value in kept.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": None}, "version"),
        ({"version": np.asarray("no digits")}, "version is not 12 hex digits"),
        ({"model": None}, "model"),
        ({"texts_mean": np.zeros(DIM + 1, np.float32)}, "texts_mean .* for vectors of 12"),
        ({"images_mean": np.zeros(DIM)}, "images_mean is float64"),
        ({"images_mean": np.full(DIM, np.nan, np.float32)}, "images_mean"),
        ({"texts_mean": np.asarray([{}] * DIM)}, "allow_pickle"),
        ({"nearest": np.asarray(0)}, "nearest"),
        ({"nearest": np.asarray([1, 2])}, "nearest is no number"),
        ({"least": np.asarray(0.0)}, "least"),
        ({"least": np.asarray(np.inf)}, "least is no number"),
        ({"alike": None}, "alike"),
        ({"alike": np.asarray(np.nan)}, "alike is no number"),
    ],
)
def test_a_damaged_file_is_refused_with_the_command_that_mends_it(
    folder: Path, changes: dict[str, Any], why: str
) -> None:
    changed(folder / FILE, **changes)
    with pytest.raises(ModelError, match=why) as refused:
        Calibration(folder / FILE, DIM)
    assert f"python -m models calibrate {folder}" in refused.value.message


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bank": None}, "bank"),
        ({"bank": np.zeros((0, DIM), np.int8), "bank_scale": np.zeros(0, np.float32)}, "bank"),
        ({"bank": np.zeros((NOUNS, DIM), np.float32)}, "bank is float32"),
        ({"bank": np.zeros((NOUNS, DIM + 1), np.int8)}, "bank is int8"),
        ({"bank_scale": np.zeros(NOUNS - 1, np.float32)}, "bank_scale"),
    ],
)
def test_a_damaged_bank_is_refused_where_it_is_needed(
    folder: Path, changes: dict[str, Any], why: str
) -> None:
    changed(folder / FILE, **changes)
    calibration = Calibration(folder / FILE, DIM)
    assert calibration.null_texts.shape == (250, DIM)
    with pytest.raises(ModelError, match=why):
        calibration.stored(np.eye(1, DIM, dtype=np.float32))


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + b"\0" * 40])
def test_what_is_no_archive_is_refused(folder: Path, content: bytes) -> None:
    (folder / FILE).write_bytes(content)
    with pytest.raises(ModelError, match="cannot be used"):
        Calibration(folder / FILE, DIM)


def test_an_archive_cut_off_anywhere_is_refused(folder: Path) -> None:
    whole = (folder / FILE).read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        (folder / FILE).write_bytes(whole[:length])
        with pytest.raises(ModelError, match="cannot be used"):
            Calibration(folder / FILE, DIM).stored(np.eye(1, DIM, dtype=np.float32))


def test_an_array_that_claims_to_be_enormous_is_not_read(folder: Path) -> None:
    with zipfile.ZipFile(folder / FILE, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("version.npy", bytes(257 * 1024 * 1024))
    with pytest.raises(ModelError, match="larger than 256 MiB"):
        Calibration(folder / FILE, DIM)


def test_the_calibration_of_another_model_is_refused(tmp_path: Path) -> None:
    model = tiny_clip.build(tmp_path / "model")
    wanted = load_clip(model).fingerprint
    sizes = {"texts_mean": 16, "images_mean": 16}
    means = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
    changed(model / FILE, **means)
    with pytest.raises(ModelError, match=f"made for the model ba9876543210, and this is {wanted}"):
        _ = load_clip(model).calibration
    changed(model / FILE, **means, model=np.asarray(wanted))
    clip = load_clip(model)
    assert clip.calibration is clip.calibration
    assert clip.calibration is not None
    assert clip.calibration.version == "0123456789ab"
