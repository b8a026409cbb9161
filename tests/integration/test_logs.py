"""What the stack writes down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from local.stack import LONGEST_LOG
from tests.integration.local_stack import run_local, running
from tests.integration.pictures import folder_of


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_search_is_one_record_with_its_words_and_nothing_of_the_picture(
    tiny: Path, tmp_path: Path
) -> None:
    photos = folder_of(tmp_path / "photos", 2)
    with running(tmp_path / "data", tiny, "--photos", photos) as stack:
        # The worker writes its line after the record, and is not waited for at the end.
        stack.loaded().at_rest()
        stack.found("a red thing")
    (said,) = [x for x in lines(tmp_path / "data/logs/api.log") if x["message"] == "search"]
    assert (said["words"], said["by"], said["count"], said["owner"]) == (
        "a red thing",
        "text",
        2,
        "",
    )
    assert set(said["timings_ms"]) == {"embed", "index", "total"}
    images = [x for x in lines(tmp_path / "data/logs/worker.log") if x.get("message") == "image"]
    assert [x["result"] for x in images] == ["indexed", "indexed"]


def test_the_query_log_can_be_turned_off(tiny: Path, tmp_path: Path) -> None:
    done = run_local(tmp_path / "data", tiny, "--once", "a secret", "--no-query-log")
    assert done.returncode == 0, done.stderr
    for log in (tmp_path / "data" / "logs").iterdir():
        assert "secret" not in log.read_text()


def test_a_log_that_grew_too_long_is_put_aside_at_the_next_start(
    tiny: Path, tmp_path: Path
) -> None:
    logs = tmp_path / "data" / "logs"
    logs.mkdir(parents=True)
    (logs / "api.log").write_bytes(b"x" * (LONGEST_LOG + 1))
    (logs / "s3.log").write_bytes(b"short")
    done = run_local(tmp_path / "data", tiny, "--once", "anything")
    assert done.returncode == 0, done.stderr
    assert (logs / "api.log.1").stat().st_size == LONGEST_LOG + 1
    assert (logs / "api.log").stat().st_size < 10_000
    assert (logs / "s3.log").read_bytes() == b"short"
