"""The arrows around the way of a photo: the page, bulk work and its schedule, alarms."""

from __future__ import annotations

import json

import pytest

from chalicelib.config import PREFIX, Settings
from tests.infra.deployments import ALL, PEOPLE, Deployment, deployment
from tests.infra.functions_read import Job, jobs
from tests.infra.granted import trusted
from tests.infra.stacks_read import ACCOUNT, REGION, Resource

pytestmark = pytest.mark.xdist_group("stacks")


@pytest.fixture(params=ALL)
def d(request: pytest.FixtureRequest) -> Deployment:
    return deployment(request.param)


# --- browser → CloudFront → buckets and API -------------------------------------------------------


def behaviours(d: Deployment) -> dict[str, tuple[dict[str, object], dict[str, object]]]:
    """Path → (behaviour, origin)."""
    (site,) = d.stacks.of_type("AWS::CloudFront::Distribution")
    config = site.properties["DistributionConfig"]
    origins = {origin["Id"]: origin for origin in config["Origins"]}
    rows = {"*": config["DefaultCacheBehavior"]}
    rows |= {row["PathPattern"]: row for row in config["CacheBehaviors"]}
    return {path: (row, origins[row["TargetOriginId"]]) for path, row in rows.items()}


@pytest.mark.parametrize("choice", PEOPLE)
def test_each_path_of_the_one_address_leads_to_its_own_origin(choice: str) -> None:
    d = deployment(choice)
    (api,) = d.stacks.of_type("AWS::Serverless::Api")
    found = {path: origin for path, (_, origin) in behaviours(d).items()}
    assert {path: (o["DomainName"], o.get("OriginPath", "")) for path, o in found.items()} == {
        "*": (f"{d.site}.s3.{REGION}.amazonaws.com", ""),
        "/api/*": (f"{api.name}.execute-api.{REGION}.amazonaws.com", ""),
        "/thumbnails/*": (f"{d.thumbnails}.s3.{REGION}.amazonaws.com", ""),
    }
    for path in ("*", "/thumbnails/*"):
        assert found[path]["OriginAccessControlId"]


@pytest.mark.parametrize("choice", PEOPLE)
def test_thumbnails_ask_for_cookies_of_the_key_that_the_api_signs_with(choice: str) -> None:
    d = deployment(choice)
    (key,) = d.stacks.of_type("AWS::CloudFront::PublicKey")
    (group,) = d.stacks.of_type("AWS::CloudFront::KeyGroup")
    assert group.properties["KeyGroupConfig"]["Items"] == [key.name]
    rows = {path: row.get("TrustedKeyGroups") for path, (row, _) in behaviours(d).items()}
    assert rows == {"*": None, "/api/*": None, "/thumbnails/*": [group.name]}


@pytest.mark.parametrize("choice", PEOPLE)
def test_cloudfront_of_this_account_may_read_page_and_thumbnails_and_not_the_photos(
    choice: str,
) -> None:
    d = deployment(choice)
    (site,) = d.stacks.of_type("AWS::CloudFront::Distribution")
    ours = {
        "aws__SourceArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/{site.name}",
        "aws__SourceAccount": ACCOUNT,
    }
    theirs = {
        "aws__SourceArn": "arn:aws:cloudfront::999999999999:distribution/E1",
        "aws__SourceAccount": "999999999999",
    }
    for bucket in (d.site, d.thumbnails):
        where = f"arn:aws:s3:::{bucket}/a"
        assert d.rights.decide("cloudfront.amazonaws.com", "s3:GetObject", where, **ours)
        assert not d.rights.decide("cloudfront.amazonaws.com", "s3:GetObject", where, **theirs)
        assert not d.rights.decide("cloudfront.amazonaws.com", "s3:PutObject", where, **ours)
    photos = f"arn:aws:s3:::{d.photos}/a"
    assert not d.rights.decide("cloudfront.amazonaws.com", "s3:GetObject", photos, **ours)


def test_without_people_there_is_no_page() -> None:
    d = deployment("AWS identities")
    assert d.stacks.of_type("AWS::CloudFront::Distribution", "AWS::Cognito::UserPool") == []


# --- schedule → queue → job ---------------------------------------------------------------------


def test_the_schedule_submits_the_job_on_fargate_and_may_submit_nothing_else(
    d: Deployment,
) -> None:
    (schedule,) = d.stacks.of_type("AWS::Scheduler::Schedule")
    target = schedule.properties["Target"]
    assert target["Arn"] == "arn:aws:scheduler:::aws-sdk:batch:submitJob"
    asked = json.loads(target["Input"])
    job, queue = jobs(d.stacks)[0], queue_of(d, asked["JobQueue"])
    assert job.resource.properties["PlatformCapabilities"] == ["FARGATE"]
    assert asked["JobDefinition"] == job.resource.arn
    assert queue.properties["ComputeEnvironmentOrder"]
    for resource in (job.resource.arn, queue.arn):
        assert d.rights.decide(target["RoleArn"], "batch:SubmitJob", resource)
    other = "arn:aws:batch:eu-west-1:123456789012:job-queue/other"
    assert not d.rights.decide(target["RoleArn"], "batch:SubmitJob", other)
    (statement,) = trusted(d.rights.role(target["RoleArn"]))
    assert statement.principals == (("Service", "scheduler.amazonaws.com"),)


def queue_of(d: Deployment, arn: str) -> Resource:
    return d.stacks.by_name(arn, "AWS::Batch::JobQueue")


def test_every_job_runs_as_the_role_of_bulk_work_and_is_told_of_photos_and_index(
    d: Deployment,
) -> None:
    found = jobs(d.stacks)
    assert len(found) == (2 if d.config.gpu else 1)
    assert len({job.role for job in found}) == 1
    (statement,) = trusted(d.rights.role(found[0].role))
    assert statement.principals == (("Service", "ecs-tasks.amazonaws.com"),)
    for job in found:
        settings = Settings.load({"AWS_REGION": REGION, **job.environment})
        assert (settings.bucket, settings.thumbnails_bucket) == (d.photos, d.thumbnails)
        assert (settings.index, settings.opensearch_auth) == ("opensearch", "iam")
        assert settings.opensearch_url.startswith("https://")
        assert unknown_to_settings(job) == set()


def unknown_to_settings(job: Job) -> set[str]:
    ours = {name for name in job.environment if name.startswith(PREFIX)}
    return ours - {PREFIX + name.upper() for name in Settings.__dataclass_fields__}


def test_the_images_of_functions_and_jobs_come_from_the_repository_of_the_builds(
    d: Deployment,
) -> None:
    (repository,) = d.stacks.of_type("AWS::ECR::Repository")
    uri = repository.attribute("RepositoryUri")
    images = [
        r.properties["Code"]["ImageUri"]
        for r in d.stacks.of_type("AWS::Lambda::Function")
        if r.properties.get("PackageType") == "Image"
    ]
    images += [job.resource.properties["ContainerProperties"]["Image"] for job in jobs(d.stacks)]
    tags = {image.removeprefix(f"{uri}:").partition("-")[0] for image in images}
    assert tags == ({"embedder", "batch", "gpu"} if d.config.gpu else {"embedder", "batch"})
    machine = {"arm64": "arm64"}.get(d.config.architecture, "x86_64")
    for function in d.stacks.of_type("AWS::Lambda::Function"):
        if function.properties.get("PackageType") == "Image":
            assert function.properties["Architectures"] == [machine]


# --- alarms → topic → a person ------------------------------------------------------------------


def test_every_alarm_tells_the_topic_which_cloudwatch_may_write_to(d: Deployment) -> None:
    alarms = d.stacks.of_type("AWS::CloudWatch::Alarm")
    (topic,) = d.stacks.of_type("AWS::SNS::Topic")
    assert len(alarms) >= 4
    for alarm in alarms:
        assert topic.arn in alarm.properties["AlarmActions"], alarm.place
    asked = ("cloudwatch.amazonaws.com", "sns:Publish", topic.arn)
    assert d.rights.decide(*asked, aws__SourceAccount=ACCOUNT)
    assert not d.rights.decide(*asked, aws__SourceAccount="999999999999")


def test_an_alarm_looks_at_each_queue_of_this_deployment(d: Deployment) -> None:
    looked = json.dumps([a.properties for a in d.stacks.of_type("AWS::CloudWatch::Alarm")])
    for queue in d.queues:
        assert json.dumps({"Name": "QueueName", "Value": queue.name}) in looked, queue.place
