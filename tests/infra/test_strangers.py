"""What holds strangers off: what one person may upload in a day, and which other pages may call."""

from __future__ import annotations

import pytest

from infra.config import Config
from tests.infra.deployments import ALL, Deployment, deployment
from tests.infra.played import API, EMBEDDER, SEARCH, kinds

pytestmark = pytest.mark.xdist_group("stacks")

QUOTA = {"IMAGES_QUOTA_TABLE", "IMAGES_QUOTA_FILES", "IMAGES_QUOTA_BYTES"}


@pytest.fixture(params=ALL)
def d(request: pytest.FixtureRequest) -> Deployment:
    return deployment(request.param)


def told(d: Deployment, function: str) -> dict[str, str]:
    return kinds(d.stacks)[function].environment


def test_uploads_are_counted_in_a_table_whose_counters_go_by_themselves(d: Deployment) -> None:
    if not d.config.has_quota:
        assert d.counters is None
        return
    assert d.counters is not None
    p = d.counters.properties
    assert p["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert p["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert p["BillingMode"] == "PAY_PER_REQUEST"
    assert d.counters.given["DeletionPolicy"] == "Delete"


def test_the_api_alone_is_told_of_the_quota_and_where_it_is_counted(d: Deployment) -> None:
    api = told(d, API)
    if d.counters is None:
        assert not QUOTA & set(api)
    else:
        assert {name: api[name] for name in QUOTA} == {
            "IMAGES_QUOTA_TABLE": d.counters.name,
            "IMAGES_QUOTA_FILES": "20000",
            "IMAGES_QUOTA_BYTES": "100000000000",
        }
    for function in (SEARCH, EMBEDDER):
        assert not QUOTA & set(told(d, function))


def test_who_answers_requests_knows_the_pages_that_may_call(d: Deployment) -> None:
    wanted = ",".join(d.config.origins) or None
    for function in (API, SEARCH):
        assert told(d, function).get("IMAGES_ORIGINS") == wanted
    assert "IMAGES_ORIGINS" not in told(d, EMBEDDER)


def test_pages_that_may_call_may_upload_into_the_bucket(d: Deployment) -> None:
    rules = [
        setting.properties["Origins"]
        for setting in d.stacks.of_type("Custom::BucketSetting")
        if setting.properties["Setting"] == "cors"
    ]
    sites = d.stacks.of_type("AWS::CloudFront::Distribution")
    own = [f"https://{site.attribute('DomainName')}" for site in sites]
    wanted = [*own, *d.config.origins]
    assert rules == ([wanted] if wanted else [])


def gateway_answers(d: Deployment) -> dict[str, dict[str, str]]:
    """Headers of what API Gateway answers by itself, by kind of answer."""
    (api,) = d.stacks.of_type("AWS::Serverless::Api")
    answers = api.properties["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    return {kind: answer.get("responseParameters", {}) for kind, answer in answers.items()}


def test_who_is_throttled_is_told_when_to_come_again(d: Deployment) -> None:
    answers = gateway_answers(d)
    assert answers["THROTTLED"]["gatewayresponse.header.Retry-After"] == "'1'"
    others = [kind for kind in answers if kind != "THROTTLED"]
    assert not any("gatewayresponse.header.Retry-After" in answers[kind] for kind in others)


def test_a_single_other_page_may_read_what_the_gateway_refuses_and_no_page_otherwise(
    d: Deployment,
) -> None:
    header = "gatewayresponse.header.Access-Control-Allow-Origin"
    named = {answer.get(header) for answer in gateway_answers(d).values()}
    one = len(d.config.origins) == 1
    assert named == {f"'{d.config.origins[0]}'" if one else None}


@pytest.mark.parametrize(
    ("files", "gigabytes", "counts"), [(0, 0, False), (1, 0, True), (0, 1, True)]
)
def test_one_limit_is_enough_to_count(files: int, gigabytes: int, counts: bool) -> None:
    assert Config(quota_files=files, quota_gb=gigabytes).has_quota == counts
