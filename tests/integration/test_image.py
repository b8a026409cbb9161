"""The images by their Dockerfiles' own steps, and what runs in them as Lambda and Batch run it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from infra.context import BATCH, FUNCTION, GPU, stage
from infra.context import Image as Kind
from tests.integration.aws_server import Aws, aws_server, s3_event, sqs_record
from tests.integration.image_steps import Ground, Image, build, python_base
from tests.integration.local_stack import BUCKET, THUMBNAILS
from tests.integration.runtime_api import Answer, RuntimeApi, function

pytestmark = [pytest.mark.xdist_group("image"), pytest.mark.model]

ROOT = Path(__file__).parents[2]
WHEELS = ROOT / ".cache" / "wheelhouse"
"""What requirements-batch.txt locks; `make test` fetches it."""

ALL = """
import importlib, pkgutil, app, container_embedder, chalicelib
for package in (chalicelib, container_embedder):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
import awslambdaric, jwt, onnxruntime, pi_heif, PIL.Image, rawpy, tokenizers
"""

SEEN = """
import importlib.util, json, sys
import app, chalicelib, container_embedder, numpy, onnxruntime
print(json.dumps({
    "path": sys.path,
    "files": [m.__file__ for m in (app, chalicelib, container_embedder, numpy, onnxruntime)],
    "others": [name for name in ("moto", "pytest", "onnx", "local", "models", "infra", "tests")
               if importlib.util.find_spec(name)],
}))
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder under no checkout; short, since the paths in it become those of the images."""
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def context(place: Path, starter: Path) -> Path:
    stage(place / "context", starter)
    return place / "context"


@pytest.fixture(scope="module")
def images(place: Path, context: Path) -> dict[str, Image]:
    """Each image from its own Dockerfile and lock; the GPU's with the lock of Batch, whose wheels
    are 3 GB lighter and else the same."""
    assert (WHEELS / "done").exists(), "run `make .cache/wheelhouse/done`"
    ground = Ground(context, WHEELS, python_base(place / "python"))

    def made(kind: Kind, lock: str) -> Image:
        arguments = {"REQUIREMENTS": lock}
        return build(context / kind.dockerfile, kind.target, ground, place / kind.name, arguments)

    return {
        "function": made(FUNCTION, FUNCTION.lock),
        "batch": made(BATCH, BATCH.lock),
        "gpu": made(GPU, BATCH.lock),
    }


@pytest.fixture(params=["function", "batch", "gpu"])
def image(images: dict[str, Image], request: pytest.FixtureRequest) -> Image:
    return images[request.param]


@pytest.fixture
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        yield server


@pytest.fixture
def settings(aws: Aws, tmp_path: Path) -> dict[str, str]:
    """What the stack sets; an index of one machine stands for OpenSearch."""
    return {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "IMAGES_BUCKET": BUCKET,
        "IMAGES_THUMBNAILS_BUCKET": THUMBNAILS,
        "IMAGES_QUEUE_URL": aws.queue,
        "IMAGES_ENDPOINT": aws.url,
        "IMAGES_INDEX": "embedded",
        "IMAGES_INDEX_FOLDER": str(tmp_path / "index"),
        "TMPDIR": str(tmp_path),
    }


@contextmanager
def started(image: Image, settings: dict[str, str], *command: str) -> Iterator[RuntimeApi]:
    line = image.run(*command)
    with function(line, image.environment(settings), cwd=image.workdir) as api:
        yield api


def job(image: Image, settings: dict[str, str], *command: str) -> dict[str, Any]:
    """What a job of the image answers on stdout."""
    done = subprocess.run(
        image.run(*command), cwd=image.workdir, env=image.environment(settings),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def search_event(words: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""
    return {
        "requestContext": {
            "httpMethod": "GET",
            "resourcePath": "/search",
            "path": "/api/search",
            "requestId": "r-1",
            "identity": {"userArn": "arn:aws:iam::123456789012:user/ann"},
        },
        "headers": {"host": "api.example.com"},
        "multiValueQueryStringParameters": {"q": [words]},
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
    }


def failures(answer: Answer) -> list[str]:
    assert answer.kind == "response", answer
    return [item["itemIdentifier"] for item in answer.body["batchItemFailures"]]


def found(answer: Answer) -> list[str]:
    assert answer.kind == "response", answer
    assert answer.body["statusCode"] == 200, answer.body
    return [item["name"] for item in json.loads(answer.body["body"])["items"]]


def test_an_image_sees_its_own_packages_and_nothing_of_what_made_it(image: Image) -> None:
    seen = json.loads(image.script(SEEN))
    assert seen["others"] == []
    assert all(Path(file).is_relative_to(image.root) for file in seen["files"])
    assert not [path for path in seen["path"] if path.startswith(str(ROOT))]


def test_every_room_can_be_imported_in_an_image(image: Image) -> None:
    image.script(ALL)


def test_an_image_is_not_root_and_everyone_may_read_what_is_in_it(image: Image) -> None:
    assert image.user.partition(":")[0] not in ("root", "0", "")
    for path in image.root.rglob("*"):
        mode = path.stat().st_mode
        assert mode & 0o004, path
        assert mode & 0o001 or not path.is_dir(), path


def test_an_image_is_compiled_and_holds_no_tests_and_no_cache(image: Image) -> None:
    modules = [path for path in image.root.rglob("*.py") if "/model/" not in str(path)]
    assert modules
    compiled = {path.parent.parent / f"{path.name.split('.')[0]}.py"
                for path in image.root.rglob("*.pyc")}  # fmt: skip
    assert {path for path in modules if path not in compiled} == set()
    assert not [path for path in image.root.rglob("*") if path.name in ("tests", ".cache", "pip")]


def test_what_the_queue_tells_of_is_embedded_and_found_by_the_search_function(
    images: dict[str, Image], aws: Aws, settings: dict[str, str], samples: Path
) -> None:
    """One image, two commands: the functions of the stack."""
    image = images["function"]
    photos = ("chelsea-the-cat.png", "coffee.png", "rocket.jpg")
    before = sorted(image.root.rglob("*"))
    for name in photos:
        aws.s3.put_object(Bucket=BUCKET, Key=f"a/{name}", Body=(samples / name).read_bytes())
    aws.s3.put_object(Bucket=BUCKET, Key="a/words.jpg", Body=b"words")
    with started(image, settings) as embedder:
        assert failures(embedder.invoke({"Records": aws.messages()})) == []
    with started(image, settings, "app.app") as search:
        assert found(search.invoke(search_event("a cup of coffee")))[0] == "coffee.png"
        assert found(search.invoke(search_event("a cat")))[0] == "chelsea-the-cat.png"
    assert sorted(image.root.rglob("*")) == before, "functions cannot write to their image"


def test_the_function_s_image_reads_the_text_in_a_picture(
    images: dict[str, Image], aws: Aws, settings: dict[str, str]
) -> None:
    page = PillowImage.new("RGB", (800, 500), "white")
    font = ImageFont.load_default(36)
    ImageDraw.Draw(page).text((60, 80), "Quarterly invoice\nTotal 1284.50", "black", font=font)
    body = io.BytesIO()
    page.save(body, "PNG")
    aws.s3.put_object(Bucket=BUCKET, Key="scan.png", Body=body.getvalue())
    with started(images["function"], settings | {"IMAGES_OCR": "true"}) as embedder:
        assert failures(embedder.invoke({"Records": aws.messages()})) == []
    with started(images["function"], settings, "app.app") as search:
        answer = search.invoke(search_event("invoice"))
        assert found(answer) == ["scan.png"]
    (item,) = json.loads(answer.body["body"])["items"]
    assert item["words"] == {"text": ["invoice"]}


def test_of_a_batch_a_bad_event_alone_comes_back(
    images: dict[str, Image], aws: Aws, settings: dict[str, str], samples: Path
) -> None:
    body = (samples / "coffee.png").read_bytes()
    aws.s3.put_object(Bucket=BUCKET, Key="coffee.png", Body=body)
    batch = [sqs_record("good", s3_event("coffee.png")), sqs_record("bad", "this is no event")]
    with started(images["function"], settings) as embedder:
        assert failures(embedder.invoke({"Records": batch})) == ["bad"]
    with started(images["function"], settings, "app.app") as search:
        assert found(search.invoke(search_event("coffee"))) == ["coffee.png"]


def test_when_the_function_s_time_is_over_its_messages_come_again(
    images: dict[str, Image], aws: Aws, settings: dict[str, str], samples: Path
) -> None:
    body = (samples / "rocket.jpg").read_bytes()
    aws.s3.put_object(Bucket=BUCKET, Key="rocket.jpg", Body=body)
    batch = {"Records": [sqs_record("late", s3_event("rocket.jpg"))]}
    with started(images["function"], settings) as embedder:
        assert failures(embedder.invoke(batch, seconds=0)) == ["late"]
        assert failures(embedder.invoke(batch)) == []


@pytest.mark.parametrize("kind", ["batch", "gpu"])
def test_a_job_says_its_options_and_reconciles_a_bucket(
    kind: str, images: dict[str, Image], aws: Aws, settings: dict[str, str], samples: Path
) -> None:
    """By default, with nothing said, it reconciles. Machines of tests have no device."""
    image = images[kind]
    more = settings | {"IMAGES_DEVICE": "cpu"}
    said = subprocess.run(
        image.run("reconcile", "--help"), cwd=image.workdir, env=image.environment(more),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "--dry-run" in said
    for name in ("coffee.png", "rocket.jpg"):
        aws.s3.put_object(Bucket=BUCKET, Key=name, Body=(samples / name).read_bytes())
    assert job(image, more)["results"] == {"indexed": 2}
    assert job(image, more)["same"] == 2
    assert len(job(image, more, "list-indexes")["indexes"]) == 1
    with started(images["function"], settings, "app.app") as search:
        assert found(search.invoke(search_event("coffee")))[0] == "coffee.png"


def test_the_gpu_s_job_does_not_begin_without_a_device(
    images: dict[str, Image], settings: dict[str, str]
) -> None:
    """It costs by the hour, and would take days on the processor."""
    image = images["gpu"]
    done = subprocess.run(
        image.run(), cwd=image.workdir, env=image.environment(settings),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "CUDA" in done.stderr


def test_jobs_read_inventories_in_parquet_and_functions_need_not(
    images: dict[str, Image],
) -> None:
    asked = "import importlib.util; print(importlib.util.find_spec('pyarrow') is not None)"
    said = {name: image.script(asked).strip() for name, image in images.items()}
    assert said == {"function": "False", "batch": "True", "gpu": "True"}
