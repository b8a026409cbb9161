"""The starter model among the sample photos: what is there is found, what is not is not answered.

Bounds are generous: the starter knows less than half of what these photos show (docs/adr/0002).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from bench.quality import figures, main, sample_set
from bench.quality_measure import Figures
from bench.quality_queries import outside
from models.cache import cache_folder
from tests.unit.tiny_clip import COLOURS

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("quality")]


@pytest.fixture(scope="module")
def found(starter: Path, samples: Path) -> Figures:
    assert samples.is_dir()
    photos = sample_set(cache_folder())
    return figures([starter], photos, outside(one for photo in photos for one in photo.labels))[0]


def test_every_sample_photo_has_its_label(found: Figures, samples: Path) -> None:
    assert found.photos == len(list(samples.iterdir()))


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("answered, nonsense", 0.05),
        ("answered, abstract", 0.10),
        ("answered, outside", 0.25),
        ("answered, removed category", 0.60),
        ("answered, absent sibling", 0.40),
        ("missed, specific", 0.75),
        ("missed, general", 0.70),
    ],
)
def test_no_more_goes_wrong_than(found: Figures, name: str, most: float) -> None:
    value = found.figures[name]
    assert value is not None
    assert value <= most


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("R@1", 0.40),
        ("R@10", 0.70),
        ("precision, specific", 0.60),
        ("recall, specific", 0.25),
        ("precision, general", 0.60),
        ("recall, general", 0.25),
    ],
)
def test_no_less_is_found_than(found: Figures, name: str, least: float) -> None:
    value = found.figures[name]
    assert value is not None
    assert value >= least


def test_calibrating_costs_no_photo_its_first_place(found: Figures) -> None:
    calibrated, raw = found.figures["R@1"], found.figures["R@1 raw"]
    assert calibrated is not None
    assert raw is not None
    # One photo is worth a 26th.
    assert calibrated >= raw - 0.08


def test_models_stand_side_by_side_and_one_without_calibration_has_raw_cosine_only(
    tiny: Path, starter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for colour, rgb in COLOURS.items():
        (tmp_path / colour).mkdir()
        Image.new("RGB", (64, 64), rgb).save(tmp_path / colour / "flat.png")
    asked = ["--photos", str(tmp_path), "--model", str(tiny), "--model", str(starter)]
    assert main([*asked, "--json"]) == 0
    by_raw, by_starter = json.loads(capsys.readouterr().out)
    assert by_raw["figures"] == {"R@1 raw": 1.0, "R@10 raw": 1.0}
    assert by_starter["threshold"] > 0
    assert by_starter["asked"]["R@1"] == len(COLOURS)
    assert by_starter["asked"]["answered, absent sibling"] == 0


def test_a_folder_without_photos_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--photos", str(tmp_path)]) == 1
    assert "holds no labelled photos" in capsys.readouterr().err
