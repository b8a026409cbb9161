"""The API zip: what Chalice packages, with what requirements.txt pins, must be enough."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import chalice
import pytest
from chalice.deploy.packager import LambdaDeploymentPackager
from chalice.utils import UI, OSUtils

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / ".cache" / "api-zip"
"""requirements.txt installed, and nothing else; `make test` makes it."""

HEAVY = ("jwt", "cryptography", "numpy", "PIL", "pi_heif", "onnxruntime", "tokenizers", "onnx")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip's files as Lambda unpacks them: picked by Chalice's own code, ours beside them."""
    assert (ROOT / ".cache" / "api-zip.done").exists(), "run `make .cache/api-zip.done`"
    target = tmp_path_factory.mktemp("lambda")
    # It is asked for our files only; the packages are there already.
    packager = LambdaDeploymentPackager(OSUtils(), None, UI())  # type: ignore[arg-type]
    archive = target / "app.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        packager._add_app_files(zipped, str(ROOT))
        packager._add_vendor_files(zipped, str(ROOT / "vendor"))
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(target / "task")
    return target / "task"


def run(package: Path, script: str) -> Any:
    """What `script` prints as JSON, in a Python that sees the package and nothing else."""
    start = f"import sys; sys.path[1:1] = [{str(package)!r}, {str(PACKAGES)!r}]; "
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + script],
        capture_output=True,
        text=True,
        cwd=package,
        env={"PATH": "/usr/bin:/bin", "AWS_DEFAULT_REGION": "eu-central-1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


LOADED = f"""
import json
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps({{"heavy": heavy, "from": sorted({{
    module.__file__ for module in list(sys.modules.values())
    if getattr(module, "__file__", None) and "site-packages" in module.__file__
}})}}))
"""


@pytest.mark.parametrize("module", ["app", "chalicelib.wiring", "chalicelib.index.opensearch"])
def test_the_package_imports_and_loads_nothing_heavy(package: Path, module: str) -> None:
    loaded = run(package, f"import {module}\n{LOADED}")
    assert loaded == {"heavy": [], "from": []}


def test_tokens_are_checked_with_what_the_package_holds(package: Path) -> None:
    """jwt and cryptography, which nothing loads before a token comes."""
    loaded = run(package, f"import chalicelib.tokens, chalicelib.cookies\n{LOADED}")
    assert loaded == {"heavy": ["jwt", "cryptography"], "from": []}


def test_every_route_is_there(package: Path) -> None:
    routes = run(
        package,
        "import app, json; print(json.dumps({k: sorted(v) for k, v in app.app.routes.items()}))",
    )
    assert routes == {
        "/uploads": ["OPTIONS", "POST"],
        "/images": ["GET", "OPTIONS", "POST"],
        "/images/{id}": ["DELETE", "GET", "OPTIONS"],
        "/images/{id}/file": ["GET", "OPTIONS"],
        "/images/{id}/thumbnail": ["GET", "OPTIONS"],
        "/images/{id}/copies": ["GET", "OPTIONS"],
        "/search": ["GET", "OPTIONS", "POST"],
        "/stats": ["GET", "OPTIONS"],
        "/session": ["DELETE", "GET", "OPTIONS", "POST"],
        "/dead-letters": ["GET", "OPTIONS"],
        "/dead-letters/redrive": ["OPTIONS", "POST"],
        "/dead-letters/discard": ["OPTIONS", "POST"],
        "/health": ["GET", "OPTIONS"],
        "/openapi.json": ["GET", "OPTIONS"],
    }


def test_a_request_is_answered_without_what_only_the_container_has(package: Path) -> None:
    """A method that no route takes needs no service: API Gateway's event in, our error out."""
    event = {
        "requestContext": {
            "httpMethod": "PUT",
            "resourcePath": "/search",
            "path": "/prod/search",
            "requestId": "r-1",
            "identity": {},
        },
        "headers": {"host": "api.example.com"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
    }
    script = (
        f"import app, json; print(json.dumps(app.app(json.loads({json.dumps(event)!r}), None)))"
    )
    answer = run(package, script)
    assert answer["statusCode"] == 405
    assert json.loads(answer["body"])["error"]["request_id"] == "r-1"


def test_chalice_packages_its_runtime_the_app_and_our_library_only(package: Path) -> None:
    with zipfile.ZipFile(package.parent / "app.zip") as zipped:
        names = zipped.namelist()
    assert {name.split("/")[0] for name in names} == {"app.py", "chalice", "chalicelib"}
    assert [name for name in names if name.startswith("chalice/")] == [
        "chalice/app.py",
        "chalice/__init__.py",
    ]
    runtime = (package / "chalice" / "__init__.py").read_text()
    assert runtime == Path(inspect.getfile(chalice)).read_text()


def test_the_packages_are_light_enough_for_a_zip() -> None:
    """Lambda takes 250 MB unpacked."""
    size = sum(path.stat().st_size for path in PACKAGES.rglob("*") if path.is_file())
    assert size < 100 * 1024**2
    container_only = set(HEAVY) - {"jwt", "cryptography"}
    assert [name for name in container_only if (PACKAGES / name).exists()] == []
