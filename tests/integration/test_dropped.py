"""What docs/upload.md says of objects that are dropped straight into the bucket."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from chalicelib.records import image_id
from tests.integration.local_stack import BUCKET, LocalStack
from tests.integration.pictures import jpeg
from tests.integration.processes import eventually

pytestmark = pytest.mark.xdist_group("client")


def test_key_and_metadata_become_collection_name_and_owner(open_stack: LocalStack) -> None:
    drops = {
        "dropped/a/b/beach.jpg": {},
        "top-of-the-bucket.jpg": {},
        "dropped/1.jpg": {"name": quote("Grüße.jpg"), "owner": quote("anna@home")},
    }
    for number, (key, metadata) in enumerate(drops.items()):
        data = jpeg(70_000 + number)
        open_stack.put(key, data, Metadata=metadata, ContentType="text/plain")
    images = [open_stack.known(image_id(BUCKET, key)) for key in drops]
    assert [(i["collection"], i["name"], i["owner"]) for i in images] == [
        ("dropped", "beach.jpg", ""),
        ("", "top-of-the-bucket.jpg", ""),
        ("dropped", "Grüße.jpg", "anna@home"),
    ]
    assert {image["format"] for image in images} == {"jpeg"}


def test_what_is_synced_again_under_its_key_keeps_its_id_and_what_is_deleted_goes(
    open_stack: LocalStack,
) -> None:
    changed, gone = "synced/changed.jpg", "synced/gone.jpg"
    before = [open_stack.known(open_stack.put(key, jpeg(71_000))) for key in (changed, gone)]
    open_stack.put(changed, jpeg(71_001))
    open_stack.s3.delete_object(Bucket=BUCKET, Key=gone)
    eventually(
        lambda: [(i["id"], i["sha256"]) for i in open_stack.images(collection="synced")],
        lambda seen: (
            [id_ for id_, _ in seen] == [before[0]["id"]] and seen[0][1] != before[0]["sha256"]
        ),
    )
