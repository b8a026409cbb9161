"""The commands of the batch job, over moto's S3, the embedded index and tiny models."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chalicelib import wiring
from chalicelib.clip import load_clip
from chalicelib.errors import StorageUnavailable
from chalicelib.index.memory import MemoryIndex
from chalicelib.index.naming import fingerprint_in, index_name
from chalicelib.storage import S3Bucket
from container_embedder import batch_job, reconciling, telling
from container_embedder.progress import Progress
from tests.integration.pictures import plain
from tests.unit import tiny_clip
from tests.unit.job_place import COUNT, Place


def name_of(model: Path) -> str:
    clip = load_clip(model)
    return index_name(clip.name, clip.fingerprint)


# --- reconcile --------------------------------------------------------------------------------


def test_reconcile_fills_the_index_in_use_and_answers_with_its_report(full: Place) -> None:
    full.photos.put("a/broken.jpg", b"no image", "image/jpeg")
    status, report, said = full.run("reconcile")
    assert (status, report["results"]) == (0, {"indexed": COUNT, "rejected": 1})
    assert (report["listed"], report["same"]) == (COUNT + 1, 0)
    assert report["causes"] == {"new": COUNT + 1}
    assert sum(report["rejected"].values()) == 1
    assert (report["shard"], report["dry_run"], report["cost_usd"]) == ("0/1", False, None)
    assert report["seconds"] > 0
    lines = said.splitlines()
    assert lines[0] == f"reconcile: 0 of {COUNT + 1}"
    assert any(line.startswith(f"reconcile: {COUNT + 1} of {COUNT + 1}, ") for line in lines)
    assert f"compared {COUNT + 1} objects with the index: 0 the same, {COUNT + 1} new" in lines
    assert f"{COUNT} indexed, 1 rejected (" in said
    assert lines[-1].startswith("took ")
    again = full.run("reconcile")[1]
    assert (again["total"], again["same"]) == (0, COUNT + 1)


def test_another_models_index_is_filled_beside_the_one_in_use(
    full: Place, tiny: Path, other: Path
) -> None:
    full.run("reconcile")
    before = (Path(full.settings.index_folder) / f"{name_of(tiny)}.sqlite").read_bytes()
    status, report, _ = full.run("reconcile", "--model", other)
    assert (status, report["results"]) == (0, {"indexed": COUNT})
    assert wiring.shelf_of(full.settings).names() == sorted([name_of(tiny), name_of(other)])
    after = (Path(full.settings.index_folder) / f"{name_of(tiny)}.sqlite").read_bytes()
    assert after == before
    assert full.folders() == {fingerprint_in(name_of(m)): COUNT for m in (tiny, other)}
    assert full.run("reconcile", "--model", other)[1]["total"] == 0


def test_keys_that_fail_make_the_job_fail(full: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object, **__: object) -> None:
        raise StorageUnavailable("S3 answered SlowDown.")

    monkeypatch.setattr(S3Bucket, "put", unavailable)
    status, report, _ = full.run("reconcile")
    assert (status, report["results"]) == (1, {"failed": COUNT})


def test_a_store_that_does_not_answer_ends_it_with_a_sentence(full: Place) -> None:
    full.s3.delete_bucket(Bucket=full.settings.thumbnails_bucket)
    status, answer, said = full.run("reconcile")
    assert (status, answer) == (1, None)
    assert said.splitlines()[-1].startswith("error: S3 answered NoSuchBucket")


def test_services_can_be_built_around_an_index_that_is_there(place: Place) -> None:
    index = MemoryIndex(dim=tiny_clip.DIM)
    services = wiring.build(place.settings, index=index)
    assert services.index is index
    assert wiring.shelf_of(place.settings).names() == []
    services.close()


# --- compare ----------------------------------------------------------------------------------


def test_two_models_are_compared_in_figures_and_in_words(
    full: Place, tiny: Path, other: Path, tmp_path: Path
) -> None:
    for colour in tiny_clip.COLOURS:
        full.photos.put(f"plain/{colour}.jpg", plain(colour), "image/jpeg")
    full.run("reconcile")
    full.run("reconcile", "--model", other)
    full.photos.delete("a/0.jpg")
    full.run("reconcile", "--model", other)
    queries = tmp_path / "queries.txt"
    queries.write_text("red\n\n  green \nred\nblau & weiß\n", encoding="utf-8")
    status, answer, said = full.run("compare", tiny, other, "--queries", queries, "--sample", "5")
    assert status == 0
    assert (answer["old"], answer["new"]) == (name_of(tiny), name_of(other))
    total = COUNT + len(tiny_clip.COLOURS)
    assert answer["coverage"] == {
        "ready_in_old": total,
        "ready_in_new": total - 1,
        "in_both": total - 1,
        "only_in_old": 1,
        "only_in_new": 0,
        "rejected_in_new": 0,
        "rejected_in_new_keys": [],
    }
    assert answer["overlap_by_words"]["queries"] == 3
    assert answer["overlap_by_images"]["queries"] == 5
    for kind in ("overlap_by_words", "overlap_by_images"):
        assert 0 < answer[kind]["mean"] <= 1
    assert f"of {total} images ready in the old index {total - 1} are ready" in said
    assert said.splitlines()[0] == "compare: 0 of 8"


def test_without_a_file_fifty_everyday_words_are_asked(
    full: Place, tiny: Path, other: Path
) -> None:
    for model in (tiny, other):
        full.run("reconcile", "--model", model)
    answer = full.run("compare", tiny, other, "--sample", "0")[1]
    assert answer["overlap_by_words"]["queries"] == 50
    assert answer["overlap_by_images"] == {"mean": None, "queries": 0}


def test_what_cannot_be_compared_is_said_in_one_sentence(
    full: Place, tiny: Path, other: Path, tmp_path: Path
) -> None:
    said = full.refused("compare", tiny, other)
    assert str(tiny) in said
    assert "reconcile --model" in said
    for model in (tiny, other):
        full.run("reconcile", "--model", model)
    assert "the same model" in full.refused("compare", tiny, tiny)
    assert "nowhere" in full.refused("compare", tiny, tmp_path / "nowhere")
    gone, empty, binary = (tmp_path / name for name in ("gone.txt", "empty.txt", "binary.txt"))
    empty.write_text(" \n\n")
    binary.write_bytes(b"\xff\xfe\x00")
    for file, word in ((gone, "cannot be read"), (empty, "no queries"), (binary, "cannot be read")):
        assert word in full.refused("compare", tiny, other, "--queries", file)


# --- indexes ----------------------------------------------------------------------------------


def test_the_indexes_are_listed_with_the_one_in_use(full: Place, tiny: Path, other: Path) -> None:
    assert full.run("list-indexes")[1] == {"indexes": []}
    for model in (tiny, other):
        full.run("reconcile", "--model", model)
    status, answer, _ = full.run("list-indexes")
    assert status == 0
    assert {row["name"]: (row["in_use"], row["last_used"]) for row in answer["indexes"]} == {
        name_of(tiny): (True, None),
        name_of(other): (False, None),
    }


def test_an_index_not_in_use_is_dropped_with_its_thumbnails(
    full: Place, tiny: Path, other: Path
) -> None:
    for model in (tiny, other):
        full.run("reconcile", "--model", model)
    assert "is the one in use" in full.refused("drop-index", name_of(tiny))
    assert "is the one in use" in full.refused("drop-index", name_of(tiny), "--anyway")
    assert name_of(other) in full.refused("drop-index", "images-nothing")
    status, answer, _ = full.run("drop-index", name_of(other))
    assert (status, answer) == (0, {"dropped": name_of(other), "thumbnails": COUNT})
    assert wiring.shelf_of(full.settings).names() == [name_of(tiny)]
    assert full.folders() == {fingerprint_in(name_of(tiny)): COUNT}
    assert full.run("reconcile")[1]["total"] == 0


def test_an_index_that_a_process_has_open_is_dropped_only_anyway(full: Place, other: Path) -> None:
    full.run("reconcile", "--model", other)
    clip = load_clip(other)
    index = wiring.index_of(full.settings, clip)
    assert "less than a day ago" in full.refused("drop-index", name_of(other))
    assert full.run("drop-index", name_of(other), "--anyway")[0] == 0
    index.close()


# --- what goes wrong --------------------------------------------------------------------------


def test_a_model_folder_that_is_none_ends_every_command_with_a_sentence(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nowhere" in place.refused("reconcile", "--model", tmp_path / "nowhere")
    monkeypatch.setenv("IMAGES_MODEL_FOLDER", "")
    for command in (["reconcile"], ["list-indexes"], ["drop-index", "images-x"]):
        assert "IMAGES_MODEL_FOLDER" in place.refused(*command)


def test_settings_that_are_missing_end_it_with_a_sentence(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMAGES_BUCKET")
    assert "IMAGES_BUCKET" in place.refused("reconcile")


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["compare", "a"], ["compare", "a", "b", "--sample", "-1"]]
)
def test_wrong_arguments_are_explained(arguments: list[str], place: Place) -> None:
    with pytest.raises(SystemExit) as caught:
        batch_job.main(arguments)
    assert caught.value.code == 2
    assert "usage: " in place.capsys.readouterr().err


def test_an_interrupted_job_says_that_it_can_go_on(
    full: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[wiring.Services] = []
    monkeypatch.setattr(wiring.Services, "close", lambda services: closed.append(services))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reconciling, "run", interrupted)
    status, answer, said = full.run("reconcile")
    assert (status, answer) == (130, None)
    assert "again goes on" in said
    assert len(closed) == 1


# --- progress ---------------------------------------------------------------------------------


def test_progress_gives_rate_and_time_left_and_is_told_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    progress = Progress("reconcile")
    for done in range(0, 1001, 10):
        progress(done, 1000)
        now += 0.5
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "reconcile: 0 of 1000"
    assert lines[1] == "reconcile: 40 of 1000, 20.0 a second, 48 s left"
    assert lines[-1] == "reconcile: 1000 of 1000, 20.0 a second"
    assert len(lines) == 26


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [(0.2, "0 s"), (89, "89 s"), (600, "10 min"), (5399, "90 min"), (9000, "2.5 h")],
)
def test_the_time_left_is_said_in_a_unit_that_fits(seconds: float, spoken: str) -> None:
    assert telling.spoken(seconds) == spoken
