"""The proofs would notice: a template that is wired wrongly in any of these ways fails one."""

from __future__ import annotations

import copy
import inspect
import urllib.request
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from chalicelib.errors import IntellisenseError
from tests.infra import test_api_definition, test_arrows, test_openness, test_refused
from tests.infra.deployments import CHOICES, Deployment, deployment
from tests.infra.played import API, EMBEDDER, SEARCH
from tests.infra.policies import Unsupported
from tests.infra.stacks_read import Stacks
from tests.infra.template_reader import Built, moto_process

pytestmark = pytest.mark.xdist_group("stacks")

CHOICE = "the defaults"

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


MUTATIONS: dict[str, Callable[[Templates], None]] = {
    name.strip("_").replace("_", " "): function
    for name, function in list(globals().items())
    if inspect.isfunction(function) and name.startswith("_")
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_process() as url:
        yield url


def checks(module: ModuleType) -> Iterator[Callable[[Deployment], None]]:
    """What a module proves of any deployment."""
    for name, function in vars(module).items():
        if name.startswith("test_"):
            names = list(inspect.signature(function).parameters)
            if names in (["d"], ["choice"]):
                yield function
            elif names == ["d", "kind"]:
                for kind in (API, SEARCH, EMBEDDER):
                    yield lambda d, kind=kind, function=function: function(d, kind)
            elif names == ["d", "function"]:
                for kind in test_refused.ROLES:
                    yield lambda d, kind=kind, function=function: function(d, kind)


def faults(d: Deployment, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The proofs that fail for a deployment."""
    found = []
    modules = (test_arrows, test_api_definition, test_openness, test_refused)
    for module in modules:
        monkeypatch.setattr(module, "deployment", lambda choice: d)
        for check in checks(module):
            try:
                check(d)
            except (AssertionError, Unsupported, IntellisenseError, ValueError) as error:
                found.append(f"{check.__name__}: {error}")
    try:
        assert arrives(d, endpoint)
    except (AssertionError, ValueError) as error:
        found.append(f"an event's way: {error}")
    return found


def arrives(d: Deployment, endpoint: str) -> bool:
    """Whether a photo's event comes to the queue that feeds the embedder, by way of what S3 and
    Lambda may do."""
    reset = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset, timeout=30).close()
    built = Built(d.stacks, endpoint)
    built.s3.put_object(Bucket=d.photos, Key="a b/ü.jpg", Body=b"x")
    (mapping,) = built.mappings()
    bodies = [record["body"] for record in built.waiting(mapping, d.photos)]
    assert built.function(mapping).handler == "container_embedder.handler.handler"
    return any("%C3%BC.jpg" in body for body in bodies)


@pytest.fixture
def whole() -> Templates:
    return copy.deepcopy(dict(deployment(CHOICE).stacks.templates))


def test_the_template_as_it_is_fails_no_proof(
    whole: Templates, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = Deployment(CHOICES[CHOICE], Stacks(whole))
    assert faults(d, endpoint, monkeypatch) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_wrong_turn_of_the_wiring_fails_a_proof(
    whole: Templates, name: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.deepcopy(whole)
    MUTATIONS[name](whole)
    assert whole != before
    d = Deployment(CHOICES[CHOICE], Stacks(whole))
    assert faults(d, endpoint, monkeypatch)
