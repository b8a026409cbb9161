"""The custom resource of buckets where something is not as it should be: it always answers, says
why, and leaves nothing half-done."""

from __future__ import annotations

import ast
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from infra.handlers.bucket_settings import index
from infra.handlers.bucket_settings.overlaps import EVENTS
from tests.infra.bucket_places import QUEUE, RECEIVERS, document, new_bucket, notification
from tests.infra.bucket_server import BucketServer
from tests.infra.cloudformation_played import ACCOUNT, CloudFormation, Context, Failed
from tests.infra.settings_played import ORIGIN, aws, bridge, cloud, page, queue, s3, server, told

__all__ = ["aws", "cloud", "s3", "server"]

pytestmark = pytest.mark.usefixtures("aws")

THEIRS = notification("Topic", "theirs", ["s3:ObjectTagging:*"])
MORE = notification("Queue", "more", ["s3:ObjectAcl:Put"])


def ids(s3: Any, bucket: str) -> set[str]:
    found = told(s3, bucket)
    return {one["Id"] for kind in found.values() if isinstance(kind, list) for one in kind}


def test_a_change_of_somebody_else_before_ours_is_kept(
    server: BucketServer, cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    reads = 0

    def meanwhile(method: str, name: str, setting: str) -> None:
        nonlocal reads
        reads += method == "GET"
        if method == "GET" and reads == 2:
            body = document("NotificationConfiguration", [THEIRS])
            server.documents[bucket, "notification"] = body

    server.before = meanwhile
    cloud.call("Create", queue(bucket))
    assert ids(s3, bucket) == {"theirs", "ours"}


def test_ours_is_put_again_where_somebody_else_writes_over_it(
    server: BucketServer, cloud: CloudFormation, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.handlers.bucket_settings.settling.PAUSES", (0.0,) * 6)
    bucket = new_bucket(s3)
    puts = 0
    overwritten = False

    def meanwhile(method: str, name: str, setting: str) -> None:
        nonlocal puts, overwritten
        puts += method == "PUT"
        if method == "GET" and puts == 1 and not overwritten:
            overwritten = True
            body = document("NotificationConfiguration", [THEIRS, MORE])
            server.documents[bucket, "notification"] = body

    server.before = meanwhile
    cloud.call("Create", queue(bucket))
    assert ids(s3, bucket) == {"theirs", "more", "ours"}
    assert puts == 2


def test_somebody_who_never_stops_is_told_of(
    server: BucketServer, cloud: CloudFormation, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.handlers.bucket_settings.settling.PAUSES", (0.0,) * 6)
    bucket = new_bucket(s3)

    def meanwhile(method: str, name: str, setting: str) -> None:
        server.documents.pop((bucket, "notification"), None)

    server.before = meanwhile
    with pytest.raises(Failed, match="changed by somebody else") as failed:
        cloud.call("Create", queue(bucket))
    server.before = lambda *_: None
    cloud.call("Delete", queue(bucket), failed.value.args[1])
    assert told(s3, bucket) == {}


@pytest.mark.parametrize("wanted", [queue, bridge, page])
@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (403, "AccessDenied", "needs s3:Get"),
        (301, "PermanentRedirect", "another region"),
        (400, "InvalidRequest", r"S3 refuses .* Refused \(InvalidRequest\)"),
    ],
)
def test_what_s3_refuses_is_said_in_a_sentence(
    server: BucketServer,
    cloud: CloudFormation,
    s3: Any,
    wanted: Any,
    status: int,
    code: str,
    sentence: str,
) -> None:
    bucket = new_bucket(s3)
    server.before = lambda *_: (status, code)
    with pytest.raises(Failed, match=sentence) as failed:
        cloud.call("Create", wanted(bucket))
    assert failed.value.args[1] == index.NOTHING
    assert cloud.call("Delete", wanted(bucket), index.NOTHING) == index.NOTHING


@pytest.mark.parametrize("wanted", [queue, bridge, page])
def test_a_bucket_that_is_not_there_fails_a_deployment_and_no_deletion(
    server: BucketServer, cloud: CloudFormation, s3: Any, wanted: Any
) -> None:
    server.before = lambda *_: (404, "NoSuchBucket")
    with pytest.raises(Failed, match="no bucket never-there"):
        cloud.call("Create", wanted("never-there"))
    made = index.Wanted.of(wanted("never-there")).name
    assert cloud.call("Delete", wanted("never-there"), made) == made


def test_a_deletion_without_rights_says_so(
    server: BucketServer, cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    physical = cloud.call("Create", queue(bucket))
    server.before = lambda *_: (403, "AccessDenied")
    with pytest.raises(Failed, match="does not let") as failed:
        cloud.call("Delete", queue(bucket), physical)
    assert failed.value.args[1] == physical


def test_notifications_of_a_kind_unknown_to_us_are_not_written_over(
    server: BucketServer, cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    unknown = THEIRS + "<StreamConfiguration><Stream>arn:new</Stream></StreamConfiguration>"
    body = document("NotificationConfiguration", [unknown])
    server.documents[bucket, "notification"] = body
    with pytest.raises(Failed, match="does not know"):
        cloud.call("Create", queue(bucket))
    assert server.documents[bucket, "notification"] == body


def test_cors_rules_with_parts_unknown_to_us_are_not_written_over(
    server: BucketServer, cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    rule = (
        "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"
        "<AllowPrivateNetwork>true</AllowPrivateNetwork></CORSRule>"
    )
    server.documents[bucket, "cors"] = body = document("CORSConfiguration", [rule])
    with pytest.raises(Failed, match="does not know"):
        cloud.call("Create", page(bucket))
    assert server.documents[bucket, "cors"] == body


@pytest.mark.parametrize("wanted", [queue, bridge, page])
def test_another_bucket_is_set_and_the_old_one_restored(
    cloud: CloudFormation, s3: Any, wanted: Any
) -> None:
    old, new = new_bucket(s3), new_bucket(s3)
    physical = cloud.call("Create", wanted(old))
    now = cloud.update(wanted(new), wanted(old), physical)
    assert now != physical
    settings = told(s3, new) or s3.get_bucket_cors(Bucket=new)["CORSRules"]
    assert settings
    assert told(s3, old) == {}


def test_going_over_to_eventbridge_and_back_leaves_one_of_them(
    cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    first = cloud.call("Create", queue(bucket))
    second = cloud.update(bridge(bucket), queue(bucket), first)
    assert told(s3, bucket) == {"EventBridgeConfiguration": {}}
    cloud.update(queue(bucket), bridge(bucket), second)
    assert told(s3, bucket).keys() == {"QueueConfigurations"}


def test_another_queue_and_another_origin_take_the_place_of_the_old(
    cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    other = QUEUE + "-2"
    physical = cloud.call("Create", queue(bucket))
    assert cloud.update(queue(bucket, arn=other), queue(bucket), physical) == physical
    (one,) = told(s3, bucket)["QueueConfigurations"]
    assert one["QueueArn"] == other
    physical = cloud.call("Create", page(bucket))
    cloud.update(page(bucket, origin="https://new.example"), page(bucket), physical)
    (rule,) = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert rule["AllowedOrigins"] == ["https://new.example"]
    assert rule["AllowedOrigins"] != [ORIGIN]


def test_a_bucket_that_an_earlier_deployment_made_is_taken_over(
    server: BucketServer, cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    ours = f"arn:aws:sqs:us-east-1:{ACCOUNT}:ours-data-"
    said = notification("Queue", "made-by-s3", EVENTS).replace(RECEIVERS["Queue"], ours + "Old-1A")
    body = document("NotificationConfiguration", [said, THEIRS])
    server.documents[bucket, "notification"] = body
    wanted = queue(bucket, arn=ours + "New-2B")
    with pytest.raises(Failed, match="made-by-s3"):
        cloud.call("Create", wanted)
    physical = cloud.call("Create", {**wanted, "Queues": ours})
    assert ids(s3, bucket) == {"ours", "theirs"}
    (one,) = told(s3, bucket)["QueueConfigurations"]
    assert one["QueueArn"] == ours + "New-2B"
    cloud.call("Delete", {**wanted, "Queues": ours}, physical)
    assert ids(s3, bucket) == {"theirs"}


def test_an_update_that_was_half_done_is_taken_back_whole(cloud: CloudFormation, s3: Any) -> None:
    old, new = new_bucket(s3), new_bucket(s3)
    physical = cloud.call("Create", queue(old))
    cloud.call("Update", queue(new), physical, queue(old))
    # CloudFormation never heard the answer: it rolls back with the id that it knows.
    assert cloud.call("Update", queue(old), physical, queue(new)) == physical
    assert ids(s3, old) == {"ours"}
    assert told(s3, new) == {}


def test_a_creation_nobody_heard_of_is_undone_but_for_eventbridge(
    cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    cloud.call("Create", queue(bucket))
    cloud.call("Delete", queue(bucket), "ours-Notifications-1A2B3C")
    assert told(s3, bucket) == {}
    cloud.call("Create", bridge(bucket))
    cloud.call("Delete", bridge(bucket), "ours-Notifications-1A2B3C")
    assert told(s3, bucket) == {"EventBridgeConfiguration": {}}


def test_the_answer_is_sent_again_until_it_is_taken(
    cloud: CloudFormation, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.handlers.bucket_settings.answering.PAUSE_S", 0)
    cloud.broken = 3
    cloud.call("Create", queue(new_bucket(s3)))
    assert cloud.broken == 0
    assert set(cloud.content_types) == {""}


def test_an_s3_that_does_not_answer_in_time_is_told_before_the_end(
    server: BucketServer, cloud: CloudFormation, s3: Any
) -> None:
    bucket = new_bucket(s3)
    before = len(cloud.answers)
    answered = threading.Event()

    def hangs(method: str, name: str, setting: str) -> None:
        if method == "PUT":
            while len(cloud.answers) == before:
                answered.wait(0.01)

    server.before = hangs
    with pytest.raises(Failed, match="in time") as failed:
        cloud.call("Create", queue(bucket), context=Context(left=10_300))
    server.before = lambda *_: None
    assert ids(s3, bucket) == {"ours"}
    cloud.call("Delete", queue(bucket), failed.value.args[1])
    assert told(s3, bucket) == {}


def test_a_fault_of_ours_is_answered_too(cloud: CloudFormation) -> None:
    with pytest.raises(Failed, match="KeyError"):
        cloud.call("Create", {"Setting": "queue"})


def test_a_long_reason_is_cut(server: BucketServer, cloud: CloudFormation, s3: Any) -> None:
    server.before = lambda *_: (400, "X" * 5_000)
    with pytest.raises(Failed):
        cloud.call("Create", queue(new_bucket(s3)))
    assert len(cloud.answers[-1]["Reason"]) == 1_000


def test_the_function_needs_nothing_but_boto3(tmp_path: Path) -> None:
    folder = Path(index.__file__).parent
    named = {
        (alias.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert named - sys.stdlib_module_names == {"boto3", "botocore", "infra"}
