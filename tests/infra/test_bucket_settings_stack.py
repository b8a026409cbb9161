"""The bucket's settings in the template: whose rights, in which order; and the function as it goes
into AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import boto3
import pytest
from moto.events.models import EventPattern

from infra.config import Config
from infra.handlers.bucket_settings import overlaps
from infra.parts import buckets
from tests.infra.bucket_places import new_bucket
from tests.infra.bucket_server import BucketServer
from tests.infra.bulk_stacks import Synthesized, settings
from tests.infra.cloudformation_played import CloudFormation
from tests.infra.settings_played import aws, bridge, cloud, page, queue, s3, server

__all__ = ["aws", "cloud", "s3", "server"]

pytestmark = pytest.mark.xdist_group("bulk_stacks")

OLD = Config(bucket="photos")
BRIDGED = Config(bucket="photos", events="eventbridge")
EVENTS = Path(__file__).resolve().parents[1] / "unit" / "fixtures" / "events"


def wanted(stack: Synthesized, setting: str) -> tuple[str, dict[str, Any]]:
    (found,) = [
        (name, resource)
        for name, resource in stack.template["Resources"].items()
        if resource["Type"] == "Custom::BucketSetting"
        and resource["Properties"]["Setting"] == setting
    ]
    return found


def rights(stack: Synthesized) -> dict[str, Any]:
    """Action → resource."""
    return {
        action: statement["Resource"]
        for statement in stack.statements()
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }


@pytest.mark.parametrize("config", [OLD, BRIDGED], ids=["queue", "EventBridge"])
def test_the_template_is_clean_for_cfn_lint(config: Config) -> None:
    lint = str(Path(sys.executable).with_name("cfn-lint"))
    file = str(settings(config).folder / "ours.template.json")
    done = subprocess.run([lint, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_function_may_change_two_settings_of_one_bucket() -> None:
    given = rights(settings(OLD))
    assert given.keys() == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetBucketCORS",
        "s3:GetBucketNotification",
        "s3:PutBucketCORS",
        "s3:PutBucketNotification",
    }
    for action, resource in given.items():
        if action.startswith("s3:"):
            assert resource["Fn::Join"][1][-1] == ":s3:::photos"


def test_with_eventbridge_it_may_also_see_who_else_listens() -> None:
    extra = rights(settings(BRIDGED)).keys() - rights(settings(OLD)).keys()
    assert extra == {"events:ListRules"}


@pytest.mark.parametrize("setting", ["queue", "cors"])
def test_a_setting_waits_for_its_rights_and_goes_before_them(setting: str) -> None:
    stack = settings(OLD)
    _, resource = wanted(stack, setting)
    waited = [stack.template["Resources"][name] for name in resource["DependsOn"]]
    granted = [
        action
        for policy in waited
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    ]
    assert len(granted) == 4
    assert "logs:PutLogEvents" in granted


def test_another_bucket_is_another_resource_with_rights_of_its_own() -> None:
    other = settings(Config(bucket="other-photos"))
    for setting in ("queue", "cors"):
        here, there = wanted(settings(OLD), setting), wanted(other, setting)
        assert here[0] != there[0]
        assert not set(here[1]["DependsOn"]) & (
            set(there[1]["DependsOn"]) - {n for n in there[1]["DependsOn"] if "Writes" in n}
        )


def test_the_made_and_the_existing_bucket_tell_of_the_same_events() -> None:
    assert buckets.EVENTS == overlaps.EVENTS


def sends(stack: Synthesized) -> list[dict[str, Any]]:
    return [
        statement
        for policy in stack.all("AWS::SQS::QueuePolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]


def test_the_queue_takes_events_of_this_rule_alone() -> None:
    stack = settings(BRIDGED)
    rule = stack.one("AWS::Events::Rule")
    (statement,) = sends(stack)
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    source = statement["Condition"]["ArnEquals"]["aws:SourceArn"]["Fn::Join"][1]
    assert source[-1] == f":rule/{rule['Name']}"
    (target,) = rule["Targets"]
    assert target["Arn"] == statement["Resource"]
    assert wanted(stack, "eventbridge")[1]["Properties"]["Rule"] == rule["Name"]


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("eventbridge_*.json")))
def test_the_rule_takes_what_the_queue_would_be_told_of(name: str) -> None:
    pattern = settings(BRIDGED).one("AWS::Events::Rule")["EventPattern"]
    plain = json.dumps(pattern).replace('{"Ref": "AWS::AccountId"}', '"123456789012"')
    taken = {"eventbridge_created", "eventbridge_deleted", "eventbridge_lifecycle_expired"}
    event = json.loads((EVENTS / f"{name}.json").read_text())
    matches = EventPattern.load(plain).matches_event(event)
    assert matches is (name in taken | {"eventbridge_restore_completed"})
    event["detail"]["bucket"]["name"] = "another"
    assert not EventPattern.load(plain).matches_event(event)


@pytest.mark.usefixtures("aws")
def test_the_function_works_from_what_is_sent_to_aws_and_nothing_else(
    server: BucketServer, cloud: CloudFormation, tmp_path: Path
) -> None:
    (function,) = [
        resource
        for resource in settings(OLD).template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    code = function["Properties"]["Code"]["S3Key"].removesuffix(".zip")
    asset = settings(OLD).folder / f"asset.{code}"
    files = {str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()}
    assert files == {"infra/__init__.py", "infra/handlers/__init__.py"} | {
        f"infra/handlers/bucket_settings/{path.name}"
        for path in Path(overlaps.__file__).parent.glob("*.py")
    }
    bucket = new_bucket(boto3.client("s3"))
    event = {
        "RequestType": "Create",
        "ResponseURL": f"{cloud.url}/signed",
        "StackId": "stack",
        "RequestId": "1",
        "LogicalResourceId": "Notifications",
        "ResourceProperties": queue(bucket),
    }
    module, _, name = function["Properties"]["Handler"].rpartition(".")
    script = (
        f"import importlib, json, sys\nsys.path.insert(0, {str(asset)!r})\n"
        "class Context:\n def get_remaining_time_in_millis(self): return 300_000\n"
        f"handle = importlib.import_module({module!r}).{name}\n"
        "handle(json.load(sys.stdin), Context())\n"
        "assert 'chalicelib' not in sys.modules and 'aws_cdk' not in sys.modules\n"
    )
    before = len(cloud.answers)
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        input=json.dumps(event), text=True, capture_output=True, cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (answer,) = cloud.answers[before:]
    assert answer["Status"] == "SUCCESS", answer
    assert (bucket, "notification") in server.documents


NEEDED = {
    "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "GetBucketCors": "s3:GetBucketCORS",
    "PutBucketCors": "s3:PutBucketCORS",
    "DeleteBucketCors": "s3:PutBucketCORS",
    "ListRules": "events:ListRules",
}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("config", "wanted"), [(OLD, [queue, page]), (BRIDGED, [bridge, page])], ids=["queue", "bridge"]
)
def test_the_function_has_the_rights_it_uses_and_no_others(
    cloud: CloudFormation, s3: Any, config: Config, wanted: list[Any]
) -> None:
    bucket = new_bucket(s3)
    called: set[str] = set()
    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register("before-call", lambda model, **_: called.add(model.name))
    for one in wanted:
        physical = cloud.call("Create", one(bucket))
        cloud.call("Delete", one(bucket), physical)
    logs = {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert {NEEDED[name] for name in called} == rights(settings(config)).keys() - logs


def test_an_object_of_an_existing_bucket_arrives_in_our_queue(
    endpoint: str, cloud: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By moto alone, which delivers."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "ours")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    theirs, ours = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("theirs", "ours"))
    s3.create_bucket(Bucket="old")
    # With a prefix: moto's queues hear of objects whichever event they ask for.
    tagged = {
        "Id": "theirs",
        "QueueArn": _arn(sqs, theirs),
        "Events": ["s3:ObjectTagging:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "logs/"}]}},
    }
    s3.put_bucket_notification_configuration(
        Bucket="old", NotificationConfiguration={"QueueConfigurations": [tagged]}
    )
    physical = cloud.call("Create", queue("old", arn=_arn(sqs, ours)))
    s3.put_object(Bucket="old", Key="a/photo.jpg", Body=b"bytes")
    assert _keys(sqs, ours) == ["a/photo.jpg"]
    assert _keys(sqs, theirs) == []
    cloud.call("Delete", queue("old", arn=_arn(sqs, ours)), physical)
    s3.put_object(Bucket="old", Key="a/later.jpg", Body=b"bytes")
    assert _keys(sqs, ours) == []
    found = s3.get_bucket_notification_configuration(Bucket="old")["QueueConfigurations"]
    assert found == [tagged]


def _arn(sqs: Any, url: str) -> str:
    said = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(said["Attributes"]["QueueArn"])


def _keys(sqs: Any, url: str) -> list[str]:
    """Of the events that wait, which then wait no longer."""
    keys = []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            body = json.loads(message["Body"])
            keys += [unquote_plus(r["s3"]["object"]["key"]) for r in body.get("Records", ())]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return keys
