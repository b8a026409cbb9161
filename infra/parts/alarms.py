"""When somebody is called: each rule with what it watches and what to do when it speaks.

docs/operations.md has a row for each; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.config import Config
from infra.parts.measured import FIVE_MINUTES, MINUTE, Watched

Missing = cloudwatch.TreatMissingData

WAITED_S = 3600
"""An image that waits so long was not seen to; a backfill by events may take longer, and may."""
SLOW_MS = 2000
"""A person who types waits no longer without wondering."""
FAILING_SHARE = 0.05
FREE_SHARE = 0.25
"""Of each node's disk
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/cloudwatch-alarms.html)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """It speaks when the metric was at `limit` or beyond in `times` of the last `of` periods."""

    name: str
    metric: cloudwatch.IMetric
    limit: float
    do: str
    times: int = 3
    of: int = 3
    at_most: bool = False
    """Whether low values are the bad ones."""
    missing: cloudwatch.TreatMissingData = Missing.NOT_BREACHING
    """Where nothing happens nothing is measured: by default that is well."""


def rules(config: Config, watched: Watched) -> Iterator[Rule]:
    yield from _of_the_queue(watched)
    yield from _of_the_functions(watched)
    yield from _of_the_api(watched)
    if watched.domain:
        yield from _of_the_domain(config, watched)


def _of_the_queue(watched: Watched) -> Iterator[Rule]:
    yield Rule(
        name="dead letters",
        metric=watched.sqs("ApproximateNumberOfMessagesVisible", of_dead_letters=True),
        limit=1,
        times=1,
        of=1,
        # A queue that nobody asks for six hours is no longer measured, with letters in it or not.
        missing=Missing.IGNORE,
        do="Messages were given up. The page, GET /dead-letters and the query 'dead letters' say "
        "why; mend that, then send them back.",
    )
    yield Rule(
        name="work waits",
        metric=watched.sqs("ApproximateAgeOfOldestMessage"),
        limit=WAITED_S,
        do="An image has waited for an hour. In a backfill that is as it must be: raise "
        "max_concurrency to hurry. Else see the embedder's errors and whether its mapping is on.",
    )
    yield Rule(
        name="messages fail",
        # One message comes again after the visibility timeout, a quarter of an hour at most.
        metric=watched.own("embedder", "FailedMessages", "Sum", Duration.minutes(15)),
        limit=1,
        times=2,
        of=2,
        do="Images fail and come again. The query 'what failed' says why; after five times they "
        "are dead letters.",
    )


def _of_the_functions(watched: Watched) -> Iterator[Rule]:
    for which in watched.functions:
        yield Rule(
            name=f"{which} function ends early",
            metric=watched.function(which, "Errors", "Sum"),
            limit=1,
            times=2,
            do="Invocations end without an answer: out of time, out of memory, or killed. See the "
            "log's last lines and REPORT of such a request; give more memory or time.",
        )
    short = {which: watched.function(which, "Throttles", "Sum") for which in watched.functions}
    yield Rule(
        name="throttled",
        metric=cloudwatch.MathExpression(
            expression=" + ".join(short),
            using_metrics=dict(short),
            period=FIVE_MINUTES,
            label="throttled invocations",
        ),
        limit=1,
        do="The account's concurrency is used up. Ask for more (new accounts have ten in all) or "
        "lower max_concurrency.",
    )


def _of_the_api(watched: Watched) -> Iterator[Rule]:
    yield Rule(
        name="API fails",
        metric=watched.gateway("5XXError", "Average"),
        limit=FAILING_SHARE,
        do="One request in twenty or more fails by our doing. Ask GET /health: the log then says "
        "which part is away (message 'health'); the query 'errors by code' says what was met.",
    )
    yield Rule(
        name="slow searches",
        metric=watched.own("api", "SearchTotal", "p95"),
        limit=SLOW_MS,
        do="One search in twenty takes two seconds or more. The dashboard shows whether the words "
        "or the index take them: give search_memory, or the domain memory.",
    )


def _of_the_domain(config: Config, watched: Watched) -> Iterator[Rule]:
    """As https://docs.aws.amazon.com/opensearch-service/latest/developerguide/cloudwatch-alarms.html
    recommends, but red after three minutes, so that no figures at all may count as red."""
    yield Rule(
        name="index red",
        metric=watched.cluster("ClusterStatus.red", "Maximum", MINUTE),
        limit=1,
        missing=Missing.BREACHING,
        do="Part of the index is not there, or the domain says nothing at all. Searches fail and "
        "images wait. If it stays: drop the index and reconcile, which makes it again.",
    )
    yield Rule(
        name="index yellow",
        metric=watched.cluster("ClusterStatus.yellow", "Maximum", MINUTE),
        limit=1,
        times=5,
        of=5,
        do="Copies of the index have no node. Nothing is lost; see whether a node is away.",
    )
    yield Rule(
        name="index disk",
        metric=watched.cluster("FreeStorageSpace", "Minimum"),
        limit=config.opensearch_volume_gb * 1024 * FREE_SHARE,
        at_most=True,
        times=1,
        of=1,
        do="A quarter of the disk is left. Raise opensearch_volume_gb, or drop an index that is "
        "not in use.",
    )
    yield Rule(
        name="index refuses writes",
        metric=watched.cluster("ClusterIndexWritesBlocked", "Maximum"),
        limit=1,
        times=1,
        of=1,
        do="The disk is full or memory is short: images wait in the queue. Give more of it, then "
        "send the dead letters back.",
    )
    yield Rule(
        name="index memory",
        metric=watched.cluster("JVMMemoryPressure", "Maximum", MINUTE),
        limit=95,
        do="The nodes are about to run out of memory. Take larger ones (opensearch_instance), or "
        'opensearch_compression = "4x" with the next index.',
    )


def alarm(scope: Construct, rule: Rule, *, deployment: str, topic: sns.ITopic) -> cloudwatch.Alarm:
    comparison = cloudwatch.ComparisonOperator
    made = cloudwatch.Alarm(
        scope,
        "".join(word.capitalize() for word in rule.name.split()),
        alarm_name=f"{deployment}: {rule.name}",
        alarm_description=f"{rule.do} docs/operations.md#alarms",
        metric=rule.metric,
        threshold=rule.limit,
        comparison_operator=(
            comparison.LESS_THAN_OR_EQUAL_TO_THRESHOLD
            if rule.at_most
            else comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
        ),
        datapoints_to_alarm=rule.times,
        evaluation_periods=rule.of,
        treat_missing_data=rule.missing,
    )
    made.add_alarm_action(actions.SnsAction(topic))
    return made
