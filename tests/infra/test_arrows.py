"""Each arrow of docs/architecture.md, at both of its ends, in every deployment."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.config import PREFIX, Settings
from tests.infra.deployments import ALL, OWN_BUCKET, OWN_DOMAIN, Deployment, deployment
from tests.infra.functions_read import Function
from tests.infra.played import API, EMBEDDER, SEARCH, kinds
from tests.infra.stacks_read import ACCOUNT, REGION, Resource

pytestmark = pytest.mark.xdist_group("stacks")

EVENTS = {
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:LifecycleExpiration:*",
    "s3:ObjectRestore:Completed",
}

FORTNIGHT = 14 * 24 * 3600


@pytest.fixture(params=ALL)
def d(request: pytest.FixtureRequest) -> Deployment:
    return deployment(request.param)


# --- bucket → queue ---------------------------------------------------------------------------


@pytest.mark.parametrize("choice", OWN_BUCKET)
def test_the_photos_bucket_tells_the_ingest_queue_of_exactly_these_events(choice: str) -> None:
    d = deployment(choice)
    told = {
        (bucket.name, row["Event"], row["Queue"])
        for bucket in d.stacks.of_type("AWS::S3::Bucket")
        for row in bucket.properties.get("NotificationConfiguration", {}).get(
            "QueueConfigurations", []
        )
    }
    assert told == {(d.photos, event, d.ingest.arn) for event in EVENTS}
    for bucket in d.stacks.of_type("AWS::S3::Bucket"):
        given = bucket.properties.get("NotificationConfiguration", {})
        assert set(given) <= {"QueueConfigurations"}
        assert not any(
            set(row) - {"Event", "Queue"} for row in given.get("QueueConfigurations", [])
        )


def may_send(
    d: Deployment, queue: Resource, *, caller: str = "s3.amazonaws.com", **context: str
) -> bool:
    asked = {"aws__SourceArn": f"arn:aws:s3:::{d.photos}", "aws__SourceAccount": ACCOUNT} | context
    return bool(d.rights.decide(caller, "sqs:SendMessage", queue.arn, **asked))


def test_the_queue_takes_messages_of_this_bucket_in_this_account_and_of_nobody_else(
    d: Deployment,
) -> None:
    if d.config.events == "sqs":
        assert may_send(d, d.ingest)
    else:
        assert not may_send(d, d.ingest)
    assert not may_send(d, d.ingest, aws__SourceArn="arn:aws:s3:::other-photos")
    assert not may_send(d, d.ingest, aws__SourceArn=f"arn:aws:s3:::{d.photos}-2")
    assert not may_send(d, d.ingest, aws__SourceAccount="999999999999")
    assert not may_send(d, d.ingest, aws__SecureTransport="false")
    assert not may_send(d, d.ingest, caller="sns.amazonaws.com")
    assert not may_send(d, d.dead_letters)
    for queue in d.queues:
        assert not d.rights.decide("s3.amazonaws.com", "sqs:ReceiveMessage", queue.arn)


# --- queue → dead letters, queue → embedder ------------------------------------------------------


def test_what_was_received_as_often_as_the_embedder_thinks_goes_to_the_dead_letters(
    d: Deployment,
) -> None:
    redrive = d.ingest.properties["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == d.dead_letters.arn
    environment = kinds(d.stacks)[EMBEDDER].environment
    assert str(redrive["maxReceiveCount"]) == environment["IMAGES_MAX_RECEIVES"] == "5"
    assert [q.properties["MessageRetentionPeriod"] for q in d.queues] == [FORTNIGHT, FORTNIGHT]


def test_the_queue_feeds_the_embedder_which_says_which_messages_failed(d: Deployment) -> None:
    (mapping,) = d.stacks.of_type("AWS::Lambda::EventSourceMapping")
    embedder = kinds(d.stacks)[EMBEDDER]
    p, config = mapping.properties, d.config
    assert p["EventSourceArn"] == d.ingest.arn
    assert p["FunctionName"] in (embedder.resource.name, embedder.resource.arn)
    assert p.get("FunctionResponseTypes") == ["ReportBatchItemFailures"]
    assert p["BatchSize"] == config.batch_size
    assert p["MaximumBatchingWindowInSeconds"] == config.batch_window
    assert p["ScalingConfig"] == {"MaximumConcurrency": config.max_concurrency}
    assert p.get("Enabled", True) is True
    assert "FilterCriteria" not in p
    assert "ReservedConcurrentExecutions" not in embedder.resource.properties


def test_a_message_stays_hidden_for_six_times_the_functions_time_and_the_window(
    d: Deployment,
) -> None:
    embedder = kinds(d.stacks)[EMBEDDER]
    window = d.config.batch_window
    assert d.ingest.properties["VisibilityTimeout"] >= 6 * embedder.seconds + window


# --- what each function is told -----------------------------------------------------------------


def needed(d: Deployment, kind: str) -> dict[str, Any]:
    """What the code of each function needs to be told of, as `Settings` has it."""
    if d.config.opensearch_url:
        url = d.config.opensearch_url
    else:
        (domain,) = d.stacks.of_type("AWS::OpenSearchService::Domain")
        url = f"https://{domain.attribute('DomainEndpoint')}"
    told: dict[str, Any] = {
        "bucket": d.photos,
        "thumbnails_bucket": d.thumbnails,
        "index": "opensearch",
        "opensearch_url": url,
        "opensearch_auth": "iam",
    }
    if kind != EMBEDDER:
        told |= who_may_call(d)
    if kind != SEARCH:
        told["queue_url"] = d.ingest.ref
        told["dead_letter_queue_url"] = d.dead_letters.ref
    return told


def who_may_call(d: Deployment) -> dict[str, Any]:
    if d.config.auth == "iam":
        return {"auth": "iam", "token_issuer": "", "cookie_key_id": ""}
    (pool,) = d.stacks.of_type("AWS::Cognito::UserPool")
    (key,) = d.stacks.of_type("AWS::CloudFront::PublicKey")
    issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{pool.name}"
    return {"auth": "cognito", "token_issuer": issuer, "cookie_key_id": key.name}


def settings_of(function: Function) -> Settings:
    """As they are read in Lambda."""
    told = {"AWS_LAMBDA_FUNCTION_NAME": function.resource.name, "AWS_REGION": REGION}
    return Settings.load({**told, **function.environment})


@pytest.mark.parametrize("kind", [API, SEARCH, EMBEDDER])
def test_each_function_is_told_of_the_resources_that_its_code_needs(
    d: Deployment, kind: str
) -> None:
    settings = settings_of(kinds(d.stacks)[kind])
    wanted = needed(d, kind)
    assert {name: getattr(settings, name) for name in wanted} == wanted


def test_no_function_is_told_what_no_setting_reads(d: Deployment) -> None:
    known = {PREFIX + name.upper() for name in Settings.__dataclass_fields__}
    for function in kinds(d.stacks).values():
        ours = {name for name in function.environment if name.startswith(PREFIX)}
        assert ours <= known, function.resource.place


# --- functions → domain ---------------------------------------------------------------------------


@pytest.mark.parametrize("choice", OWN_DOMAIN)
def test_the_domain_admits_exactly_the_roles_of_the_functions_and_of_bulk_work(choice: str) -> None:
    d = deployment(choice)
    (domain,) = d.stacks.of_type("AWS::OpenSearchService::Domain")
    admitted = {
        name
        for statement in d.rights.of_resource(domain.arn)
        for kind, name in statement.principals or ()
        if (kind, statement.allow) == ("AWS", True)
    }
    roles = {f.role for f in kinds(d.stacks).values()} | {batch_role(d).arn}
    assert admitted == roles
    options = domain.properties["AdvancedOptions"]
    assert options["rest.action.multi.allow_explicit_index"] == "false"
    assert domain.properties["DomainEndpointOptions"]["EnforceHTTPS"] is True
    assert domain.properties["EncryptionAtRestOptions"]["Enabled"] is True


def batch_role(d: Deployment) -> Resource:
    (role,) = (r for r in d.stacks.of_type("AWS::IAM::Role") if r.id.startswith("RolesBatch"))
    return role
