"""What watches the deployment looks at the resources of this deployment, and at what they write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.config import Config
from tests.infra.stacks_read import Resource, Stacks
from tests.infra.synthesized import templates

CONFIG = Config(name="our-photos", email="anna@example.org", budget=20)
FUNCTIONS = ("AWS::Lambda::Function", "AWS::Serverless::Function")


@pytest.fixture(scope="module")
def stacks() -> Stacks:
    return Stacks({f"{CONFIG.name}-{name}": made for name, made in templates(CONFIG).items()})


def alarms(stacks: Stacks) -> dict[str, Resource]:
    found = stacks.of_type("AWS::CloudWatch::Alarm")
    return {alarm.properties["AlarmName"].partition(": ")[2]: alarm for alarm in found}


def looked_at(alarm: Resource) -> list[tuple[str, str, dict[str, str]]]:
    """(namespace, name, dimensions) of each metric of an alarm."""
    found = []
    for part in [alarm.properties, *alarm.properties.get("Metrics", [])]:
        about = part.get("MetricStat", {}).get("Metric") or part
        if "MetricName" in about:
            dimensions = {d["Name"]: d["Value"] for d in about.get("Dimensions", [])}
            found.append((about["Namespace"], about["MetricName"], dimensions))
    return found


def ours(stacks: Stacks) -> list[Resource]:
    """Functions that run our code, by what the settings say."""
    return [
        function
        for function in stacks.of_type(*FUNCTIONS)
        if "IMAGES_BUCKET" in variables_of(function)
    ]


def variables_of(function: Resource) -> dict[str, Any]:
    found: dict[str, Any] = function.properties.get("Environment", {}).get("Variables", {})
    return found


def test_the_queues_that_are_watched_are_the_embedders(stacks: Stacks) -> None:
    (mapping,) = stacks.of_type("AWS::Lambda::EventSourceMapping")
    ingest = stacks.by_name(mapping.properties["EventSourceArn"], "AWS::SQS::Queue")
    ((_, _, waits),) = looked_at(alarms(stacks)["work waits"])
    assert waits == {"QueueName": ingest.name}
    letters = json.dumps(ingest.properties["RedrivePolicy"]["deadLetterTargetArn"])
    ((_, _, dead),) = looked_at(alarms(stacks)["dead letters"])
    assert json.loads(letters).endswith(f":{dead['QueueName']}")


def test_each_function_of_ours_has_an_alarm_of_its_own(stacks: Stacks) -> None:
    named = {
        dimensions["FunctionName"]
        for name, alarm in alarms(stacks).items()
        if name.endswith("function ends early")
        for _, _, dimensions in looked_at(alarm)
    }
    assert named == {function.name for function in ours(stacks)}
    assert len(named) == 3


def test_functions_write_their_metrics_where_the_alarms_look(stacks: Stacks) -> None:
    written = {variables_of(function)["IMAGES_METRICS"] for function in ours(stacks)}
    asked = {
        namespace
        for alarm in alarms(stacks).values()
        for namespace, _, _ in looked_at(alarm)
        if not namespace.startswith("AWS/")
    }
    assert written == asked == {CONFIG.name}


def test_the_api_is_measured_under_the_deployments_name(stacks: Stacks) -> None:
    (api,) = stacks.of_type("AWS::Serverless::Api")
    ((_, _, dimensions),) = looked_at(alarms(stacks)["API fails"])
    assert dimensions == {
        "ApiName": api.properties["DefinitionBody"]["info"]["title"],
        "Stage": api.properties["StageName"],
    }
    assert dimensions["ApiName"] == CONFIG.name


def test_the_domain_that_is_watched_is_the_one_that_is_made(stacks: Stacks) -> None:
    (domain,) = stacks.of_type("AWS::OpenSearchService::Domain")
    ((_, _, dimensions),) = looked_at(alarms(stacks)["index red"])
    assert dimensions == {
        "DomainName": domain.properties["DomainName"],
        "ClientId": stacks.account,
    }


def test_questions_are_asked_of_the_logs_of_all_that_runs(stacks: Stacks) -> None:
    groups = {function.properties["LoggingConfig"]["LogGroup"] for function in ours(stacks)}
    for definition in stacks.of_type("AWS::Batch::JobDefinition"):
        container = json.dumps(definition.properties)
        (group,) = {
            log.name
            for log in stacks.of_type("AWS::Logs::LogGroup")
            if f'"{log.name}"' in container
        }
        groups.add(group)
    queries = stacks.of_type("AWS::Logs::QueryDefinition")
    assert len(queries) >= 10
    assert all(set(query.properties["LogGroupNames"]) == groups for query in queries)


def test_jobs_of_every_queue_are_told_of_when_they_fail(stacks: Stacks) -> None:
    (rule,) = (
        rule
        for rule in stacks.of_type("AWS::Events::Rule")
        if rule.properties.get("EventPattern", {}).get("source") == ["aws.batch"]
    )
    queues = {queue.arn for queue in stacks.of_type("AWS::Batch::JobQueue")}
    assert set(rule.properties["EventPattern"]["detail"]["jobQueue"]) == queues
    assert len(queues) == 2


@pytest.mark.parametrize("on", [True, False])
def test_traces_are_on_everywhere_or_nowhere(on: bool) -> None:
    config = Config(traces=on)
    stacks = Stacks({f"{config.name}-{name}": made for name, made in templates(config).items()})
    for function in ours(stacks):
        assert variables_of(function)["IMAGES_TRACES"] == ("true" if on else "false")
        mode = (function.properties.get("TracingConfig") or {}).get("Mode")
        mode = mode or function.properties.get("Tracing")
        assert (mode == "Active") == on
    (api,) = stacks.of_type("AWS::Serverless::Api")
    assert api.properties["TracingEnabled"] == on
    assert ("xray:PutTraceSegments" in json.dumps(stacks.templates)) == on


def test_what_is_drawn_is_of_this_deployment(stacks: Stacks) -> None:
    (page,) = stacks.of_type("AWS::CloudWatch::Dashboard")
    body = page.properties["DashboardBody"]
    widgets = json.loads(body)["widgets"]
    assert len(widgets) > 15
    for function in ours(stacks):
        assert function.name in body
    assert f'{{\\"{CONFIG.name}\\",\\"code\\",\\"service\\"}}' in body.replace('\\\\"', '\\"')
