"""What an image and a search take of what AWS charges for: `python -m bench.cost_measures`.

The embedder's handler, in a process of its own over the one-machine stack's buckets, gets batches
of ten events as Lambda hands them over; then the API answers searches. Counted are requests as
botocore sends them, bytes of log lines, bytes of thumbnails, and processor time, that of the
decoders with it: unlike seconds on the clock it does not depend on what else the machine does.
Prints JSON; `infra/cost/measured.json` has the figures that are used.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

import boto3

from bench.clip_photos import photos
from bench.crops import crops
from bench.processor_time import TICK, family
from chalicelib import wiring
from chalicelib.config import Settings
from infra.models import deployed_model
from local.samples import sample_photos
from local.stack import PHOTOS, Stack
from models.cache import cache_folder

BATCH = 10
WARM_UP = 1
"""Batches before the count begins."""

WORDS = ("a dog on a beach", "coffee", "mountains in the snow", "a red bicycle", "people dancing")


def processor_seconds() -> float:
    """Of this process and its children, so far."""
    spent = 0
    for pid in family(os.getpid()):
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent += int(stat[11]) + int(stat[12])
    return spent / TICK


def counted() -> Counter[str]:
    """Operations that clients made from now on send, by name."""
    sent: Counter[str] = Counter()

    def named(event_name: str, **_: Any) -> None:
        sent[event_name.removeprefix("before-call.")] += 1

    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION
    boto3.DEFAULT_SESSION.events.register("before-call", named)
    return sent


def handle(batches: list[list[str]]) -> dict[str, Any]:
    """Each batch of keys through the handler; log lines go to stdout."""
    from container_embedder.handler import handler

    sent = counted()
    for number, keys in enumerate(batches):
        if number == WARM_UP:
            sent.clear()
            print("COUNTED FROM HERE", flush=True)
            before = processor_seconds()
        records = [
            {
                "messageId": f"{number}-{n}",
                "body": json.dumps(
                    {"Records": [{"s3": {"bucket": {"name": PHOTOS}, "object": {"key": key}}}]}
                ),
            }
            for n, key in enumerate(keys)
        ]
        if handler({"Records": records}, None)["batchItemFailures"]:
            raise SystemExit("some were not indexed")
    return {"seconds": processor_seconds() - before, "requests": dict(sent)}


def search(rounds: int) -> dict[str, Any]:
    """Searches through the whole API; log lines go to stdout."""
    from chalice.config import Config
    from chalice.local import LocalGateway

    from app import app

    gateway = LocalGateway(app, Config())
    size = 0
    for number in range(rounds + 1):
        if number == 1:
            print("COUNTED FROM HERE", flush=True)
            before, size = processor_seconds(), 0
        body = json.dumps({"text": WORDS[number % len(WORDS)], "limit": 20}).encode()
        headers = {"Content-Type": "application/json", "Host": "127.0.0.1"}
        answer = gateway.handle_request("POST", "/search", headers, body)
        if answer["statusCode"] != 200:
            raise SystemExit(f"the search failed: {answer['body']}")
        size += len(answer["body"])
    return {"seconds": processor_seconds() - before, "answer_bytes": size / rounds}


def child(*arguments: str) -> tuple[dict[str, Any], int, set[tuple[str, ...]]]:
    """(what it returned, bytes of its log since the warm-up, the metrics in that)."""
    with tempfile.NamedTemporaryFile() as answer:
        done = subprocess.run(
            [sys.executable, "-m", "bench.cost_measures", "--child", answer.name, *arguments],
            stdout=subprocess.PIPE,
            check=True,
        )
        told = json.loads(Path(answer.name).read_text())
    log = done.stdout.decode().partition("COUNTED FROM HERE\n")[2]
    return told, len(log.encode()), metrics_in(log)


def metrics_in(log: str) -> set[tuple[str, ...]]:
    """Each metric with the values of its dimensions, as CloudWatch charges them."""
    found = set()
    for line in log.splitlines():
        try:
            told = json.loads(line)
        except json.JSONDecodeError:
            continue
        for part in told.get("_aws", {}).get("CloudWatchMetrics", ()):
            for dimensions in part["Dimensions"]:
                values = [f"{name}={told[name]}" for name in dimensions]
                found |= {
                    (part["Namespace"], metric["Name"], *values) for metric in part["Metrics"]
                }
    return found


def images(name: str, files: list[bytes]) -> dict[str, Any]:
    services = wiring.build(Settings.load())
    keys = [f"{name}/{number}.jpg" for number in range(len(files))]
    for key, data in zip(keys, files, strict=True):
        services.bucket.put(key, data, "image/jpeg")
    batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    told, log, metrics = child("handle", json.dumps(batches))
    count = len(keys) - WARM_UP * BATCH
    thumbnails = [found.size for found in services.thumbnails.list()][-count:]
    return {
        "images": count,
        "photo_bytes": round(mean(map(len, files))),
        "thumbnail_bytes": round(mean(thumbnails)),
        "processor_ms": round(told["seconds"] / count * 1000, 1),
        "requests": {what: round(n / count, 2) for what, n in told["requests"].items()},
        "log_bytes": round(log / count),
        "metrics": len(metrics),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--small", type=int, default=210, help="photos of 500 pixels")
    parser.add_argument("--large", type=int, default=60, help="photos of 12 megapixels")
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--model", type=Path, help="instead of the starter model as it is deployed")
    options = parser.parse_args()
    cache = cache_folder()
    model = options.model or deployed_model("starter", cache)
    large = [path.read_bytes() for path in photos(cache)["12 MP"]]
    sets = {
        "500 px": crops(sample_photos(cache), options.small),
        "12 MP": [large[n % len(large)] for n in range(options.large)],
    }
    place = Path(tempfile.mkdtemp())
    stack = Stack(place / "data", model)
    try:
        stack.start()
        stack.wait_repaired(lambda _: None)
        os.kill(stack.worker_pid, signal.SIGSTOP)
        found: dict[str, Any] = {name: images(name, files) for name, files in sets.items()}
        told, log, _ = child("search", str(options.searches))
    finally:
        stack.stop()
        shutil.rmtree(place)
    found["search"] = {
        "processor_ms": round(told["seconds"] / options.searches * 1000, 1),
        "answer_bytes": round(told["answer_bytes"]),
        "log_bytes": round(log / options.searches),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _, _, path, what, argument = sys.argv
        told = handle(json.loads(argument)) if what == "handle" else search(int(argument))
        Path(path).write_text(json.dumps(told))
    else:
        main()
