"""What watches a deployment: each alarm looks at something that there is, and says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from chalicelib import measures as api_measures
from chalicelib import wiring
from chalicelib.deadletters import DeadLetters
from container_embedder import measures
from container_embedder.handler import process
from infra.config import Config
from tests.fakes.queue import MemoryQueue
from tests.infra.watched_stack import (
    LOGS,
    QUEUE,
    WATCHED,
    Asked,
    alarms,
    folder,
    metrics_of,
    metrics_on,
    of_kind,
    page,
    period_of,
    searches_on,
    template,
)
from tests.unit.emf import Metric, metrics_in
from tests.unit.test_api import Site
from tests.unit.test_handler import message, s3_record

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs" / "operations.md").read_text()
CONFIG = Config(email="anna@example.org", budget=50)

OF_AWS = {
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": (
        {"QueueName"},
        {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfMessagesSent",
        },
    ),
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda": (
        {"FunctionName"},
        {"ConcurrentExecutions", "Duration", "Errors", "Invocations", "Throttles"},
    ),
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    "AWS/ApiGateway": (
        {"ApiName", "Stage"},
        {"4XXError", "5XXError", "Count", "IntegrationLatency", "Latency"},
    ),
    # https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-cloudwatchmetrics.html
    "AWS/ES": (
        {"ClientId", "DomainName"},
        {
            "CPUUtilization",
            "ClusterIndexWritesBlocked",
            "ClusterStatus.red",
            "ClusterStatus.yellow",
            "FreeStorageSpace",
            "JVMMemoryPressure",
        },
    ),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html
    "AWS/S3": ({"BucketName", "StorageType"}, {"BucketSizeBytes", "NumberOfObjects"}),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/monitor_estimated_charges_with_cloudwatch.html
    "AWS/Billing": ({"Currency"}, {"EstimatedCharges"}),
}
"""The metrics that AWS has, of those that are good for us: dimensions and names."""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[Metric]:
    """What the code really writes: images that end in every way, requests that do."""
    site = Site()
    monkeypatch.setattr(wiring, "services", lambda: site.services)
    library = site.known
    for room in (measures, api_measures):
        room.under(WATCHED.namespace)
    for key, data in {"a": b"a", "broken": b"BROKEN", "cold": b"c", "gone": b"g"}.items():
        library.put(key, data)
    library.bucket.archived.add("cold")
    letters = DeadLetters(MemoryQueue(), None)

    def look(*keys: str) -> None:
        batch = [message(key, s3_record(key)) for key in keys] + [message("odd", body="odd")]
        with measures.invocation(len(batch)):
            process({"Records": batch}, library.ingest(), "photos", None, letters=letters)

    look("a", "broken", "cold", "gone")
    library.bucket.delete("gone")
    look("a", "gone")
    library.bucket.down = True
    look("a")
    site.call("GET", "/search?q=x")
    site.call("GET", "/search?q=x&collection=nothing")
    file = {"name": "x.jpg", "type": "image/jpeg", "size": 1}
    library.bucket.down = False
    site.call("POST", "/uploads", {"files": [file]})
    site.index.down = True
    site.call("GET", "/search?q=x")
    for room in (measures, api_measures):
        room.under("")
    return metrics_in(capsys.readouterr().out)


def test_every_metric_that_is_looked_at_is_one_that_there_is(written: list[Metric]) -> None:
    ours = {Asked(m.namespace, m.name, m.dimensions) for m in written}
    made = template(CONFIG)
    asked = {metric for alarm in alarms(made).values() for metric, _ in metrics_of(alarm)}
    asked |= {metric for widget in page(made) for metric in metrics_on(widget)}
    assert len(asked) > 40
    for metric in asked:
        if metric.namespace in OF_AWS:
            dimensions, names = OF_AWS[metric.namespace]
            assert metric.name in names
            assert {name for name, _ in metric.dimensions} == dimensions
        else:
            assert metric in ours


def test_what_is_drawn_by_reason_or_code_is_written_so(written: list[Metric]) -> None:
    found = {
        (
            m.namespace,
            m.name,
            tuple(name for name, _ in m.dimensions),
            dict(m.dimensions)["service"],
        )
        for m in written
    }
    known = [search for widget in page(template(CONFIG)) for search in searches_on(widget)]
    assert len(known) == 2
    for search in known:
        schema, name, service = re.fullmatch(
            r"SEARCH\('\{(.*?)\} MetricName=\"(\w+)\" service=\"(\w+)\"', 'Sum', 300\)", search
        ).groups()  # type: ignore[union-attr]
        namespace, *dimensions = re.findall(r'"([^"]+)"', schema)
        assert (namespace, name, tuple(sorted(dimensions)), service) in found


def test_all_that_api_and_search_write_is_counted_and_explained(written: list[Metric]) -> None:
    names = {m.name for m in written if ("service", "api") in m.dimensions}
    assert names == set(api_measures.UNITS)
    for metric in {m.name for m in written}:
        assert f"`{metric}`" in MANUAL


def test_each_alarm_tells_the_topic_says_what_to_do_and_has_a_row_in_the_manual() -> None:
    made = template(CONFIG)
    (topic,) = [n for n, r in made["Resources"].items() if r["Type"] == "AWS::SNS::Topic"]
    rows = MANUAL[MANUAL.index("### Alarms") :]
    for name, alarm in alarms(made).items():
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert alarm["AlarmDescription"].endswith("docs/operations.md#alarms")
        assert len(alarm["AlarmDescription"]) > 80
        assert alarm["TreatMissingData"] in ("notBreaching", "breaching", "ignore")
        assert f"| {name} |" in rows
    listed = re.findall(r"^\| ([a-zA-Z ]+) \| .* \| .* \|$", rows.split("\n\n## ")[0], re.MULTILINE)
    assert set(listed) - {"alarm", "job failed"} == set(alarms(made))


def test_the_alarms_cost_what_the_decision_says() -> None:
    looked_at = sum(len(list(metrics_of(alarm))) for alarm in alarms(template(CONFIG)).values())
    decision = (ROOT / "docs/adr/0028-seeing-what-happens.md").read_text()
    assert f"{looked_at} metrics" in decision


def test_the_dashboard_stays_within_what_costs_nothing() -> None:
    """Three pages of fifty metrics each
    (https://aws.amazon.com/cloudwatch/pricing/, free tier)."""
    widgets = page(template(CONFIG))
    assert len([metric for widget in widgets for metric in metrics_on(widget)]) <= 50


def test_the_page_asks_five_questions_from_top_to_bottom() -> None:
    texts = [w for w in page(template(CONFIG)) if w["type"] == "text"]
    questions = [w["properties"]["markdown"] for w in sorted(texts, key=lambda w: int(w["y"]))]
    assert questions == [
        "## Is it up?",
        "## Is work waiting?",
        "## Is it fast?",
        "## What failed?",
        "## What does it cost?",
    ]
    assert all(w["x"] + w["width"] <= 24 for w in page(template(CONFIG)))


def test_what_is_measured_by_the_day_is_drawn_over_days_and_every_line_has_its_own_name() -> None:
    for widget in page(template(CONFIG)):
        about = widget["properties"]
        last = [row[-1] for row in about.get("metrics", []) if isinstance(row[-1], dict)]
        daily = any(options.get("period", 300) > 3600 for options in last)
        assert daily == ("start" in about)
        shown = [o["label"] for o in last if "label" in o and o.get("visible", True)]
        assert len(shown) == len(set(shown))


def test_a_letter_calls_at_once_and_the_alarm_stays_until_it_is_gone() -> None:
    alarm = alarms(template(CONFIG))["dead letters"]
    ((metric, statistic),) = metrics_of(alarm)
    assert metric == Asked(
        "AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", "letters"),)
    )
    assert (statistic, alarm["Threshold"], alarm["EvaluationPeriods"]) == ("Maximum", 1, 1)
    # After six hours without a request a queue is measured no more.
    assert alarm["TreatMissingData"] == "ignore"


def test_a_domain_that_says_nothing_counts_as_red() -> None:
    alarm = alarms(template(CONFIG))["index red"]
    assert (alarm["TreatMissingData"], period_of(alarm)) == ("breaching", 60)


def test_the_disk_calls_at_a_quarter_of_its_size() -> None:
    for size in (10, 100):
        alarm = alarms(template(Config(opensearch_volume_gb=size)))["index disk"]
        assert alarm["ComparisonOperator"] == "LessThanOrEqualToThreshold"
        assert alarm["Threshold"] == size * 1024 / 4


def test_a_message_that_fails_comes_again_within_the_time_that_its_alarm_looks_at() -> None:
    alarm = alarms(template(CONFIG))["messages fail"]
    assert period_of(alarm) >= CONFIG.visibility_timeout
    assert alarm["EvaluationPeriods"] == alarm["DatapointsToAlarm"] == 2


def test_each_function_has_its_alarm_and_all_of_them_are_counted_when_throttled() -> None:
    found = alarms(template(CONFIG))
    for which, name in WATCHED.functions.items():
        ((metric, _),) = metrics_of(found[f"{which} function ends early"])
        assert metric == Asked("AWS/Lambda", "Errors", (("FunctionName", name),))
    throttled = [metric for metric, _ in metrics_of(found["throttled"])]
    assert {dict(metric.dimensions)["FunctionName"] for metric in throttled} == set(
        WATCHED.functions.values()
    )


def test_a_domain_of_somebody_elses_has_no_alarms_here() -> None:
    named = set(alarms(template(CONFIG))) - set(alarms(template(CONFIG, ours=False)))
    assert named
    assert all(name.startswith("index ") for name in named)
    assert "AWS/ES" not in json.dumps(template(CONFIG, ours=False))


# --- who is told ------------------------------------------------------------------------------


def test_alarms_events_and_the_budget_may_write_to_the_encrypted_topic() -> None:
    made = template(CONFIG)
    (topic,) = of_kind(made, "AWS::SNS::Topic")
    assert "KmsMasterKeyId" in topic
    (policy,) = of_kind(made, "AWS::SNS::TopicPolicy")
    (key,) = of_kind(made, "AWS::KMS::Key")
    assert key["EnableKeyRotation"] is True
    for where, action in (
        (policy["PolicyDocument"], "sns:Publish"),
        (key["KeyPolicy"], "kms:GenerateDataKey"),
    ):
        allowed = {}
        for statement in where["Statement"]:
            service = statement["Principal"]
            service = service.get("Service") if isinstance(service, dict) else None
            if statement["Effect"] == "Allow" and service and action in statement["Action"]:
                allowed[service] = statement.get("Condition", {})
        assert set(allowed) == {
            f"{name}.amazonaws.com" for name in ("cloudwatch", "budgets", "events")
        }
        for service in ("cloudwatch", "budgets"):
            asked = allowed[f"{service}.amazonaws.com"]["StringEquals"]["aws:SourceAccount"]
            assert asked in ("123456789012", {"Ref": "AWS::AccountId"})
        assert allowed["events.amazonaws.com"] == {}


def test_what_does_not_come_by_tls_is_refused() -> None:
    (policy,) = of_kind(template(CONFIG), "AWS::SNS::TopicPolicy")
    refused = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
    assert [s["Condition"] for s in refused] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_mails_go_to_who_is_named_and_to_nobody_otherwise() -> None:
    (mail,) = of_kind(template(CONFIG), "AWS::SNS::Subscription")
    assert (mail["Protocol"], mail["Endpoint"]) == ("email", "anna@example.org")
    assert of_kind(template(Config()), "AWS::SNS::Subscription") == []


def test_a_job_that_failed_is_told_of() -> None:
    (rule,) = of_kind(template(CONFIG), "AWS::Events::Rule")
    assert rule["EventPattern"] == {
        "source": ["aws.batch"],
        "detail-type": ["Batch Job State Change"],
        "detail": {"status": ["FAILED"], "jobQueue": [QUEUE]},
    }
    (target,) = rule["Targets"]
    assert set(target["InputTransformer"]["InputPathsMap"].values()) == {
        "$.detail.jobName",
        "$.detail.statusReason",
    }


def test_a_budget_is_kept_where_one_is_named() -> None:
    assert of_kind(template(Config()), "AWS::Budgets::Budget") == []
    (made,) = of_kind(template(CONFIG), "AWS::Budgets::Budget")
    assert made["Budget"]["BudgetLimit"] == {"Amount": 50, "Unit": "USD"}
    assert "CostFilters" not in made["Budget"]
    told = made["NotificationsWithSubscribers"]
    assert [
        (n["Notification"]["NotificationType"], n["Notification"]["Threshold"]) for n in told
    ] == [("ACTUAL", 80), ("FORECASTED", 100)]
    mail = {"Address": "anna@example.org", "SubscriptionType": "EMAIL"}
    assert [n["Subscribers"] for n in told] == [[mail], [mail]]
    (nobody,) = of_kind(template(Config(budget=5)), "AWS::Budgets::Budget")
    (by_topic,) = nobody["NotificationsWithSubscribers"][0]["Subscribers"]
    assert by_topic["SubscriptionType"] == "SNS"


def test_every_question_is_at_hand_in_the_console_over_all_logs() -> None:
    made = {q["Name"]: q for q in of_kind(template(CONFIG), "AWS::Logs::QueryDefinition")}
    files = {path.stem: path.read_text() for path in (ROOT / "infra/queries").glob("*.txt")}
    assert {name: query["QueryString"] for name, query in made.items()} == {
        f"{CONFIG.name}/{stem.replace('-', ' ')}": text for stem, text in files.items()
    }
    assert all(query["LogGroupNames"] == list(LOGS) for query in made.values())
    assert all(stem.replace("-", " ") in MANUAL for stem in files)


@pytest.mark.parametrize(
    "config", [CONFIG, Config(), Config(budget=5)], ids=["all", "least", "sns"]
)
def test_no_rule_of_aws_solutions_is_broken(config: Config) -> None:
    # A rule that is broken without a reason raises; one with a reason is reported.
    report = json.loads((folder(config) / "validation-report.json").read_text())
    assert report["pluginReports"] == []
