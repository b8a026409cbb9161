"""One trace through two functions as Lambda runs them: the API, and the embedder that the queue
feeds with what it put."""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path

from tests.integration import runtime_api
from tests.integration.aws_server import aws_server
from tests.integration.local_stack import BUCKET, THUMBNAILS, environment
from tests.integration.pictures import jpeg
from tests.integration.runtime_api import Answer
from tests.unit.lambda_side import gateway_event
from tests.unit.xray_daemon import daemon

RUNTIME = (sys.executable, "-m", "awslambdaric")


def test_the_embedder_s_process_writes_into_the_trace_of_the_api_s(
    tiny: Path, tmp_path: Path
) -> None:
    now = f"{int(time.time()):08x}"
    api_s, embedder_s = (f"1-{now}-{letter * 24}" for letter in "ab")
    with aws_server() as aws, daemon() as xray:
        settings = environment(
            IMAGES_BUCKET=BUCKET,
            IMAGES_THUMBNAILS_BUCKET=THUMBNAILS,
            IMAGES_ENDPOINT=aws.url,
            IMAGES_INDEX_FOLDER=str(tmp_path / "index"),
            IMAGES_MODEL_FOLDER=str(tiny),
            IMAGES_AUTH="iam",
            AWS_XRAY_DAEMON_ADDRESS=xray.address,
        )
        picture = {"file": base64.b64encode(jpeg(1)).decode(), "name": "x.jpg"}
        with runtime_api.function((*RUNTIME, "app.app"), settings) as api:
            api.trace = f"Root={api_s};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0"
            uploaded = body_of(api.invoke(gateway_event("POST", "/images", picture)))
        command = (*RUNTIME, "container_embedder.handler.handler")
        with runtime_api.function(command, settings) as embedder:
            embedder.trace = f"Root={embedder_s};Parent=0123456789abcdef;Sampled=1"
            answer = embedder.invoke({"Records": aws.messages()})
        assert answer == Answer("response", {"batchItemFailures": []})
        upload, image = xray.documents()
    assert (upload["name"], upload["trace_id"], upload["parent_id"]) == (
        "upload",
        api_s,
        "53995c3f42cd8ad8",
    )
    assert (image["name"], image["trace_id"], image["parent_id"]) == (
        "embedder",
        api_s,
        upload["id"],
    )
    assert image["annotations"]["image_id"] == uploaded["id"]
    assert image["annotations"]["result"] == "indexed"
    assert upload["end_time"] <= image["start_time"]


def body_of(answer: Answer) -> dict[str, str]:
    assert (answer.kind, answer.body["statusCode"]) == ("response", 201), answer
    found: dict[str, str] = json.loads(answer.body["body"])
    return found
