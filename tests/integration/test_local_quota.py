"""The quota of one machine, over real HTTP, and what the logs of one machine hold."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.integration.days import in_one_day
from tests.integration.local_stack import LocalStack, run_local, running
from tests.integration.pictures import folder_of, jpeg

QUOTA = ("--quota-files", "6", "--quota-bytes", "1000000")
PHOTO = jpeg(1)


def place(stack: LocalStack, *sizes: int) -> requests.Response:
    files = [{"name": "a.jpg", "size": size} for size in sizes]
    return stack.request("POST", "/uploads", json={"files": files})


@pytest.mark.timeout(900)
def test_one_machine_counts_for_all_at_once_and_through_a_restart(
    tiny: Path, tmp_path: Path
) -> None:
    in_one_day(lambda folder: counted(tiny, folder / "data"), tmp_path)


def counted(tiny: Path, data: Path) -> None:
    with running(data, tiny, *QUOTA) as stack:
        assert place(stack, *[1] * 7).json()["error"]["code"] == "quota_exceeded"
        known = stack.upload("photo.jpg", PHOTO)
        assert stack.known(known)["state"] == "ready"
        with ThreadPoolExecutor(8) as pool:
            answers = [*pool.map(lambda _: place(stack, 1), range(16))]
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(201), statuses.count(429)) == (5, 11)
        assert all(int(a.headers["Retry-After"]) <= 86_400 for a in answers if not a.ok)
        told = stack.get("/session")["quota"]
        assert told["files"] == {"limit": 6, "used": 6}
        assert told["bytes"] == {"limit": 1_000_000, "used": 5 + len(PHOTO)}
        image = {"file": base64.b64encode(PHOTO).decode()}
        assert stack.request("POST", "/images", json=image).status_code == 429
        assert stack.interrupt() in (0, 130)
    with running(data, tiny, *QUOTA) as stack:
        assert place(stack, 1).status_code == 429
        assert stack.get("/session")["quota"]["files"]["used"] == 6


def test_a_folder_that_is_over_the_quota_is_told_so(tiny: Path, tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", 3)
    done = run_local(
        tmp_path / "data", tiny, "--photos", photos, "--once", "red", "--quota-files", "2"
    )
    assert done.returncode == 1
    assert "error: Your quota of uploads, 2 files a day, has room for 2 files more" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_quota_below_nothing_is_refused(tiny: Path, tmp_path: Path) -> None:
    done = run_local(tmp_path / "data", tiny, "--quota-bytes", "-1")
    assert (done.returncode, "a quota is 0, for none, or more" in done.stderr) == (2, True)


def test_the_logs_of_one_machine_hold_no_signature_and_no_picture(
    tiny: Path, tmp_path: Path
) -> None:
    with running(tmp_path / "data", tiny) as stack:
        known = stack.upload("photo.jpg", PHOTO)
        stack.known(known)
        picture = base64.b64encode(PHOTO).decode()
        stack.post("/search", {"image": picture, "closest": True})
        address = stack.request("GET", f"/images/{known}/file").headers["Location"]
        assert requests.get(address, timeout=60).content == PHOTO
        signature = address.partition("X-Amz-Signature=")[2].partition("&")[0]
        assert len(signature) == 64
        policies = place(stack, 1).json()["uploads"][0]["post"]["fields"]
        logs = [*(tmp_path / "data" / "logs").iterdir()]
        said = stack.said + "".join(log.read_text() for log in logs)
    assert len(logs) >= 3
    assert '"message":"search"' in said
    for secret in (signature, policies["policy"], policies["x-amz-signature"], picture[:24]):
        assert secret not in said
    assert "X-Amz-Signature" not in said
