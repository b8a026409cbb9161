"""The API's zip at work: its packages and nothing else, no model, a real OpenSearch, S3 and SQS."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.records import image_id
from tests.infra.synthesized import assembly
from tests.integration.opensearch_index import DIM, Place, picture, place_on, put
from tests.opensearch_server import Server

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / ".cache" / "api-zip"

ASK = """
import json, sys
sys.path[1:1] = [{task!r}, {packages!r}]
import app
for line in sys.stdin:
    print(json.dumps(app.app(json.loads(line), None)), flush=True)
"""


class Zip:
    """The application in a Python that sees the zip's packages only."""

    def __init__(self, task: Path, settings: dict[str, str]) -> None:
        script = ASK.format(task=str(task), packages=str(PACKAGES))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"PATH": "/usr/bin:/bin", **settings},
        )  # fmt: skip

    def ask(self, method: str, route: str, body: Any = None, **parts: Any) -> tuple[int, Any]:
        query = parts.pop("query", None)
        path = route.format(**parts)
        event = {
            "requestContext": {
                "httpMethod": method,
                "resourcePath": route,
                "path": f"/api{path}",
                "requestId": "r-1",
                "identity": {"userArn": "arn:aws:iam::123456789012:user/anna"},
            },
            "headers": {"host": "api.example.com", "content-type": "application/json"},
            "multiValueQueryStringParameters": {k: [v] for k, v in (query or {}).items()} or None,
            "pathParameters": parts or None,
            "stageVariables": None,
            "body": json.dumps(body) if body is not None else None,
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        while not (line := self._process.stdout.readline()).startswith('{"headers"'):
            assert line, "it ended"
        answer = json.loads(line)
        return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None

    def close(self) -> None:
        with self._process:
            self._process.kill()


@pytest.fixture(scope="module")
def place(opensearch_node: Server) -> Iterator[Place]:
    with place_on(opensearch_node.url) as place:
        yield place


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The very zip that is deployed, unpacked; its packages lie elsewhere."""
    folder = tmp_path_factory.mktemp("task")
    (archive,) = assembly().glob("asset.*.zip")
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def zipped(task: Path, place: Place, endpoint: str) -> Iterator[Zip]:
    options = {
        "endpoint_url": endpoint, "region_name": "us-east-1",
        "aws_access_key_id": "t", "aws_secret_access_key": "t",
    }  # fmt: skip
    s3, sqs = boto3.client("s3", **options), boto3.client("sqs", **options)
    for bucket in ("photos", "thumbnails"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="photos", Key="trips/1.jpg", Body=b"one")
    s3.put_object(Bucket="thumbnails", Key="t/1.jpg", Body=b"small")
    queues = {
        name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("ingest", "dead-letters")
    }
    sqs.send_message(QueueUrl=queues["dead-letters"], MessageBody="no event")
    name, fingerprint = place.name.removeprefix("images-").split("-")
    index = place.made(model=f"{name}-{fingerprint}")
    known = image_id("photos", "trips/1.jpg")
    put(index, picture(1, id=known, thumbnail_key="t/1.jpg"), picture(2))
    index.refresh()
    zipped = Zip(
        task,
        {
            "IMAGES_BUCKET": "photos",
            "IMAGES_THUMBNAILS_BUCKET": "thumbnails",
            "IMAGES_ENDPOINT": endpoint,
            "IMAGES_QUEUE_URL": queues["ingest"],
            "IMAGES_DEAD_LETTER_QUEUE_URL": queues["dead-letters"],
            "IMAGES_INDEX": "opensearch",
            "IMAGES_OPENSEARCH_URL": place.url,
            "IMAGES_OPENSEARCH_AUTH": "none",
            "IMAGES_MODEL": f"{name}:{fingerprint}:{DIM}",
            "IMAGES_AUTH": "iam",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "t",
            "AWS_SECRET_ACCESS_KEY": "t",
        },
    )
    yield zipped
    zipped.close()


def test_it_lists_counts_uploads_redirects_and_deletes_without_the_model(
    zipped: Zip, place: Place
) -> None:
    status, said = zipped.ask("GET", "/images", query={"copies": "true"})
    assert (status, said["total"]) == (200, 2)
    known = image_id("photos", "trips/1.jpg")
    assert zipped.ask("GET", "/images/{id}", id=known)[1]["key"] == "trips/1.jpg"
    assert zipped.ask("GET", "/images/{id}/file", id=known)[0] == 302
    assert zipped.ask("GET", "/images/{id}/thumbnail", id=known)[0] == 302
    assert zipped.ask("GET", "/images/{id}/copies", id=known)[0] == 200
    status, said = zipped.ask("GET", "/stats")
    assert said["images"]["ready"] == 2
    assert said["model"]["fingerprint"] == place.name.rpartition("-")[2]
    assert said["dead_letters"] == {"waiting": 1}
    status, said = zipped.ask("GET", "/health")
    assert (status, said["status"]) == (200, "ok")
    file = {"name": "a.jpg", "type": "image/jpeg", "size": 3}
    status, said = zipped.ask("POST", "/uploads", {"files": [file]})
    assert (status, len(said["uploads"])) == (201, 1)
    assert zipped.ask("POST", "/images", {"file": "aGVsbG8="})[0] == 201
    assert zipped.ask("GET", "/dead-letters")[1]["total"] == 1
    assert zipped.ask("DELETE", "/images/{id}", id=known)[0] == 200
    assert zipped.ask("GET", "/images/{id}", id=known)[0] == 404


def test_a_search_that_reaches_it_says_where_searches_belong(zipped: Zip) -> None:
    status, said = zipped.ask("GET", "/search", query={"q": "a cat"})
    assert status == 500
    assert "IMAGES_MODEL_FOLDER" in said["error"]["message"]
    assert said["error"]["code"] == "configuration"
