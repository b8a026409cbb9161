"""`python -m models calibrate FOLDER`: what a model's vectors are seen from, written beside it.

docs/adr/0031-calibration.md says what is measured and why; `chalicelib.clip.calibration` reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from chalicelib.clip import Clip, load_clip
from chalicelib.clip.calibration import FILE, Calibration, centred, responses
from chalicelib.errors import ModelError
from models.calibrate_words import null_texts
from models.steps import step
from models.verify import MOST_PICTURES, pictures_of

VERSION = 1
"""Raised with every change that makes other numbers: every model is then calibrated anew."""

NEAREST = 0.001
"""The share of the nouns, those that fit a picture best, of which r is the mean."""

LEAST = 0.5
"""No r is below this share of the photos' median: it would make a picture of nothing answer to
everything. No photo has come near."""

ALIKE = 95
"""The percentile of the inner products of different photos that `Calibration.alike` is."""

_AT_ONCE = 512
"""Texts between two steps of the progress bar."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every array in the file, so that the same arrays make the same file."""

_NO_LESS = 0.01
"""Nor below this, where the photos answer to nothing."""

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Source:
    """What a calibration is made from: nouns, and a folder of 50 or more varied photos (or of
    fewer, of which crops are taken too, as `models.verify.pictures_of` does)."""

    nouns: list[str]
    photos: Path

    def version(self, fingerprint: str) -> str:
        """12 hex digits for a model's calibration from these, the same on every machine."""
        whole = hashlib.sha256(f"{VERSION}\n{fingerprint}\n".encode())
        for text in (*self.nouns, "", *null_texts()):
            whole.update(f"{text}\n".encode())
        for digest in sorted(_digests(self.photos)):
            whole.update(digest)
        return whole.hexdigest()[:12]


def calibrate(folder: Path, source: Source) -> Calibration:
    """Measure the model in `folder` and write its calibration.npz, whole or not at all.

    Progress goes to stderr. Raises ModelError where the folder is no model or cannot be written,
    ConfigurationError where there are too few photos.
    """
    clip = load_clip(folder)
    pictures = pictures_of(source.photos, clip.pixel_spec)
    with step("calibrate", f"embedding {len(pictures.pixels)} pictures"):
        photos = clip.embed_pixels(np.stack(pictures.pixels))
    nouns = _embedded(clip, source.nouns)
    texts_mean, images_mean = _mean(nouns), _mean(photos)
    bank, scale = _packed(centred(nouns, texts_mean))
    nearest = max(1, round(NEAREST * len(bank)))
    seen = centred(photos, images_mean)
    answers = responses(seen, bank * scale[:, None], nearest)
    least = max(LEAST * float(np.median(answers)), _NO_LESS)
    kept = seen / answers.clip(min=least)[:, None]
    arrays = {
        "calibrator": np.asarray(VERSION, np.int64),
        "version": np.asarray(source.version(clip.fingerprint)),
        "model": np.asarray(clip.fingerprint),
        "texts_mean": texts_mean,
        "images_mean": images_mean,
        "bank": bank,
        "bank_scale": scale,
        "nearest": np.asarray(nearest, np.int64),
        "least": np.asarray(least, np.float32),
        "alike": np.asarray(_alike(seen[pictures.whole], kept[pictures.whole]), np.float32),
        "null_texts": clip.embed_texts(null_texts()),
    }
    with _fresh(folder) as fresh:
        _write(fresh, arrays)
    return Calibration(folder / FILE, clip.dim)


def is_calibrated(folder: Path) -> bool:
    """Whether `folder` holds a whole calibration of this version for the model in it."""
    try:
        clip = load_clip(folder, device="cpu")
        if clip.calibration is None:
            return False
        clip.calibration.stored(np.eye(1, clip.dim, dtype=np.float32))
        with zipfile.ZipFile(folder / FILE) as archive, archive.open("calibrator.npy") as file:
            return int(np.lib.format.read_array(file)) == VERSION
    except (ModelError, KeyError):
        return False


def share(source: Path, form: Path) -> None:
    """Give `form`, made of the model in `source`, that one's calibration, or none where it has
    none. Raises ModelError where the folder cannot be written."""
    theirs, ours = source / FILE, form / FILE
    if not theirs.is_file():
        ours.unlink(missing_ok=True)
        return
    content = theirs.read_bytes()
    if not ours.is_file() or ours.read_bytes() != content:
        with _fresh(form) as fresh:
            fresh.write_bytes(content)


def _digests(photos: Path) -> Iterator[bytes]:
    """The sha256 of each file that `pictures_of` looks at."""
    for path in sorted(path for path in photos.rglob("*") if path.is_file())[:MOST_PICTURES]:
        with path.open("rb") as file:
            yield hashlib.file_digest(file, "sha256").digest()


def _embedded(clip: Clip, texts: list[str]) -> Rows:
    parts, said = [], f"embedding {len(texts):,} nouns"
    with contextlib.ExitStack() as shown:
        bar = tqdm(total=len(texts), desc=f"calibrate: {said}", unit="noun", disable=None)
        shown.enter_context(bar)
        if bar.disable:  # no terminal: a line at the beginning, its seconds at the end
            shown.enter_context(step("calibrate", said))
        for start in range(0, len(texts), _AT_ONCE):
            parts.append(clip.embed_texts(texts[start : start + _AT_ONCE]))
            bar.update(len(parts[-1]))
    return np.concatenate(parts)


def _alike(seen: Rows, kept: Rows) -> float:
    """`ALIKE` of the inner products of each row of one with the other's, but its own."""
    pairs = ~np.eye(len(seen), dtype=bool)
    return float(np.percentile((seen @ kept.T)[pairs], ALIKE))


def _mean(rows: Rows) -> Rows:
    return np.asarray(rows.mean(axis=0, dtype=np.float64), np.float32)


def _packed(rows: Rows) -> tuple[NDArray[np.int8], Rows]:
    """Rows as whole numbers from -127 to 127, int8 [K, D], and what to multiply each by, [K]."""
    scale = np.abs(rows).max(axis=1) / np.float32(127)
    return np.round(rows / scale[:, None]).astype(np.int8), scale


@contextlib.contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    """A place to write calibration.npz to, which then takes the file's place, whole."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".calibrating-") as scratch:
            fresh = Path(scratch) / FILE
            yield fresh
            fresh.chmod(0o644)
            fresh.replace(folder / FILE)
    except OSError as error:
        raise ModelError(f"{folder / FILE} cannot be written: {error.strerror}.") from error


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """An .npz, as numpy reads it; the same arrays make the same bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
