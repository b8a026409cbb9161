"""`batch_job reconcile` with its options: shards, prefixes, inventories, dry runs, reports."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.clip import load_clip
from chalicelib.records import Filters
from container_embedder import batch_job
from container_embedder.progress import Progress
from tests.integration.pictures import jpeg
from tests.unit.job_place import COUNT, Place
from tests.unit.test_inventory import row, write


def ready(place: Place) -> set[str]:
    """The keys that are ready in the index in use."""
    index = wiring.index_of(place.settings, load_clip(place.settings.model_folder))
    try:
        return {r.key for r in index.list(Filters(), ["ready"], limit=1000).records}
    finally:
        index.close()


# --- shards -----------------------------------------------------------------------------------


def test_shards_together_see_to_every_image_once(
    full: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = []
    for number in range(3):
        monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", str(number))
        status, report, said = full.run("reconcile", "--shards", "3")
        assert (status, report["shard"]) == (0, f"{number}/3")
        assert f" objects of shard {number}/3 with the index" in said
        reports.append(report)
    assert sum(r["listed"] for r in reports) == COUNT
    assert sum(r["results"].get("indexed", 0) for r in reports) == COUNT
    assert len(ready(full)) == COUNT


def test_a_child_of_an_array_job_takes_its_share_without_being_told(
    full: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "1")
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_SIZE", "2")
    assert full.run("reconcile")[1]["shard"] == "1/2"
    assert full.run("reconcile", "--shard", "0/2")[1]["shard"] == "0/2"
    assert len(ready(full)) == COUNT


def test_a_share_that_cannot_be_told_is_asked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--shard I/N" in place.refused("reconcile", "--shards", "4")
    assert "0/4 to 3/4" in place.refused("reconcile", "--shard", "4/4")
    assert "leave --shards out" in place.refused("reconcile", "--shard", "1/4", "--shards", "4")
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "4")
    assert "0/4 to 3/4" in place.refused("reconcile", "--shards", "4")
    assert "0/4 to 3/4" in place.refused("reconcile")


# --- part of the bucket, or none of it --------------------------------------------------------


def test_a_prefix_limits_the_run_to_the_keys_under_it(full: Place) -> None:
    full.photos.put("b/one.jpg", jpeg(99), "image/jpeg")
    assert full.run("reconcile", "--prefix", "b/")[1]["results"] == {"indexed": 1}
    assert ready(full) == {"b/one.jpg"}
    full.run("reconcile")
    full.photos.delete("b/one.jpg")
    full.photos.delete("a/0.jpg")
    assert full.run("reconcile", "--prefix", "b/")[1]["results"] == {"deleted": 1}
    assert ready(full) == {f"a/{number}.jpg" for number in range(COUNT)}


def test_a_dry_run_says_what_would_be_done_and_does_nothing(full: Place) -> None:
    full.run("reconcile")
    full.photos.put("a/0.jpg", jpeg(99), "image/jpeg")
    full.photos.put("a/new.jpg", jpeg(98), "image/jpeg")
    full.photos.delete("a/1.jpg")
    before, thumbnails = ready(full), full.folders()
    status, report, said = full.run("reconcile", "--dry-run")
    assert (status, report["dry_run"]) == (0, True)
    assert report["causes"] == {"changed": 1, "new": 1, "gone": 1}
    assert (report["total"], report["done"], report["results"]) == (3, 0, {})
    assert "3 images would be looked at; nothing was changed" in said
    assert (ready(full), full.folders()) == (before, thumbnails)
    assert full.run("reconcile")[1]["results"] == {"indexed": 2, "deleted": 1}


# --- inventories ------------------------------------------------------------------------------


def listed(place: Place, *left_out: str) -> list[dict[str, Any]]:
    return [row(o.key, o.etag) for o in place.photos.list() if o.key not in left_out]


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
@pytest.mark.parametrize("where", ["a folder", "s3"])
def test_an_inventory_stands_in_for_listing_the_bucket(
    full: Place, tmp_path: Path, kind: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = listed(full)
    manifest = write(
        tmp_path, [rows[:5], rows[5:]], kind=kind, source=full.settings.bucket,
        destinationBucket=f"arn:aws:s3:::{full.settings.thumbnails_bucket}",
    )  # fmt: skip
    address = str(manifest)
    if where == "s3":
        for path in tmp_path.rglob("*.*"):
            if path.is_file() and "index" not in path.parts:
                key = path.relative_to(tmp_path).as_posix()
                full.thumbnails.put(key, path.read_bytes(), "application/octet-stream")
        key = manifest.relative_to(tmp_path).as_posix()
        address = f"s3://{full.settings.thumbnails_bucket}/{key}"
    monkeypatch.setattr(type(full.photos), "list", no_list(type(full.photos).list))
    status, report, _ = full.run("reconcile", "--inventory", address)
    assert (status, report["results"], report["listed"]) == (0, {"indexed": COUNT}, COUNT)
    assert report["inventory_as_of"] == "2026-11-24T01:00:00+00:00"
    assert full.run("reconcile", "--inventory", address)[1]["total"] == 0


def no_list(real: Any) -> Any:
    """Thumbnails may be listed, photos not."""

    def list_(bucket: Any, prefix: str = "") -> Any:
        assert bucket.name.startswith("small-")
        return real(bucket, prefix)

    return list_


def test_what_came_after_the_inventory_was_made_is_not_pruned(full: Place, tmp_path: Path) -> None:
    full.run("reconcile")
    manifest = write(
        tmp_path, [listed(full, "a/0.jpg", "a/1.jpg")], source=full.settings.bucket,
        creationTimestamp="1500000000000",
    )  # fmt: skip
    full.photos.delete("a/1.jpg")
    report = full.run("reconcile", "--inventory", manifest)[1]
    assert report["causes"] == {"newer": 2}
    assert report["results"] == {"unchanged": 1, "deleted": 1}
    assert "a/0.jpg" in ready(full)


def test_an_inventory_older_than_a_change_undoes_nothing(full: Place, tmp_path: Path) -> None:
    manifest = write(tmp_path, [listed(full)], source=full.settings.bucket)
    full.photos.put("a/0.jpg", jpeg(99), "image/jpeg")
    full.photos.delete("a/1.jpg")
    full.run("reconcile")
    etags = {o.key: o.etag for o in full.photos.list()}
    report = full.run("reconcile", "--inventory", manifest)[1]
    assert report["causes"] == {"changed": 1, "new": 1}
    assert report["results"] == {"unchanged": 1, "deleted": 1}
    assert full.run("reconcile", "--inventory", manifest)[1]["results"] == {"unchanged": 2}
    assert ready(full) == set(etags)


def test_without_etags_every_key_is_looked_at_and_nothing_embedded_again(
    full: Place, tmp_path: Path
) -> None:
    full.run("reconcile")
    manifest = write(
        tmp_path, [listed(full)], source=full.settings.bucket, schema="Bucket, Key, Size"
    )
    report = full.run("reconcile", "--inventory", manifest)[1]
    assert (report["causes"], report["results"]) == ({"unsure": COUNT}, {"unchanged": COUNT})


def test_an_inventory_that_is_not_there_ends_it_with_a_sentence(
    place: Place, tmp_path: Path
) -> None:
    assert "cannot be read" in place.refused("reconcile", "--inventory", tmp_path / "nowhere.json")
    bucket = place.settings.bucket
    said = place.refused("reconcile", "--inventory", f"s3://{bucket}/nowhere.json")
    assert f"There is no nowhere.json in the bucket {bucket}" in said
    assert "is not like s3://" in place.refused("reconcile", "--inventory", "s3://nowhere")
    other = write(tmp_path, [], source="holidays")
    assert "of the bucket holidays" in place.refused("reconcile", "--inventory", other)


# --- what it tells ----------------------------------------------------------------------------


def test_the_report_is_kept_in_a_file_or_in_s3(full: Place, tmp_path: Path) -> None:
    report = full.run("reconcile", "--report", tmp_path / "report.json")[1]
    assert json.loads((tmp_path / "report.json").read_text()) == report
    bucket = full.settings.thumbnails_bucket
    report = full.run("reconcile", "--report", f"s3://{bucket}/reports/1.json")[1]
    look: Any = full.thumbnails.look("reports/1.json", max_bytes=10**6)
    assert json.loads(look.data) == report
    status, answer, said = full.run("reconcile", "--report", tmp_path / "no" / "such" / "folder")
    assert (status, answer["total"]) == (1, 0)
    assert "error: The report cannot be written" in said


def test_the_cost_is_told_where_there_is_a_price(
    full: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, said = full.run("reconcile", "--price-per-hour", "3600")[1:]
    assert report["cost_usd"] >= report["seconds"]
    assert " so far" in said.splitlines()[0]
    assert "$" in said.splitlines()[-1]
    monkeypatch.setenv("IMAGES_PRICE_PER_HOUR", "36000")
    report = full.run("reconcile")[1]
    assert report["cost_usd"] >= 10 * report["seconds"]
    assert full.run("reconcile", "--price-per-hour", "0")[1]["cost_usd"] is None


@pytest.mark.parametrize("price", ["-1", "nan", "inf", "$3"])
def test_a_price_that_is_none_is_explained(place: Place, price: str) -> None:
    with pytest.raises(SystemExit):
        batch_job.main(["reconcile", f"--price-per-hour={price}"])
    assert "--price-per-hour" in place.capsys.readouterr().err


def test_what_fails_is_named_with_its_reason(full: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    full.s3.delete_bucket(Bucket=full.settings.thumbnails_bucket)
    monkeypatch.setattr("chalicelib.reconcile.sweep_thumbnails", lambda *_: 0)
    status, report, said = full.run("reconcile")
    assert (status, report["results"]) == (1, {"failed": COUNT})
    assert Counter(len(f["error"]) > 10 for f in report["failures"]) == {True: 10}
    assert {f["key"] for f in report["failures"]} <= {o.key for o in full.photos.list()}
    assert said.count("failed: a/") == 10


def test_a_terminal_gets_a_bar_that_fits_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for columns in ("120", "60", "20"):
        monkeypatch.setenv("COLUMNS", columns)
        progress = Progress("reconcile", price_per_hour=3.6)
        progress.compared(12_000)
        for done in range(0, 1001, 100):
            progress(done, 1000)
            now += 5
        progress.close()
        progress.close()
        drawn = capsys.readouterr().err
        assert drawn.endswith("\x1b[K\n")
        assert drawn.count("\n") == 1
        lines = [line.removesuffix("\x1b[K") for line in drawn.rstrip("\n").split("\r")[1:]]
        assert all(len(line) < int(columns) for line in lines)
        assert lines[-1].startswith("reconcile 100% ")
        if columns == "120":
            assert lines[5] == (
                "reconcile  50% "
                + "█" * 20 + "░" * 20
                + " 500 of 1000, 20.0 a second, 25 s left, $0.0250 so far"
            )  # fmt: skip


def test_a_log_gets_lines_while_the_bucket_is_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    progress = Progress("reconcile")
    for listed_so_far in range(0, 100_000, 10_000):
        progress.compared(listed_so_far)
        now += 0.5
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "reconcile: compared 40,000 objects so far",
        "reconcile: compared 80,000 objects so far",
    ]
