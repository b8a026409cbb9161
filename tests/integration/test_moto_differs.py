"""Where the local S3 server is unlike S3 (docs/adr/0006), and that nothing comes of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import requests

from chalicelib.records import image_id
from tests.integration.local_stack import BUCKET, indexed_ids, running
from tests.integration.pictures import jpeg
from tests.integration.processes import eventually
from tests.integration.test_local_reconcile import reconcile

PART = 5 * 1024 * 1024
"""The least that S3 takes as a part before the last."""


def test_a_multipart_upload_whose_event_comes_twice_is_one_image(
    tiny: Path, tmp_path: Path
) -> None:
    with running(tmp_path / "data", tiny) as stack:
        eventually(stack.reports)
        data = jpeg(1) + bytes(PART)
        made = stack.s3.create_multipart_upload(Bucket=BUCKET, Key="a/large.jpg")
        name = {"Bucket": BUCKET, "Key": "a/large.jpg", "UploadId": made["UploadId"]}
        parts = [
            {
                "PartNumber": number,
                "ETag": stack.s3.upload_part(**name, PartNumber=number, Body=body)["ETag"],
            }
            for number, body in enumerate((data[:PART], data[PART:]), 1)
        ]
        stack.s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
        image = stack.known(image_id(BUCKET, "a/large.jpg"))
        assert (image["state"], image["bytes"]) == ("ready", len(data))
        eventually(lambda: stack.get("/stats")["queue"], lambda q: sum(q.values()) == 0)
        assert indexed_ids(stack.log("worker")) == [image["id"]]
        assert stack.differences() == {}


def test_bytes_other_than_those_announced_are_refused_and_nothing_is_kept(
    tiny: Path, tmp_path: Path
) -> None:
    with running(tmp_path / "data", tiny) as stack:
        data = jpeg(1)
        file = {"name": "a.jpg", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        post = stack.post("/uploads", {"files": [file]})["uploads"][0]["post"]

        def send(body: bytes) -> requests.Response:
            form = {"data": post["fields"], "files": {"file": ("a.jpg", body)}, "timeout": 60}
            return requests.post(post["url"], **form)

        refused = send(data[:-1] + bytes([data[-1] ^ 1]))
        assert (refused.status_code, "BadDigest" in refused.text) == (400, True)
        assert stack.objects() == {}
        assert send(data).status_code == 204
        assert len(stack.objects()) == 1


def test_a_versioned_delete_that_sends_no_event_is_found_by_reconcile(
    tiny: Path, tmp_path: Path
) -> None:
    with running(tmp_path / "data", tiny) as stack:
        eventually(stack.reports)
        stack.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        kept, gone = stack.put("a/kept.jpg", jpeg(1)), stack.put("a/gone.jpg", jpeg(2))
        for one in (kept, gone):
            assert stack.known(one)["state"] == "ready"
        stack.s3.delete_object(Bucket=BUCKET, Key="a/gone.jpg")
        status, report, said = reconcile(stack.data)
        assert (status, report["results"]) == (0, {"deleted": 1})
        assert '"level":"INFO"' not in said
        assert stack.request("GET", f"/images/{gone}").status_code == 404
        assert stack.known(kept)["state"] == "ready"
