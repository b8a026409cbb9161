"""How near a form's vectors are to its source's, on real pictures and texts.

Both are run by the product's own `load_clip`. Cosines say how far each vector moved; overlap says
what a person would notice: how much of the first ten answers stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.clip import Clip, load_clip
from chalicelib.clip.pixels import PixelSpec, to_pixels
from chalicelib.errors import ConfigurationError, Permanent

LEAST_COSINE = 0.99
LEAST_OVERLAP = 0.9
FIRST = 10
"""Answers that are compared."""

LEAST_PICTURES = 100
MOST_PICTURES = 400
"""Of a folder's files, the first by name."""

_CORNERS = ((0.0, 0.0), (0.2, 0.2), (0.4, 0.4), (0.4, 0.0), (0.0, 0.4))
_SHARE = 0.6
"""Crops are this share of a picture's sides, from these places."""

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """What is embedded: uint8 [N, S, S, 3] and texts."""

    pixels: NDArray[np.uint8]
    texts: list[str]

    def first(self, count: int) -> tuple[NDArray[np.uint8], list[str]]:
        """So many pictures and texts, spread over all."""
        pictures, texts = (max(1, len(all_) // count) for all_ in (self.pixels, self.texts))
        return self.pixels[::pictures][:count], self.texts[::texts][:count]


@dataclass(frozen=True, slots=True)
class Vectors:
    """A model's rows of one sample, float32 [N, D] each."""

    pictures: Rows
    texts: Rows


@dataclass(frozen=True, slots=True)
class Figures:
    """One form against its source. Overlaps are means over all queries, 0 to 1."""

    pictures: int
    texts: int
    picture_cosine: tuple[float, float]
    text_cosine: tuple[float, float]
    by_text: float
    by_picture: float

    @property
    def least_cosine(self) -> float:
        return min(self.picture_cosine[0], self.text_cosine[0])

    @property
    def overlap(self) -> float:
        return min(self.by_text, self.by_picture)

    @property
    def good(self) -> bool:
        return self.least_cosine >= LEAST_COSINE and self.overlap >= LEAST_OVERLAP

    def __str__(self) -> str:
        (worst_p, mean_p), (worst_t, mean_t) = self.picture_cosine, self.text_cosine
        return (
            f"cosine of {self.pictures} pictures {worst_p:.4f} to the least, {mean_p:.4f} in the "
            f"mean; of {self.texts} texts {worst_t:.4f} and {mean_t:.4f}; top-{FIRST} overlap "
            f"{self.by_text:.3f} by text, {self.by_picture:.3f} by picture"
        )


@dataclass(frozen=True, slots=True)
class Pictures:
    """Photos and crops of them, uint8 [S, S, 3] each; `whole` are the places of the photos."""

    pixels: list[NDArray[np.uint8]]
    whole: list[int]


def sample_of(photos: Path, texts: list[str], spec: PixelSpec) -> Sample:
    """`pictures_of` the folder, and `texts`. Raises as that does."""
    return Sample(np.stack(pictures_of(photos, spec).pixels), texts)


def pictures_of(photos: Path, spec: PixelSpec) -> Pictures:
    """The first 400 pictures in a folder, with crops of them where they are fewer than 100,
    prepared as `spec` says.

    Raises ConfigurationError where the folder holds too few.
    """
    paths = sorted(path for path in photos.rglob("*") if path.is_file())[:MOST_PICTURES]
    found = Pictures([], [])
    if len(paths) >= LEAST_PICTURES:
        found = _prepared(paths, spec, ())
    if len(found.pixels) < LEAST_PICTURES:
        found = _prepared(paths, spec, _CORNERS)
    if len(found.pixels) < LEAST_PICTURES:
        least = -(-LEAST_PICTURES // (1 + len(_CORNERS)))
        raise ConfigurationError(
            f"{photos} holds too few pictures; give a folder of {least} or more.",
            field="photos",
        )
    return found


def _prepared(
    paths: list[Path], spec: PixelSpec, corners: tuple[tuple[float, float], ...]
) -> Pictures:
    """The pictures among `paths`, each with its crops from `corners`; what is none is left out."""
    from chalicelib.images import open_upright

    pixels: list[NDArray[np.uint8]] = []
    whole: list[int] = []
    for path in paths:
        try:
            image = open_upright(path.read_bytes()).image
        except Permanent:
            continue
        whole.append(len(pixels))
        pixels.append(to_pixels(image, spec))
        width, height = image.size
        for left, top in corners if min(width, height) >= 16 else ():
            box = (
                round(left * width),
                round(top * height),
                round((left + _SHARE) * width),
                round((top + _SHARE) * height),
            )
            pixels.append(to_pixels(image.crop(box), spec))
    return Pictures(pixels, whole)


def vectors_of(folder: Path, sample: Sample) -> Vectors:
    """Raises ModelError where the model fails."""
    clip: Clip = load_clip(folder, device="cpu")
    return Vectors(clip.embed_pixels(sample.pixels), clip.embed_texts(sample.texts))


def compare(source: Vectors, form: Vectors) -> Figures:
    """All figures of `form` against `source`."""
    return Figures(
        pictures=len(source.pictures),
        texts=len(source.texts),
        picture_cosine=_cosine(source.pictures, form.pictures),
        text_cosine=_cosine(source.texts, form.texts),
        by_text=_overlap(
            source.texts @ source.pictures.T, form.texts @ form.pictures.T, themselves=False
        ),
        by_picture=_overlap(
            source.pictures @ source.pictures.T, form.pictures @ form.pictures.T, themselves=True
        ),
    )


def _cosine(source: Rows, form: Rows) -> tuple[float, float]:
    """(least, mean) of unit rows."""
    each = np.einsum("nd,nd->n", source.astype(np.float64), form.astype(np.float64))
    return float(each.min()), float(each.mean())


def _overlap(source: Rows, form: Rows, *, themselves: bool) -> float:
    """The mean share of the first ten that both have; scores are [queries, pictures].

    With `themselves`, query n is picture n, which is not among its own answers.
    """
    first = []
    for scores in (source.copy(), form.copy()):
        if themselves:
            np.fill_diagonal(scores, -np.inf)
        first.append(np.argsort(-scores, axis=1, kind="stable")[:, :FIRST])
    shared = [len(set(a) & set(b)) for a, b in zip(*first, strict=True)]
    return float(np.mean(shared)) / FIRST
