"""A photo put into the bucket is found by searching, on the way that the template lays: by its
queues and notifications, and the functions that its mapping and API name, each in a process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import issuer
from tests.infra.callers import Caller, identity, keep_cookie_key, person
from tests.infra.cloudformation_played import CloudFormation, cloudformation
from tests.infra.deployments import Deployment, deployment
from tests.infra.functions_read import function_of, running
from tests.infra.played import Played, played
from tests.infra.stacks_read import ACCOUNT, REGION, Resource
from tests.infra.template_reader import moto_process
from tests.integration.pictures import plain
from tests.opensearch_server import Server

THEIRS = {
    "QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:theirs",
    "Events": ["s3:ObjectTagging:*"],
}
"""A notification that the existing bucket had before."""


@contextmanager
def deployed(
    d: Deployment, node: Server, folder: Path, seed: int
) -> Iterator[tuple[Played, Caller]]:
    with (
        moto_process() as endpoint,
        issuer.serving() as signs,
        cloudformation() as cloud,
        played(d.stacks, endpoint, node.url, folder, seed=seed, issuer=signs.url) as place,
    ):
        if d.config.bucket:
            make_old_bucket(place)
        for setting in d.stacks.of_type("Custom::BucketSetting"):
            call_for(setting, place, cloud)
        if d.config.auth == "cognito":
            keep_cookie_key(place)
            yield place, person(place, signs)
        else:
            yield place, identity()


def make_old_bucket(place: Played) -> None:
    built = place.built
    built.sqs.create_queue(QueueName="theirs")
    built.make_bucket(place.photos)
    built.s3.put_bucket_notification_configuration(
        Bucket=place.photos, NotificationConfiguration={"QueueConfigurations": [THEIRS]}
    )


def call_for(setting: Resource, place: Played, cloud: CloudFormation) -> None:
    """What CloudFormation does to make a custom resource: it calls the function that the template
    names, with the properties that stand there."""
    properties = setting.properties
    (resource,) = (
        r
        for r in place.stacks.of_type("AWS::Lambda::Function")
        if r.arn == properties["ServiceToken"]
    )
    event = {
        "RequestType": "Create",
        "ResponseURL": f"{cloud.url}/answer",
        "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{setting.stack}/1",
        "RequestId": setting.id,
        "LogicalResourceId": setting.id,
        "ResourceType": setting.type,
        "ResourceProperties": properties,
    }
    where = {"AWS_ENDPOINT_URL": place.built.endpoint}
    log = place.folder / f"{setting.id}.log"
    with running(function_of(resource), where, log) as function:
        function.invoke(event)
    assert cloud.answers[-1]["Status"] == "SUCCESS", cloud.answers[-1]["Reason"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("choice", "seed"), [("AWS identities", 70_101), ("an existing bucket", 70_102)]
)
def test_a_photo_that_is_put_into_the_bucket_is_found_on_the_way_that_the_template_lays(
    choice: str, seed: int, opensearch_node: Server, tmp_path: Path
) -> None:
    d = deployment(choice)
    with deployed(d, opensearch_node, tmp_path, seed) as (place, caller):
        place.put("trips/a red & blue+1.jpg", plain("red"))
        place.put("trips/green.jpg", plain("green"))
        messages = [m for m in place.work_off() if "Records" in m["body"]]
        assert {m["eventSourceARN"] for m in messages} == {d.ingest.arn}
        assert [names(m) for m in messages] == [("ObjectCreated:Put", d.photos)] * 2
        assert found(place, caller) == ["trips/a red & blue+1.jpg", "trips/green.jpg"]
        place.remove("trips/a red & blue+1.jpg")
        assert [names(m) for m in place.work_off()] == [("ObjectRemoved:Delete", d.photos)]
        assert found(place, caller) == ["trips/green.jpg"]
        if d.config.bucket:
            rows = told(place)
            assert {row["QueueArn"] for row in rows} == {THEIRS["QueueArn"], d.ingest.arn}
            (kept,) = (row for row in rows if row["QueueArn"] == THEIRS["QueueArn"])
            assert kept["Events"] == THEIRS["Events"]


def names(message: dict[str, Any]) -> tuple[str, str]:
    """(event, bucket)."""
    (record,) = json.loads(message["body"])["Records"]
    return record["eventName"], record["s3"]["bucket"]["name"]


def found(place: Played, caller: Caller) -> list[str]:
    place.refresh()
    # A random model says which is closer, not which is close enough.
    answer = place.ask("GET", "/search", query={"q": "red", "closest": "true"}, **caller)
    assert answer.status == 200, answer
    return [item["key"] for item in answer.json["items"]]


def told(place: Played) -> list[dict[str, Any]]:
    answer = place.built.s3.get_bucket_notification_configuration(Bucket=place.photos)
    rows: list[dict[str, Any]] = answer["QueueConfigurations"]
    return rows
