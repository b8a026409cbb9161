"""Keys on disk."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import spool
from chalicelib.spool import Spool


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_keys_come_back_as_they_went_in(keys: list[str]) -> None:
    with closing(Spool()) as kept:
        for key in keys:
            kept.add(key)
        assert len(kept) == len(keys)
        assert list(kept) == list(kept) == keys


def test_many_keys_go_to_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 100)
    with closing(Spool()) as kept:
        for number in range(1000):
            kept.add(f"a/{number}\n🦊.jpg")
        assert kept._file._rolled  # type: ignore[attr-defined]
        assert list(kept) == [f"a/{number}\n🦊.jpg" for number in range(1000)]
