"""Labelled photos, from a folder for each label or from a table."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from chalicelib.errors import ConfigurationError

DOUBTFUL = "?"
"""Before a label: the photo may show it, and takes no part where it is asked for."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A file and what it shows: `labels`, the first of which says it most closely. What it may show
    as well is `doubtful`."""

    path: Path
    labels: tuple[str, ...]
    doubtful: frozenset[str] = frozenset()


def labelled(source: Path, more: Path | None = None, *, folder: Path | None = None) -> list[Photo]:
    """The photos in a folder of folders, each named by its photos' label, or in a CSV file
    `key,label[,label…]` whose keys are paths from `folder`, without it from where the file lies.

    `more` is a CSV file `label,word[,word…]`: general words for photos of that label. Raises
    ConfigurationError, with file and line, for what is not there.
    """
    photos = _in_folders(source) if source.is_dir() else _in_table(source, folder)
    if not photos:
        raise ConfigurationError(
            f"{source} holds no labelled photos: give a folder with a folder for each label, or a "
            "CSV file with the lines key,label[,label…].",
            field="photos",
        )
    if more is None:
        return photos
    general: dict[str, tuple[str, ...]] = {
        label: tuple(words) for label, *words in _rows(more) if any(words)
    }
    return [_labelled(photo.path, [*photo.labels, *_of(photo, general)], photo) for photo in photos]


def _of(photo: Photo, general: dict[str, tuple[str, ...]]) -> list[str]:
    return [word for label in photo.labels for word in general.get(label, ())]


def _in_folders(source: Path) -> list[Photo]:
    return [
        Photo(path, (_said(path.parent.name),))
        for path in sorted(source.glob("*/**/*"))
        if path.is_file() and not path.name.startswith(".")
    ]


def _said(folder: str) -> str:
    return " ".join(folder.replace("_", " ").split())


def _in_table(source: Path, folder: Path | None) -> list[Photo]:
    photos = []
    for number, (key, *labels) in enumerate(_rows(source), 1):
        path = (folder or source.parent) / key
        if number == 1 and not path.is_file() and key.lower() == "key":
            continue
        if not path.is_file():
            raise ConfigurationError(
                f"{source}, line {number}: there is no {path}.", field="photos"
            )
        photo = _labelled(path, labels)
        if not photo.labels:
            raise ConfigurationError(
                f"{source}, line {number}: {key} has no label.", field="photos"
            )
        photos.append(photo)
    return photos


def _labelled(path: Path, labels: list[str], known: Photo | None = None) -> Photo:
    sure = dict.fromkeys(one for one in labels if not one.startswith(DOUBTFUL))
    doubtful = {one.removeprefix(DOUBTFUL) for one in labels if one.startswith(DOUBTFUL)}
    photo = Photo(path, tuple(sure), frozenset(doubtful - set(sure)))
    return photo if known is None else replace(photo, doubtful=photo.doubtful | known.doubtful)


def _rows(source: Path) -> list[list[str]]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{source} cannot be read: {error}", field="photos") from error
    return [[cell for cell in row if cell] for row in rows if any(row)]


@dataclass(frozen=True, slots=True)
class Word:
    """A label as a query. `right` are the places of the photos it is true of, `doubtful` of those
    it may be; `siblings` says whether others are of a kind that it is of, too."""

    text: str
    right: frozenset[int]
    doubtful: frozenset[int]
    siblings: bool = False


def words_of(photos: list[Photo]) -> tuple[list[Word], list[Word]]:
    """(specific words, general words), each sorted: general is what stands behind another label
    for two photos or more, specific what only stands first."""
    right: dict[str, set[int]] = defaultdict(set)
    doubtful: dict[str, set[int]] = defaultdict(set)
    below: dict[str, set[str]] = defaultdict(set)
    for number, photo in enumerate(photos):
        for label in photo.labels:
            right[label].add(number)
        for label in photo.doubtful:
            doubtful[label].add(number)
        for label in photo.labels[1:]:
            below[label].add(photo.labels[0])
    shared = {one for under in below.values() if len(under) > 1 for one in under}
    words = [
        Word(text, frozenset(those), frozenset(doubtful[text] - those), text in shared)
        for text, those in sorted(right.items())
    ]
    firsts = {photo.labels[0] for photo in photos}
    return (
        [word for word in words if word.text in firsts and word.text not in below],
        [word for word in words if word.text in below and len(word.right) > 1],
    )
