"""The rule of order on the running stack: whatever happens, the index ends as the bucket is."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.local_stack import BUCKET, LocalStack, running, s3_client
from tests.integration.pictures import jpeg
from tests.integration.processes import eventually

THREADS, STEPS, KEYS = 4, 90, 12


@pytest.fixture
def small_stack(tiny: Path, tmp_path: Path) -> Iterator[LocalStack]:
    with running(tmp_path / "data", tiny) as stack:
        yield stack


def meddle(url: str, seed: int, failed: list[Exception]) -> None:
    """Put, overwrite, copy and delete the same few keys as others do."""
    chance, s3 = random.Random(seed), s3_client(url)
    try:
        for step in range(STEPS):
            key = f"contested/{chance.randrange(KEYS)}.jpg"
            deed = chance.random()
            if deed < 0.55:
                broken = chance.random() < 0.15
                data = b"no image " + str(step).encode() if broken else jpeg(seed * 1000 + step)
                s3.put_object(Bucket=BUCKET, Key=key, Body=data)
            elif deed < 0.9:
                s3.delete_object(Bucket=BUCKET, Key=key)
            else:
                s3.put_object(Bucket=BUCKET, Key=f"source/{seed}.jpg", Body=jpeg(seed))
                source = {"Bucket": BUCKET, "Key": f"source/{seed}.jpg"}
                s3.copy_object(Bucket=BUCKET, Key=key, CopySource=source)
    except Exception as error:
        failed.append(error)


def test_after_a_storm_of_changes_the_index_says_exactly_what_the_bucket_says(
    small_stack: LocalStack, tiny: Path
) -> None:
    failed: list[Exception] = []
    threads = [
        threading.Thread(target=meddle, args=(small_stack.s3_url, seed, failed))
        for seed in range(1, THREADS + 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    small_stack.at_rest()
    assert small_stack.differences() == {}
    assert len(small_stack.objects()) > THREADS
    assert small_stack.get("/stats")["dead_letters"] == {"waiting": 0}
    before = small_stack.objects()
    # Nor is there anything to repair, and what is on disk is what was in memory.
    small_stack.interrupt()
    with running(small_stack.data, tiny) as again:
        assert again.objects() == before
        eventually(again.reports, lambda reports: len(reports) == 2)
        assert again.reports()[-1]["total"] == 0
        assert again.differences() == {}


def test_of_many_writers_to_one_key_the_last_is_what_is_found(small_stack: LocalStack) -> None:
    small_stack.put("one/key.jpg", jpeg(0))
    clients = [s3_client(small_stack.s3_url) for _ in range(4)]

    def write(number: int) -> None:
        for step in range(15):
            body = jpeg(1 + number * 100 + step)
            clients[number].put_object(Bucket=BUCKET, Key="one/key.jpg", Body=body)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    small_stack.at_rest()
    assert small_stack.differences() == {}
    assert len(small_stack.records()) == 1
