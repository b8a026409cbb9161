"""Hostile files dropped among good ones into the bucket of a real stack."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chalicelib.records import image_id
from tests.hostile import judging
from tests.integration.local_stack import BUCKET, running
from tests.integration.processes import eventually
from tests.unit.pictures import encoded, scene
from tests.unit.sentences import faults

GOOD = 20
ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}


def _good() -> dict[str, bytes]:
    kinds = list(ENDINGS)
    return {
        f"good/{n}.{ENDINGS[kinds[n % len(kinds)]]}": encoded(scene(seed=n), kinds[n % len(kinds)])
        for n in range(GOOD)
    }


@pytest.mark.timeout(600)
def test_hostile_files_are_rejected_with_a_reason_and_cost_no_good_one_anything(
    tiny: Path, tmp_path: Path
) -> None:
    sample = {f"bad/{file.name}": file for file in judging.sample()}
    good = _good()
    keys = sorted([*good, *sample], key=lambda key: key.partition("/")[2])
    with running(tmp_path / "data", tiny) as stack:
        for key in keys:
            stack.put(key, good[key] if key in good else sample[key].data)
        stats = eventually(
            lambda: stack.get("/stats"),
            lambda s: (
                s["images"]["ready"] + s["images"]["rejected"] == len(keys)
                and s["queue"] == {"waiting": 0, "in_flight": 0}
            ),
            seconds=400,
        )
        assert stats["dead_letters"] == {"waiting": 0}
        records = {key: stack.get(f"/images/{image_id(BUCKET, key)}") for key in keys}
        assert stack.differences() == {}
    wanted = dict.fromkeys(good, "ready")
    wanted |= {k: "ready" if f.verdict == "read" else "rejected" for k, f in sample.items()}
    assert {key: record["state"] for key, record in records.items()} == wanted
    assert Counter(wanted.values())["rejected"] >= 20
    for key, record in records.items():
        if wanted[key] == "rejected":
            assert faults(record["reason"]) == [], (key, record["reason"])
