"""A fingerprint stands for weights and preprocessing, and costs hashing once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from chalicelib.clip import load_clip
from chalicelib.clip.identity import IDENTITY_FILE
from tests.unit import tiny_clip

JINA = {"mean": list(tiny_clip.MEAN), "std": list(tiny_clip.STD), "size": tiny_clip.SIDE}
"""The same numbers as tiny_clip's, but torchvision's way to find the middle."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_clip.build(tmp_path / "model")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed from here on."""
    names: list[str] = []
    digest = hashlib.file_digest

    def noted(file: Any, kind: Any) -> Any:
        names.append(Path(file.name).name)
        return digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    return names


def fingerprint(folder: Path) -> str:
    return load_clip(folder).fingerprint


def edit(folder: Path, file: str, **changes: Any) -> None:
    path = folder / file
    value = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**value, **changes}))


def test_a_fingerprint_is_the_same_each_time_and_wherever_the_folder_lies(
    folder: Path, tmp_path: Path
) -> None:
    first = fingerprint(folder)
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert fingerprint(folder) == fingerprint(tmp_path / "elsewhere") == first


def test_files_are_hashed_once_and_again_only_where_they_were_touched(
    folder: Path, hashed: list[str]
) -> None:
    first = fingerprint(folder)
    assert sorted(hashed) == ["text_model.onnx", "tokenizer.json", "vision_model.onnx"]
    hashed.clear()
    assert fingerprint(folder) == first
    assert hashed == []
    os.utime(folder / "tokenizer.json", ns=(5, 5))
    assert fingerprint(folder) == first
    assert hashed == ["tokenizer.json"]


def test_times_that_lost_their_fraction_in_a_container_layer_still_count(
    folder: Path, hashed: list[str]
) -> None:
    first = fingerprint(folder)
    for path in folder.rglob("*"):
        whole = path.stat().st_mtime_ns // 10**9 * 10**9
        os.utime(path, ns=(whole, whole))
    hashed.clear()
    assert fingerprint(folder) == first
    assert hashed == []


@pytest.mark.parametrize("tower", ["vision", "text"])
def test_another_weight_makes_another_fingerprint(folder: Path, tmp_path: Path, tower: str) -> None:
    first = fingerprint(folder)
    other = tiny_clip.build(tmp_path / "other", seed=1)
    file = f"onnx/{tower}_model.onnx"
    shutil.copy(other / file, folder / file)
    assert fingerprint(folder) != first


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.5]}),
        ("preprocessor_config.json", {"resample": 2}),
        ("preprocessor_config.json", {"size": {"shortest_edge": 40}}),
        ("search_config.json", {"query_template": "a photo of a {}"}),
        ("tokenizer.json", {"normalizer": None}),
        ("tokenizer_config.json", {"model_max_length": 76}),
        ("preprocessor_config.json", {"image_processor_type": "JinaCLIPImageProcessor", **JINA}),
        ("config.json", {"model_type": "siglip"}),
    ],
    ids=lambda v: str(v) if isinstance(v, dict) else "",
)
def test_other_preprocessing_makes_another_fingerprint(
    folder: Path, file: str, changes: dict[str, Any]
) -> None:
    first = fingerprint(folder)
    edit(folder, file, **changes)
    assert fingerprint(folder) != first


def test_another_name_makes_no_other_fingerprint(folder: Path) -> None:
    first = fingerprint(folder)
    edit(folder, "search_config.json", name="my-model")
    assert load_clip(folder).name == "my-model"
    assert fingerprint(folder) == first


def test_a_form_carries_the_fingerprint_of_its_source(folder: Path) -> None:
    edit(folder, "search_config.json", source_fingerprint="0123456789ab")
    assert fingerprint(folder) == "0123456789ab"


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"version": 1, "files": {"tokenizer.json": 3}}'])
def test_a_damaged_cache_is_made_again(folder: Path, body: str) -> None:
    first = fingerprint(folder)
    whole = (folder / IDENTITY_FILE).read_text()
    (folder / IDENTITY_FILE).write_text(body)
    assert fingerprint(folder) == first
    assert (folder / IDENTITY_FILE).read_text() == whole


def test_a_folder_that_cannot_be_written_still_has_its_fingerprint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fingerprint(tiny_clip.build(tmp_path / "same"))

    def refused(*_: Any, **__: Any) -> Any:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refused)
    assert fingerprint(folder) == first
    assert not (folder / IDENTITY_FILE).exists()
