"""The page, the API and the people, as the stacks put them together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.config import Settings
from infra.config import Config
from tests.infra.synthesized import KEY, Template, resources, templates

pytestmark = pytest.mark.xdist_group("stacks")

PEOPLE, IDENTITIES = Config(private_collections=True), Config(auth="iam")


def only(template: Template, kind: str) -> tuple[str, Any]:
    ((name, resource),) = resources(template, kind).items()
    return name, resource["Properties"]


def environments(config: Config) -> dict[str, dict[str, Any]]:
    """By logical id: the variables of each function that has settings of ours."""
    service = templates(config)["service"]
    functions = {
        **resources(service, "AWS::Lambda::Function"),
        **resources(service, "AWS::Serverless::Function"),
    }
    told = {
        name: function["Properties"].get("Environment", {}).get("Variables", {})
        for name, function in functions.items()
    }
    return {name: variables for name, variables in told.items() if "IMAGES_BUCKET" in variables}


def deployed(value: Any) -> str:
    """A text as it could be once CloudFormation has filled in names."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(map(deployed, parts))
    return "name"


def test_the_code_is_told_the_pages_address_and_client_by_the_stage() -> None:
    service = templates()["service"]
    _, api = only(service, "AWS::Serverless::Api")
    distribution, _ = only(service, "AWS::CloudFront::Distribution")
    client, _ = only(service, "AWS::Cognito::UserPoolClient")
    assert api["StageName"] == "api"
    domain = {"Fn::GetAtt": [distribution, "DomainName"]}
    assert api["Variables"] == {
        "public_url": {"Fn::Join": ["", ["https://", domain, "/api"]]},
        "token_clients": {"Ref": client},
    }


def test_cloudfront_asks_this_api_and_these_buckets() -> None:
    service, data = templates()["service"], templates()["data"]
    _, distribution = only(service, "AWS::CloudFront::Distribution")
    names = [json.dumps(o["DomainName"]) for o in distribution["DistributionConfig"]["Origins"]]
    (api,) = resources(service, "AWS::Serverless::Api")
    assert len(names) == 3
    assert "image-intellisense-site-" in names[0]
    assert f'{{"Ref": "{api}"}}' in names[1]
    assert ".execute-api." in names[1]
    assert "image-intellisense-thumbnails-" in names[2]
    policies = json.dumps(resources(data, "AWS::S3::BucketPolicy"))
    assert policies.count('"cloudfront.amazonaws.com"') == 2


def test_the_page_may_reach_this_photos_bucket_and_these_sign_in_pages() -> None:
    service = templates()["service"]
    policies = json.dumps(resources(service, "AWS::CloudFront::ResponseHeadersPolicy"))
    assert "https://image-intellisense-photos-" in policies
    domain = only(templates()["data"], "AWS::Cognito::UserPoolDomain")[1]["Domain"]
    assert deployed(domain).split("-name")[0] in policies


def test_the_people_are_in_the_stack_of_the_data() -> None:
    found = templates()
    assert len(resources(found["data"], "AWS::Cognito::UserPool")) == 1
    assert resources(found["service"], "AWS::Cognito::UserPool") == {}
    assert {"UserPoolId", "SignInUrl"} <= set(found["data"]["Outputs"])
    assert {"PageUrl", "DistributionId", "UserPoolClientId"} <= set(found["service"]["Outputs"])


@pytest.mark.parametrize("config", [PEOPLE, IDENTITIES], ids=["people", "identities"])
def test_every_function_starts_with_the_settings_it_is_given(config: Config) -> None:
    found = environments(config)
    assert len(found) == 3
    in_lambda = {"AWS_LAMBDA_FUNCTION_NAME": "ours", "AWS_REGION": "eu-central-1"}
    settings = [
        Settings.load({**{k: deployed(v) for k, v in told.items()}, **in_lambda})
        for told in found.values()
    ]
    # The embedder answers nobody.
    assert sorted(s.auth for s in settings) == sorted([config.auth, config.auth, "iam"])


def test_what_answers_requests_knows_whose_tokens_to_take_and_which_key_signs_cookies() -> None:
    key, properties = only(templates(PEOPLE)["service"], "AWS::CloudFront::PublicKey")
    assert properties["PublicKeyConfig"]["EncodedKey"] == KEY
    told = [t for t in environments(PEOPLE).values() if "IMAGES_TOKEN_ISSUER" in t]
    assert len(told) == 2
    for variables in told:
        assert variables["IMAGES_COOKIE_KEY_ID"] == {"Ref": key}
        assert variables["IMAGES_PRIVATE_COLLECTIONS"] == "true"
        assert deployed(variables["IMAGES_TOKEN_ISSUER"]).startswith("https://cognito-idp.")


def test_the_api_alone_signs_cookies() -> None:
    parameter = "IMAGES_COOKIE_KEY_PARAMETER"
    found = {n: t[parameter] for n, t in environments(PEOPLE).items() if parameter in t}
    (api,) = resources(templates(PEOPLE)["service"], "AWS::Serverless::Function")
    assert found == {api: "/image-intellisense/cookie-key"}


def test_with_aws_identities_there_is_neither_page_nor_people() -> None:
    for template in templates(IDENTITIES).values():
        kinds = {resource["Type"].split("::")[1] for resource in template["Resources"].values()}
        assert not kinds & {"Cognito", "CloudFront"}
    (api,) = resources(templates(IDENTITIES)["service"], "AWS::Serverless::Api").values()
    assert "Variables" not in api["Properties"]
