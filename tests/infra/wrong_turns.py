"""Templates wired wrongly, each in one way."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

Templates = dict[str, Any]


def of(templates: Templates, kind: str, named: str = "") -> dict[str, Any]:
    """The properties of the one resource of a type whose logical id begins so."""
    (found,) = (
        resource["Properties"]
        for template in templates.values()
        for logical, resource in template["Resources"].items()
        if resource["Type"] == kind and logical.startswith(named)
    )
    return found


def statements(templates: Templates, kind: str, named: str) -> list[dict[str, Any]]:
    (document,) = (
        of(templates, kind, named)[name]
        for name in ("PolicyDocument", "AccessPolicies")
        if name in of(templates, kind, named)
    )
    return list(document["Statement"])


def let_in(templates: Templates) -> dict[str, Any]:
    """The statement of the queue's policy that lets S3 send."""
    rows = statements(templates, "AWS::SQS::QueuePolicy", "QueuesIngestPolicy")
    return next(row for row in rows if row["Effect"] == "Allow")


def variables(templates: Templates, named: str) -> dict[str, Any]:
    found: dict[str, Any] = of(templates, "AWS::Lambda::Function", named)["Environment"][
        "Variables"
    ]
    return found


def notified(templates: Templates) -> list[dict[str, Any]]:
    photos = of(templates, "AWS::S3::Bucket", "BucketsPhotos")
    rows: list[dict[str, Any]] = photos["NotificationConfiguration"]["QueueConfigurations"]
    return rows


def paths(templates: Templates) -> dict[str, Any]:
    found: dict[str, Any] = of(templates, "AWS::Serverless::Api")["DefinitionBody"]["paths"]
    return found


def mapping(templates: Templates) -> dict[str, Any]:
    return of(templates, "AWS::Lambda::EventSourceMapping")


def letters(templates: Templates) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id(templates["data"], "QueuesDeadLetters"), "Arn"]}


def logical_id(template: dict[str, Any], begins: str) -> str:
    """Of the queue or function whose logical id begins so."""
    kinds = ("AWS::SQS::Queue", "AWS::Lambda::Function")
    (found,) = (
        logical
        for logical, resource in template["Resources"].items()
        if logical.startswith(begins) and resource["Type"] in kinds
    )
    return found


def ingest(templates: Templates) -> dict[str, Any]:
    queues = templates["data"]["Resources"]
    (found,) = (
        q["Properties"]
        for q in queues.values()
        if q["Type"] == "AWS::SQS::Queue" and "RedrivePolicy" in q["Properties"]
    )
    return found


OTHER_BUCKET = {"aws:SourceArn": "arn:aws:s3:::other-photos"}


def _another_bucket(t: Templates) -> None:
    let_in(t)["Condition"]["ArnEquals"] = OTHER_BUCKET


def _any_account(t: Templates) -> None:
    del let_in(t)["Condition"]["StringEquals"]


def _another_queue(t: Templates) -> None:
    let_in(t)["Resource"] = letters(t)


def _no_removals(t: Templates) -> None:
    notified(t)[:] = [row for row in notified(t) if "Removed" not in row["Event"]]


def _told_to_the_dead(t: Templates) -> None:
    for row in notified(t):
        row["Queue"] = letters(t)


def _fed_by_the_dead(t: Templates) -> None:
    mapping(t)["EventSourceArn"] = "arn:aws:sqs:eu-west-1:123456789012:other"


def _whole_batches(t: Templates) -> None:
    del mapping(t)["FunctionResponseTypes"]


def _feeds_search(t: Templates) -> None:
    mapping(t)["FunctionName"] = {"Ref": logical_id(t["service"], "FunctionsSearch")}


def _another_handler(t: Templates) -> None:
    of(t, "AWS::Lambda::Function", "FunctionsEmbedder")["ImageConfig"]["Command"] = ["app.app"]


def _seen_too_soon(t: Templates) -> None:
    ingest(t)["VisibilityTimeout"] = 120


def _given_up_early(t: Templates) -> None:
    ingest(t)["RedrivePolicy"]["maxReceiveCount"] = 3


def _thumbnails_among_photos(t: Templates) -> None:
    told = variables(t, "FunctionsEmbedder")
    told["IMAGES_THUMBNAILS_BUCKET"] = told["IMAGES_BUCKET"]


def _another_domain(t: Templates) -> None:
    variables(t, "FunctionsSearch")["IMAGES_OPENSEARCH_URL"] = "https://x.es.amazonaws.com"


def _a_misspelled_setting(t: Templates) -> None:
    told = variables(t, "FunctionsEmbedder")
    told["IMAGES_DEADLETTER_QUEUE_URL"] = told.pop("IMAGES_DEAD_LETTER_QUEUE_URL")


def _search_by_the_zip(t: Templates) -> None:
    integration = "x-amazon-apigateway-integration"
    paths(t)["/search"]["get"][integration] = paths(t)["/stats"]["get"][integration]


def _a_route_less(t: Templates) -> None:
    del paths(t)["/images/{id}"]["delete"]


def _a_route_more(t: Templates) -> None:
    paths(t)["/debug"] = paths(t)["/stats"]


def _an_open_route(t: Templates) -> None:
    del paths(t)["/uploads"]["post"]["security"]


def _another_api_calls(t: Templates) -> None:
    permission = of(t, "AWS::Lambda::Permission", "FunctionsSearchFromApi")
    permission["SourceArn"] = "arn:aws:execute-api:eu-west-1:123456789012:other/*/*/search*"


def _everybody_searches(t: Templates) -> None:
    for row in statements(t, "AWS::OpenSearchService::Domain", "SearchDomain"):
        row["Principal"] = {"AWS": "*"}


def _every_action(t: Templates) -> None:
    statements(t, "AWS::IAM::ManagedPolicy", "RightsEmbedder")[0]["Action"] = "s3:*"


def _every_bucket(t: Templates) -> None:
    statements(t, "AWS::IAM::ManagedPolicy", "RightsApi")[0]["Resource"] = "arn:aws:s3:::*/*"


def _no_receiving(t: Templates) -> None:
    for row in statements(t, "AWS::IAM::ManagedPolicy", "RightsEmbedder"):
        if "sqs:ReceiveMessage" in row["Action"]:
            row["Action"] = "sqs:DeleteMessage"


def _a_public_bucket(t: Templates) -> None:
    photos = of(t, "AWS::S3::Bucket", "BucketsPhotos")
    photos["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] = False


def _plain_http(t: Templates) -> None:
    rows = of(t, "AWS::S3::BucketPolicy", "BucketsPhotosPolicy")["PolicyDocument"]
    rows["Statement"] = [row for row in rows["Statement"] if row["Effect"] != "Deny"]


def _trusted_by_ec2(t: Templates) -> None:
    role = of(t, "AWS::IAM::Role", "RolesApi")["AssumeRolePolicyDocument"]["Statement"][0]
    role["Principal"] = {"Service": "ec2.amazonaws.com"}


def _thumbnails_for_all(t: Templates) -> None:
    config = of(t, "AWS::CloudFront::Distribution")["DistributionConfig"]
    for row in config["CacheBehaviors"]:
        row.pop("TrustedKeyGroups", None)


def _page_and_thumbnails_exchanged(t: Templates) -> None:
    config = of(t, "AWS::CloudFront::Distribution")["DistributionConfig"]
    page = config["DefaultCacheBehavior"]
    (small,) = (r for r in config["CacheBehaviors"] if r["PathPattern"] == "/thumbnails/*")
    page["TargetOriginId"], small["TargetOriginId"] = (
        small["TargetOriginId"],
        page["TargetOriginId"],
    )


def _any_job(t: Templates) -> None:
    for row in statements(t, "AWS::IAM::Policy", "ReconcileRole"):
        row["Resource"] = "arn:aws:batch:eu-west-1:123456789012:job-queue/other"


def _a_silent_alarm(t: Templates) -> None:
    alarms = [
        r for r in t["service"]["Resources"].values() if r["Type"] == "AWS::CloudWatch::Alarm"
    ]
    del alarms[0]["Properties"]["AlarmActions"]


MUTATIONS: dict[str, Callable[[Templates], None]] = {
    name.strip("_").replace("_", " "): function
    for name, function in list(globals().items())
    if inspect.isfunction(function) and name.startswith("_")
}
