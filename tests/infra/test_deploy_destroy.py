"""What is taken down goes; photos, and buckets that were there before, stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import ConfigurationError
from infra.commands import cookies, users
from infra.commands.account import Account
from infra.commands.destroy import Destruction, Kept
from infra.config import Config
from tests.infra import deploy_tiny, deploy_world

pytestmark = pytest.mark.xdist_group("deploy")

NAME = deploy_tiny.NAME
PHOTOS = f"{NAME}-photos-123456789012-eu-west-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_tiny.write_assembly(tmp_path_factory.mktemp("tiny") / "assembly")


@pytest.fixture
def account(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: Path) -> Account:
    """With everything deployed; the stacks are made without the CDK's command line."""
    deploy_world.enter(endpoint, monkeypatch)
    account = deploy_world.account()
    deploy_tiny.copy_with_ids(made, tmp_path / "made", account)
    deploy_tiny.make_stacks(account, tmp_path / "made")
    cookies.keep(account, NAME, cookies.find_or_make(account, NAME))
    users.keep_email(account, NAME, deploy_tiny.EMAIL)
    site = f"{NAME}-site-123456789012-eu-west-1"
    account.client("s3").put_object(Bucket=site, Key="index.html", Body=b"<p>")
    return account


def taken_down(account: Account, tell: deploy_world.Heard, **reach: Any) -> None:
    config = account.settle(Config(name=NAME))
    Destruction(config=config, account=account, tell=tell, pause=0, **reach).run()


def names_of(account: Account) -> set[str]:
    stacks = account.client("cloudformation").describe_stacks()["Stacks"]
    buckets = account.client("s3").list_buckets()["Buckets"]
    return {stack["StackName"] for stack in stacks} | {bucket["Name"] for bucket in buckets}


def arn_of(account: Account, queue: str) -> str:
    asked = {"QueueUrl": queue, "AttributeNames": ["QueueArn"]}
    return str(account.client("sqs").get_queue_attributes(**asked)["Attributes"]["QueueArn"])


def object_of(account: Account, bucket: str, key: str) -> bytes:
    return bytes(account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def test_destroy_keeps_photos_and_index_and_says_so(account: Account) -> None:
    account.client("s3").put_object(Bucket=PHOTOS, Key="a/cat.jpg", Body=b"x" * 1000)
    tell = deploy_world.Heard(yes=True)
    taken_down(account, tell)
    left = names_of(account)
    assert {"tiny-data", PHOTOS} <= left
    assert not {"tiny-service", "tiny-builds", "tiny-builds-123456789012-eu-west-1"} & left
    assert object_of(account, PHOTOS, "a/cat.jpg") == b"x" * 1000
    assert f"The photos stay: {PHOTOS}, 1 objects" in tell.text
    assert "The stack tiny-data stays" in tell.text
    kept = account.client("ssm").describe_parameters()["Parameters"]
    assert [parameter["Name"] for parameter in kept if NAME in parameter["Name"]] == ["/tiny/email"]
    taken_down(account, deploy_world.Heard(yes=True))
    assert names_of(account) == left


def test_destroy_of_the_index_leaves_a_bucket_that_can_be_brought_in(account: Account) -> None:
    s3, sqs = account.client("s3"), account.client("sqs")
    theirs = sqs.create_queue(QueueName="theirs")["QueueUrl"]
    ours = account.outputs("tiny-data")["IngestQueueUrl"]
    told = [
        {"QueueArn": arn_of(account, ours), "Events": ["s3:ObjectCreated:*"]},
        {"QueueArn": arn_of(account, theirs), "Events": ["s3:ObjectRemoved:*"]},
    ]
    s3.put_bucket_notification_configuration(
        Bucket=PHOTOS, NotificationConfiguration={"QueueConfigurations": told}
    )
    tell = deploy_world.Heard(yes=True)
    taken_down(account, tell, reach="index")
    (left,) = s3.get_bucket_notification_configuration(Bucket=PHOTOS)["QueueConfigurations"]
    assert left["QueueArn"] == arn_of(account, theirs)
    assert names_of(account) == {PHOTOS}
    assert f'bucket = "{PHOTOS}"' in tell.text


def test_photos_go_only_when_their_buckets_name_is_typed(account: Account) -> None:
    s3 = account.client("s3")
    s3.put_bucket_versioning(Bucket=PHOTOS, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=PHOTOS, Key="a/cat.jpg", Body=body)
    s3.delete_object(Bucket=PHOTOS, Key="a/cat.jpg")
    for wrong in ("yes", "tiny-photos"):
        with pytest.raises(Kept):
            taken_down(account, deploy_world.Heard(wrong), reach="photos")
    with pytest.raises(ConfigurationError, match="a terminal"):
        taken_down(account, deploy_world.Heard(yes=True), reach="photos")
    assert {PHOTOS, "tiny-service", "tiny-data"} <= names_of(account)
    taken_down(account, deploy_world.Heard(PHOTOS), reach="photos")
    assert names_of(account) == set()


def test_an_existing_bucket_is_never_emptied(account: Account) -> None:
    s3 = account.client("s3")
    place = {"LocationConstraint": deploy_world.REGION}
    s3.create_bucket(Bucket="theirs", CreateBucketConfiguration=place)
    s3.put_object(Bucket="theirs", Key="a", Body=b"1")
    before = s3.get_bucket_notification_configuration(Bucket="theirs")
    config = account.settle(Config(name=NAME, bucket="theirs"))
    tell = deploy_world.Heard(yes=True)
    Destruction(config=config, account=account, tell=tell, reach="photos", pause=0).run()
    assert object_of(account, "theirs", "a") == b"1"
    after = s3.get_bucket_notification_configuration(Bucket="theirs")
    assert {**before, "ResponseMetadata": 0} == {**after, "ResponseMetadata": 0}
    assert "The photos stay: theirs" in tell.text
