"""What an account lacks is named, with how to get it; what it has is not complained about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import ConfigurationError
from infra import __main__ as command
from infra.commands import check_bucket, check_domain, check_limits, check_machine, check_rights
from infra.commands.account import Account
from infra.commands.findings import Finding
from infra.config import Config
from tests.infra import deploy_world
from tests.infra.deploy_limits import SERVICES, Limits
from tests.infra.synthesized import resources, templates

BUCKET = "old-photos"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234"


@pytest.fixture
def account(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Account:
    deploy_world.enter(endpoint, monkeypatch)
    return deploy_world.account()


@pytest.fixture
def limits(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Limits]:
    limits = Limits()
    with deploy_world.answering(limits.answer) as address:
        for service in SERVICES:
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", address)
        yield limits


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def levels(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.what, finding.level) for finding in findings]


def test_the_region_is_the_configs_or_else_either_of_the_environments(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(ConfigurationError, match="No region is chosen"):
        Account.of(Config())
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert Account.of(Config()).region == "eu-north-1"
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    assert Account.of(Config()).region == "us-west-2"
    assert Account.of(Config(region="eu-west-1")).region == "eu-west-1"


def test_a_new_accounts_ten_functions_are_advice(account: Account, limits: Limits) -> None:
    limits.concurrency = 10
    finding = only(check_limits.functions(Config(), account))
    assert finding.level == "advice"
    assert "10 functions may run" in finding.says
    assert "L-B99A9384" in finding.remedy
    assert "max_concurrency lower (2)" in finding.remedy


def test_a_grown_account_is_fine(account: Account, limits: Limits) -> None:
    assert levels(check_limits.functions(Config(), account)) == [("Lambda", "fine")]


def test_functions_that_cannot_be_kept_warm_block(account: Account, limits: Limits) -> None:
    limits.concurrency = 101
    few = Config(search_provisioned=1, max_concurrency=2)
    many = Config(search_provisioned=2, max_concurrency=2)
    assert ("search_provisioned", "blocking") not in levels(check_limits.functions(few, account))
    assert ("search_provisioned", "blocking") in levels(check_limits.functions(many, account))


@pytest.mark.parametrize(
    ("spot", "on_demand", "level", "says"),
    [
        (0, 0, "advice", "0 vCPUs"),
        (0, 8, "advice", "none on spot"),
        (8, 0, "advice", "8 vCPUs on spot; batch_vcpus is 16"),
        (16, 0, "fine", "16 vCPUs on spot"),
    ],
)
def test_gpus_depend_on_the_quota(
    account: Account, limits: Limits, spot: float, on_demand: float, level: str, says: str
) -> None:
    limits.quotas = {check_limits.SPOT: spot, check_limits.ON_DEMAND: on_demand}
    finding = only(check_limits.gpus(Config(), account))
    assert (finding.level, says in finding.says) == (level, True)


def test_who_wants_no_gpu_is_not_asked_for_a_quota(account: Account, limits: Limits) -> None:
    limits.quotas = {}
    assert list(check_limits.gpus(Config(gpu=False), account)) == []


def test_a_quota_that_was_never_changed_is_aws_own(account: Account, limits: Limits) -> None:
    assert only(check_limits.fargate(Config(), account)).says == "256 vCPUs may run"


def test_a_version_that_is_not_offered_blocks(account: Account, limits: Limits) -> None:
    finding = only(check_domain.domain(Config(opensearch_version="9.9"), account))
    assert finding.level == "blocking"
    assert "OpenSearch_3.5, OpenSearch_2.19" in finding.remedy


def test_an_instance_that_is_not_offered_blocks(account: Account, limits: Limits) -> None:
    config = Config(opensearch_version="3.5", opensearch_instance="t2.tiny.search")
    assert only(check_domain.domain(config, account)).level == "blocking"
    config = Config(opensearch_version="3.5")
    assert only(check_domain.domain(config, account)).level == "fine"


@pytest.mark.parametrize(
    ("engine", "name", "level"),
    [
        ("OpenSearch_2.17", "photos", "fine"),
        ("OpenSearch_2.9", "photos", "blocking"),
        ("Elasticsearch_7.10", "photos", "blocking"),
        ("OpenSearch_2.17", "other", "blocking"),
    ],
)
def test_an_existing_domain_must_be_there_and_new_enough(
    account: Account, limits: Limits, engine: str, name: str, level: str
) -> None:
    limits.engine = engine
    arn = f"arn:aws:es:eu-west-1:123456789012:domain/{name}"
    config = Config(opensearch_url="https://x", opensearch_arn=arn)
    assert only(check_domain.domain(config, account)).level == level


def test_missing_rights_are_named(account: Account, limits: Limits) -> None:
    assert only(check_rights.rights(Config(), account)).level == "fine"
    limits.denied = {"ssm:PutParameter"}
    finding = only(check_rights.rights(Config(), account))
    assert (finding.level, "ssm:PutParameter" in finding.says) == ("advice", True)


def test_rights_that_nobody_may_look_at_are_listed(account: Account) -> None:
    finding = only(check_rights.rights(Config(), account))  # moto does not simulate policies
    assert finding.level == "advice"
    assert "cloudfront:CreateInvalidation" in finding.remedy


def test_a_bootstrap_may_be_missing_old_whole_or_half_removed(account: Account) -> None:
    ssm, s3 = account.client("ssm"), account.client("s3")
    look = lambda: only(check_machine.bootstrap(Config(), account))  # noqa: E731
    assert look().level == "advice"
    ssm.put_parameter(Name=check_machine.BOOTSTRAP_VERSION, Value="5", Type="String")
    assert "version 5" in look().says
    assert look().level == "blocking"
    ssm.put_parameter(
        Name=check_machine.BOOTSTRAP_VERSION, Value="33", Type="String", Overwrite=True
    )
    assert "is not" in look().says
    assert look().level == "blocking"
    make(s3, f"cdk-hnb659fds-assets-{account.id}-{account.region}")
    assert look().level == "fine"


def test_certificates_must_be_where_cloudfront_looks(account: Account) -> None:
    arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
    config = Config(domain_name="photos.example.org", certificate_arn=arn)
    assert only(check_machine.regions(config, account)).level == "blocking"
    config = Config(domain_name="a.org", certificate_arn=arn.replace("eu-west-1", "us-east-1"))
    assert list(check_machine.regions(config, account)) == []


def make(s3: Any, name: str, region: str = deploy_world.REGION) -> None:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})


def test_an_existing_bucket_that_is_free_is_fine(account: Account) -> None:
    make(account.client("s3"), BUCKET)
    assert levels(check_bucket.bucket(Config(bucket=BUCKET), account)) == [("bucket", "fine")]


def test_a_bucket_that_is_not_there_blocks(account: Account) -> None:
    finding = only(check_bucket.bucket(Config(bucket="nowhere-at-all"), account))
    assert "there is no bucket" in finding.says


def test_a_bucket_of_another_region_blocks_and_names_it(account: Account) -> None:
    make(account.client("s3", region="eu-central-1"), BUCKET, "eu-central-1")
    finding = only(check_bucket.bucket(Config(bucket=BUCKET), account))
    assert finding.level == "blocking"
    assert 'region = "eu-central-1"' in finding.remedy


def test_a_key_of_the_customers_must_be_named(account: Account) -> None:
    s3 = account.client("s3")
    make(s3, BUCKET)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=rules)
    finding = only(check_bucket.bucket(Config(bucket=BUCKET), account))
    assert (finding.level, KEY in finding.says) == ("blocking", True)
    named = Config(bucket=BUCKET, bucket_key_arn=KEY)
    assert only(check_bucket.bucket(named, account)).level == "fine"


def test_a_receiver_of_the_same_events_blocks_unless_eventbridge_is_chosen(
    account: Account,
) -> None:
    s3, sqs = account.client("s3"), account.client("sqs")
    make(s3, BUCKET)
    url = sqs.create_queue(QueueName="theirs")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    theirs = {"QueueArn": arn["QueueArn"], "Events": ["s3:ObjectCreated:Put"]}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [theirs]}
    )
    finding = only(check_bucket.bucket(Config(bucket=BUCKET), account))
    assert finding.level == "blocking"
    assert arn["QueueArn"] in finding.says
    assert "s3:ObjectCreated:Put" in finding.says
    chosen = Config(bucket=BUCKET, events="eventbridge")
    assert only(check_bucket.bucket(chosen, account)).level == "fine"
    own = {**theirs, "QueueArn": arn["QueueArn"].replace("theirs", "image-intellisense-data-Q1")}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [own]}
    )
    assert only(check_bucket.bucket(Config(bucket=BUCKET), account)).level == "fine"


def test_a_bucket_that_outlived_its_stack_is_to_be_brought_in(account: Account) -> None:
    name = "image-intellisense-photos-123456789012-eu-west-1"
    assert list(check_bucket.bucket(Config(), account)) == []
    make(account.client("s3"), name)
    finding = only(check_bucket.bucket(Config(), account))
    assert (finding.level, f'bucket = "{name}"' in finding.remedy) == ("blocking", True)
    queue = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    cloudformation = account.client("cloudformation")
    cloudformation.create_change_set(
        StackName="image-intellisense-data",
        ChangeSetName="looked-at",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(queue),
    )
    assert only(check_bucket.bucket(Config(), account)).level == "blocking"
    cloudformation.execute_change_set(
        StackName="image-intellisense-data", ChangeSetName="looked-at"
    )
    assert list(check_bucket.bucket(Config(), account)) == []


def test_a_first_deployment_that_is_rolled_back_leaves_no_bucket_behind() -> None:
    (photos,) = [
        bucket
        for bucket in resources(templates()["data"], "AWS::S3::Bucket").values()
        if "NotificationConfiguration" in bucket["Properties"]
    ]
    assert photos["DeletionPolicy"] == "RetainExceptOnCreate"
    assert photos["UpdateReplacePolicy"] == "Retain"


def test_the_command_prints_json_and_its_status_says_whether_something_blocks(
    account: Account, limits: Limits, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = tmp_path / "deploy.toml"
    chosen.write_text('opensearch_version = "3.5"\nemail = "ada@example.org"\n')
    assert command.main(["preflight", "--config", str(chosen), "--json"]) == 0
    found = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert set(found) >= {"account", "e-mail", "CDK bootstrap", "Docker", "Lambda", "GPUs"}
    assert found["account"]["level"] == "fine"
    chosen.write_text('bucket = "nowhere-at-all"\n')
    assert command.main(["preflight", "--config", str(chosen)]) == 1
    said = capsys.readouterr().out
    assert "✗ bucket: there is no bucket nowhere-at-all\n    → Mend bucket in CONFIG." in said


def test_a_service_that_refuses_to_be_looked_at_does_not_end_the_look(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    # moto knows neither Lambda's settings nor these quotas.
    assert command.main(["preflight"]) == 0
    assert "! Lambda: could not be looked at" in capsys.readouterr().out
