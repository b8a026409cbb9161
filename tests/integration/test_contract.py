"""The running stack keeps to the contract it tells: Schemathesis makes requests of all kinds from
`GET /openapi.json`, right and wrong ones, and holds every answer to it."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.fakes.issuer import CLIENT, Issuer, serving
from tests.integration.local_stack import LocalStack, running
from tests.integration.pictures import plain
from tests.integration.processes import eventually

pytestmark = [pytest.mark.xdist_group("contract"), pytest.mark.timeout(900)]

CONFIG = """
# An image is listed once it is indexed, a moment after POST /images has answered.
[checks]
ensure_resource_availability.enabled = false

# What no JSON Schema can say: parameters of a query string that exclude each other, cursors that
# only this server makes, words that leave nothing to look for, base64 of no picture, and names
# and types that are none of an image's.
{excused}
"""

EXCUSED = {
    "GET /images": [400],
    "GET /search": [400],
    "POST /search": [400, 422],
    "POST /images": [400, 413],
    "POST /uploads": [415],
}
"""Errors that a request may be answered with though it fits the document."""

ACCEPTED = ["2xx", "3xx", "401", "403", "404", "429"]


def schemathesis(
    folder: Path, url: str, *more: str, phases: str, examples: int
) -> subprocess.CompletedProcess[str]:
    """One run of the command, the same every time."""
    excused = "\n".join(
        f'[[operations]]\ninclude-name = "{name}"\n'
        f"checks.positive_data_acceptance.expected-statuses = "
        f"{json.dumps([*ACCEPTED, *map(str, statuses)])}\n"
        for name, statuses in EXCUSED.items()
    )
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG.format(excused=excused))
    return subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)),
            *("run", f"{url}/openapi.json", "--phases", phases, "--max-examples", str(examples)),
            *("--seed", "1", "--generation-deterministic"),
            *("--suppress-health-check", "all", "--warnings", "off", "--no-color"),
            *("--continue-on-failure", "--request-timeout", "240", *more),
        ],
        cwd=folder, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.mark.parametrize("part", ["file", "thumbnail"])
def test_a_browser_that_has_a_picture_need_not_fetch_it_again(
    contract_stack: LocalStack, part: str
) -> None:
    given = {"ContentType": "image/jpeg"}
    known = contract_stack.put("kept/picture.jpg", plain("red", 1), **given)
    contract_stack.known(known)
    # A new address comes now and then, but not each time.
    way = eventually(
        lambda: [contract_stack.request("GET", f"/images/{known}/{part}") for _ in range(2)],
        lambda two: two[0].headers["Location"] == two[1].headers["Location"],
    )
    assert {answer.headers["Cache-Control"] for answer in way} == {"private, max-age=100"}
    address = way[0].headers["Location"]
    first = requests.get(address, timeout=60)
    assert first.headers["Cache-Control"] == "private, max-age=300"
    assert first.headers["Content-Type"] == "image/jpeg"
    again = requests.get(address, headers={"If-None-Match": first.headers["ETag"]}, timeout=60)
    assert (again.status_code, again.content) == (304, b"")
    asked = (f"/images/{known}/{part}?v={number}" for number in itertools.count())
    anew = eventually(
        lambda: contract_stack.request("GET", next(asked)).headers["Location"],
        lambda other: other != address,
    )
    assert requests.get(anew, timeout=60).content == first.content


def test_the_contract_is_compressed_kept_and_asked_for_again(contract_stack: LocalStack) -> None:
    first = contract_stack.request("GET", "/openapi.json")
    assert first.headers["Content-Encoding"] == "gzip"
    assert first.headers["Vary"] == "Accept-Encoding"
    assert first.json()["servers"] == [{"url": contract_stack.url}]
    known = {"If-None-Match": first.headers["ETag"]}
    again = contract_stack.request("GET", "/openapi.json", headers=known)
    assert (again.status_code, again.content) == (304, b"")


def test_right_and_wrong_requests_are_answered_as_the_contract_says(
    contract_stack: LocalStack, tmp_path: Path
) -> None:
    done = schemathesis(
        tmp_path, contract_stack.url, phases="examples,coverage,fuzzing", examples=10
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout, done.stdout


def test_requests_that_follow_from_each_other_are_too(
    contract_stack: LocalStack, tmp_path: Path
) -> None:
    done = schemathesis(tmp_path, contract_stack.url, phases="stateful", examples=15)
    assert done.returncode == 0, done.stdout + done.stderr


def test_with_sign_in_the_contract_holds_and_nothing_is_open_that_should_not_be(
    tiny: Path, tmp_path: Path
) -> None:
    with serving() as issuer:
        file = tmp_path / "sign-in.json"
        file.write_text(
            json.dumps({"issuer": issuer.url, "url": host_of(issuer), "client_id": CLIENT})
        )
        with running(tmp_path / "data", tiny, "--no-ocr", "--sign-in", str(file)) as stack:
            token = issuer.person("anna", "admin")
            for colour in ("red", "green", "blue"):
                sent = {"file": base64.b64encode(plain(colour)).decode(), "name": f"{colour}.jpg"}
                who = {"Authorization": f"Bearer {token}"}
                # The issuer's keys are asked for first, in a few seconds or not at all.
                answer = eventually(
                    lambda given=(sent, who): stack.request(
                        "POST", "/images", json=given[0], headers=given[1]
                    ),
                    lambda said: said.status_code != 503,
                )
                assert answer.status_code == 201
            done = schemathesis(
                tmp_path, stack.url, "-H", f"Authorization: Bearer {token}",
                phases="examples,fuzzing", examples=5,
            )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def host_of(issuer: Issuer) -> str:
    return "/".join(issuer.url.split("/")[:3])
