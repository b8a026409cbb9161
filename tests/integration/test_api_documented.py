"""The examples of docs/api.md, run as they stand, one after the other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import app as routes
from tests.integration.local_stack import LocalStack, environment
from tests.integration.pictures import plain

pytestmark = [pytest.mark.xdist_group("contract"), pytest.mark.timeout(600)]

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
BASE = "http://127.0.0.1:8000"

CURL = """
set -euo pipefail
# Until it is there: an image has a record a moment after it was sent.
curl() {
  for _ in $(seq 1000); do
    if command curl -sS --fail-with-body "$@" > .answer; then cat .answer; return; fi
    sleep 0.2
  done
  cat .answer >&2
  return 1
}
"""

STRICT = """
import requests

def checked(answer, *_, **__):
    answer.raise_for_status()

plain_init = requests.Session.__init__
def init(self):
    plain_init(self)
    self.hooks["response"].append(checked)
requests.Session.__init__ = init
"""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(contract_stack: LocalStack, tmp_path: Path) -> Path:
    """With the files that the examples speak of; an image is in the library."""
    (tmp_path / "beach.jpg").write_bytes(plain("yellow", 1))
    (tmp_path / "cat.jpg").write_bytes(plain("orange", 2))
    contract_stack.known(contract_stack.put("holiday/sea.jpg", plain("blue", 3)))
    return tmp_path


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_examples_for_the_shell_work(contract_stack: LocalStack, folder: Path) -> None:
    script = "\n".join([CURL, *blocks("sh")]).replace(BASE, contract_stack.url)
    assert script.count("curl") > 20
    run(folder, "bash", "-c", script)


def test_the_examples_in_python_work(contract_stack: LocalStack, folder: Path) -> None:
    script = "\n".join([STRICT, *blocks("python")]).replace(BASE, contract_stack.url)
    # Deleted is what has a record; the examples do not say how to wait for that.
    script = script.replace("requests.delete(", "until(requests.delete, ")
    run(folder, sys.executable, "-c", UNTIL + script)


UNTIL = """
import time

def until(ask, *what):
    for _ in range(1000):
        try:
            return ask(*what)
        except requests.HTTPError:
            time.sleep(0.2)
    return ask(*what)
"""


def test_every_route_has_a_section_with_an_example_of_each_kind() -> None:
    sections = re.split(r"^### ", DOCS.read_text(), flags=re.MULTILINE)[1:]
    for method, path in routes.app.operations:
        title = re.compile(rf"`{method} {re.escape(path)}[`?]")
        (section,) = [one for one in sections if title.search(one.partition("\n")[0])]
        assert "```sh\n" in section, (method, path)
        assert "```python\n" in section, (method, path)
