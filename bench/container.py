"""The images' size, and what the first answer of a function costs: `python -m bench.container`.

The Dockerfile's steps are performed as the tests perform them (on the Python that runs this), with
the starter model in its deploy form. A function's process is started beside a Runtime API with its
event waiting, over moto's S3 and SQS and the embedded index in OpenSearch's place; processor time
and memory (PSS) include the decoders'. Where other work runs, only processor time means something.
What AWS needs to bring image and machine is not in it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.crops import crops
from bench.processor_time import TICK, family
from infra.context import FUNCTION, stage
from infra.models import deployed_model
from local.samples import sample_photos
from models.cache import cache_folder
from tests.integration.aws_server import Aws, aws_server, s3_event, sqs_record
from tests.integration.image_steps import Ground, Image, build, python_base
from tests.integration.local_stack import BUCKET, THUMBNAILS
from tests.integration.runtime_api import RuntimeApi, function

MB = 10**6


class Seen(NamedTuple):
    """Of one start: seconds to the first answer on the clock and of processors, MB at the most."""

    clock: float
    processor: float
    memory: float


def image_of(model: Path, place: Path, wheels: Path) -> Image:
    stage(place / "context", model)
    ground = Ground(place / "context", wheels, python_base(place / "python"))
    file = place / "context" / FUNCTION.dockerfile
    return build(file, FUNCTION.target, ground, place / "image", {"REQUIREMENTS": FUNCTION.lock})


def sizes(image: Image) -> dict[str, float]:
    """MB of each part that the image adds to its base."""
    parts = {
        "packages": [image.root / "opt" / "packages"],
        "model": [image.workdir / "model"],
        "code": [image.workdir / name for name in ("app.py", "chalicelib", "container_embedder")],
    }
    return {name: sum(map(_bytes, places)) / MB for name, places in parts.items()}


def _bytes(place: Path) -> int:
    files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    return sum(path.stat().st_size for path in files)


def first_answer(
    image: Image, settings: dict[str, str], command: str, event: dict[str, Any]
) -> Seen:
    line = image.run(*([command] if command else []))
    began = time.perf_counter()
    with function(line, image.environment(settings), cwd=image.workdir) as api, _peak(api) as peak:
        answer = api.invoke(event)
        clock = time.perf_counter() - began
        if answer.kind != "response" or answer.body.get("batchItemFailures"):
            raise SystemExit(f"{command or 'embedder'} answered {answer}")
        return Seen(clock, _processor(api.pid), peak())


@contextmanager
def _peak(api: RuntimeApi) -> Iterator[Callable[[], float]]:
    """MB of the function's processes together at the most, looked at fifty times a second."""
    seen, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            seen[0] = max(seen[0], sum(map(_pss, family(api.pid))))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: seen[0]
    finally:
        over.set()
        thread.join()


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    kib = next((line.split()[1] for line in lines if line.startswith("Pss:")), "0")
    return int(kib) * 1024 / MB


def _processor(pid: int) -> float:
    stats = [Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split() for p in family(pid)]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICK


def search_event() -> dict[str, Any]:
    return {
        "requestContext": {
            "httpMethod": "GET",
            "resourcePath": "/search",
            "path": "/api/search",
            "requestId": "r-1",
            "identity": {"userArn": "arn:aws:iam::123456789012:user/bench"},
        },
        "headers": {"host": "api.example.com"},
        "multiValueQueryStringParameters": {"q": ["a cup of coffee"]},
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
    }


def settings_of(aws: Aws, index: Path) -> dict[str, str]:
    return {
        "AWS_DEFAULT_REGION": "us-east-1",
        "IMAGES_BUCKET": BUCKET,
        "IMAGES_THUMBNAILS_BUCKET": THUMBNAILS,
        "IMAGES_QUEUE_URL": aws.queue,
        "IMAGES_ENDPOINT": aws.url,
        "IMAGES_INDEX": "embedded",
        "IMAGES_INDEX_FOLDER": str(index),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.container", description=__doc__)
    parser.add_argument("--model", default="starter", help="as in deploy.toml (starter)")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    cache = cache_folder()
    place = Path(tempfile.mkdtemp(prefix="container-"))
    try:
        image = image_of(deployed_model(given.model), place, cache / "wheelhouse")
        for name, size in sizes(image).items():
            print(f"{name:>9} {size:6.0f} MB")
        with aws_server() as aws:
            measured(image, aws, place, crops(sample_photos(cache), given.rounds))
    finally:
        shutil.rmtree(place)


def measured(image: Image, aws: Aws, place: Path, files: list[bytes]) -> None:
    """The functions in turn, so that what else the machine does meets both."""
    settings = settings_of(aws, place / "index")
    seen: dict[str, list[Seen]] = {"embedder": [], "search": []}
    for number, file in enumerate(files):
        key = f"{number}.jpg"
        aws.s3.put_object(Bucket=BUCKET, Key=key, Body=file)
        event = {"Records": [sqs_record("m", s3_event(key))]}
        seen["embedder"].append(first_answer(image, settings, "", event))
        seen["search"].append(first_answer(image, settings, "app.app", search_event()))
    for name, starts in seen.items():
        clock, processor, memory = (statistics.median(part) for part in zip(*starts, strict=True))
        print(
            f"{name:>9} first answer after {clock:.2f} s, of processors {processor:.2f} s; "
            f"{memory:.0f} MB at the most"
        )


if __name__ == "__main__":
    main()
