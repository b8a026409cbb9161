"""The names of indexes, and the embedded indexes of a folder."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib import wiring
from chalicelib.clip import load_clip
from chalicelib.config import Settings
from chalicelib.errors import NotFound
from chalicelib.index import sql
from chalicelib.index.base import Shelf, Write
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.embedded_shelf import EmbeddedShelf
from chalicelib.index.naming import PREFIX, fingerprint_in, index_name
from tests.unit.test_search import record

FINGERPRINT = "0123456789ab"
SAFE = set(string.ascii_lowercase + string.digits + "._-")
NAMES = ["clip-vit-base-patch32", "starter", "a.b_c", "Größe/Ünit", "", "x" * 500, "../up", "日本"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_good_for_every_store(name: str) -> None:
    made = index_name(name, FINGERPRINT)
    assert set(made) <= SAFE
    assert len(made) <= 100
    assert made.startswith(PREFIX)
    assert fingerprint_in(made) == FINGERPRINT
    assert sql.file_name(made.removeprefix(PREFIX)) == f"{made}.sqlite"


def test_a_models_own_name_is_kept_as_it_is() -> None:
    assert index_name("clip-b32", FINGERPRINT) == f"images-clip-b32-{FINGERPRINT}"


def test_two_models_never_share_an_index() -> None:
    names = [*NAMES, "a-b", "a b", "a/b", "A-B", "x" * 501]
    assert len({index_name(name, FINGERPRINT) for name in names}) == len(names)
    assert index_name("a", "0" * 12) != index_name("a", "1" * 12)


# --- the folder -------------------------------------------------------------------------------


def opened(folder: Path, model: str) -> EmbeddedIndex:
    index = EmbeddedIndex(folder, dim=8, model=model)
    index.ensure()
    return index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EmbeddedIndex]:
    index = opened(tmp_path, "one-0001")
    yield index
    index.close()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return EmbeddedShelf(tmp_path)


def test_every_index_is_listed_and_nothing_else(
    index: EmbeddedIndex, shelf: Shelf, tmp_path: Path
) -> None:
    opened(tmp_path, "another-0002").close()
    (tmp_path / "notes.sqlite").write_bytes(b"")
    assert shelf.names() == ["images-another-0002", "images-one-0001"]


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert EmbeddedShelf(tmp_path / "nothing").names() == []


def test_an_index_that_is_dropped_leaves_nothing_and_can_be_made_anew(
    index: EmbeddedIndex, shelf: Shelf, tmp_path: Path
) -> None:
    opened(tmp_path, "another-0002").close()
    assert index.path.with_name(index.path.name + "-wal").exists()
    shelf.drop("images-one-0001")
    assert shelf.names() == ["images-another-0002"]
    assert not list(tmp_path.glob("images-one*"))
    index.close()
    again = opened(tmp_path, "one-0001")
    assert list(again.scan()) == []
    again.close()


def test_a_log_that_was_left_behind_harms_no_new_index(
    index: EmbeddedIndex, shelf: Shelf, tmp_path: Path
) -> None:
    index.write([Write(record(1), None)])
    wal = index.path.with_name(index.path.name + "-wal")
    left = wal.read_bytes()
    assert left
    shelf.drop("images-one-0001")
    index.close()
    wal.write_bytes(left)
    again = opened(tmp_path, "one-0001")
    assert list(again.scan()) == []
    assert again.counts()["ready"] == 0
    again.close()


@pytest.mark.parametrize("name", ["images-none-0003", "../images-one-0001", "", "images-one*"])
def test_unknown_names_are_not_found(shelf: Shelf, index: EmbeddedIndex, name: str) -> None:
    with pytest.raises(NotFound):
        shelf.drop(name)
    with pytest.raises(NotFound):
        shelf.last_used(name)
    assert index.path.exists()


def test_an_open_index_is_in_use_and_a_closed_one_may_not_be(
    index: EmbeddedIndex, shelf: Shelf
) -> None:
    assert shelf.last_used("images-one-0001") is not None
    assert index.counts()["ready"] == 0
    index.close()
    assert shelf.last_used("images-one-0001") is None


def test_asking_takes_nothing_from_who_uses_it(tmp_path: Path, shelf: Shelf) -> None:
    opened(tmp_path, "one-0001").close()
    assert shelf.last_used("images-one-0001") is None
    index = opened(tmp_path, "one-0001")
    assert index.counts()["ready"] == 0
    index.close()


# --- the wiring -------------------------------------------------------------------------------


def test_a_models_index_is_found_on_the_shelf_under_its_name(tiny: Path, tmp_path: Path) -> None:
    settings = Settings(
        bucket="photos",
        thumbnails_bucket="small",
        index_folder=str(tmp_path),
        model_folder=str(tiny),
    )
    clip = wiring.clip_of(settings)
    wiring.index_of(settings, clip).close()
    assert wiring.shelf_of(settings).names() == [index_name(clip.name, clip.fingerprint)]


def test_the_embedded_index_of_a_model_is_the_file_it_always_was(
    tiny: Path, tmp_path: Path
) -> None:
    clip = load_clip(tiny)
    before = opened(tmp_path, f"{clip.name}-{clip.fingerprint}")
    name = index_name(clip.name, clip.fingerprint)
    assert before.path.name == f"{name}.sqlite"
    before.close()
    EmbeddedIndex(tmp_path, dim=8, model=name.removeprefix(PREFIX)).ensure()
