"""What the client knows of the API by itself is what the API has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import uploads
from client import asking, kinds, uploading

NAMES = st.builds(
    lambda stem, ending: f"{stem}.{ending}",
    st.text(max_size=8),
    st.sampled_from([e for endings in uploads.IMAGE_TYPES.values() for e in endings] + ["txt", ""]),
)


def test_the_image_types_are_those_of_the_api() -> None:
    assert kinds.IMAGE_TYPES == uploads.IMAGE_TYPES


@given(NAMES)
def test_a_file_is_sent_where_the_api_takes_one_of_its_name(name: str) -> None:
    assert kinds.image_type(name) == uploads.content_type("", name)


@pytest.mark.parametrize("name", ["jpg", "", "photo", ".", "photo."])
def test_a_name_without_an_ending_is_no_image(name: str) -> None:
    assert kinds.image_type(name) is None


def test_a_picture_to_look_for_fits_into_one_request() -> None:
    assert (asking.MAX_IMAGE + 2) // 3 * 4 <= uploads.MAX_BASE64


def test_so_many_ids_are_asked_for_as_one_request_takes() -> None:
    from chalicelib.library import MAX_IDS

    assert uploading.IDS_A_REQUEST == MAX_IDS
