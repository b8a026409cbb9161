"""A model that is known by name only."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.clip import NamedModel, load_clip, name_of
from chalicelib.errors import ConfigurationError
from tests.unit import tiny_clip


def test_it_says_of_a_model_what_the_model_says_of_itself(tmp_path: Path) -> None:
    clip = load_clip(tiny_clip.build(tmp_path / "tiny"))
    known = NamedModel(name_of(clip))
    assert (known.name, known.fingerprint, known.dim) == (clip.name, clip.fingerprint, clip.dim)


@pytest.mark.parametrize(
    "written", ["", "starter", "starter:0123456789ab", "starter:short:384", "a:0123456789ab:0"]
)
def test_what_names_no_model_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ConfigurationError, match="such as starter:0123456789ab:384"):
        NamedModel(written)


def test_it_embeds_nothing_and_says_what_would() -> None:
    known = NamedModel("starter:0123456789ab:384")
    with pytest.raises(ConfigurationError, match="IMAGES_MODEL_FOLDER"):
        known.embed_texts(["a cat"])
    with pytest.raises(ConfigurationError, match="IMAGES_MODEL_FOLDER"):
        known.embed_pixels([])
    with pytest.raises(ConfigurationError, match="IMAGES_MODEL_FOLDER"):
        _ = known.pixel_spec
