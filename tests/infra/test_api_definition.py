"""Every route of app.py is in the API's definition, guarded as it should be, and goes to the right
function; and there is nothing else in it."""

from __future__ import annotations

import re
from typing import Any

import pytest

import app
from infra.parts.sign_in import LOOPBACK
from tests.infra.deployments import ALL, PEOPLE, Deployment, deployment
from tests.infra.played import API, SEARCH, kinds
from tests.infra.stacks_read import ACCOUNT, REGION, Resource

pytestmark = pytest.mark.xdist_group("stacks")

URI = re.compile(
    rf"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/(?P<function>.+)/invocations"
)

ROUTES = sorted((path, method) for path, methods in app.app.routes.items() for method in methods)


@pytest.fixture(params=ALL)
def d(request: pytest.FixtureRequest) -> Deployment:
    return deployment(request.param)


def rest_api(d: Deployment) -> Resource:
    (api,) = d.stacks.of_type("AWS::Serverless::Api")
    return api


def methods(d: Deployment) -> dict[tuple[str, str], dict[str, Any]]:
    """By (path, METHOD), as API Gateway reads them."""
    paths = rest_api(d).properties["DefinitionBody"]["paths"]
    return {
        (path, method.upper()): defined
        for path, of_path in paths.items()
        for method, defined in of_path.items()
    }


def test_the_definition_has_every_route_of_the_application_and_no_other(d: Deployment) -> None:
    assert sorted(methods(d)) == ROUTES
    assert len(ROUTES) > 15


def called(defined: dict[str, Any]) -> str:
    """The ARN of the function that a method calls."""
    integration = defined["x-amazon-apigateway-integration"]
    assert (integration["type"], integration["httpMethod"]) == ("aws_proxy", "POST")
    found = URI.fullmatch(integration["uri"])
    assert found, integration["uri"]
    return found["function"]


def serving(d: Deployment, kind: str) -> str:
    """The ARN of what answers for a function: search by its alias, where some are kept warm."""
    function = kinds(d.stacks)[kind].resource
    aliases = [
        alias
        for alias in d.stacks.of_type("AWS::Lambda::Alias")
        if alias.properties["FunctionName"] in (function.name, function.arn)
    ]
    if kind == SEARCH and d.config.search_provisioned:
        (alias,) = aliases
        config = alias.properties["ProvisionedConcurrencyConfig"]
        assert config["ProvisionedConcurrentExecutions"] == d.config.search_provisioned
        return alias.arn
    return function.arn


def test_searches_go_to_the_container_that_holds_the_model_and_all_else_to_the_zip(
    d: Deployment,
) -> None:
    for (path, method), defined in methods(d).items():
        kind = SEARCH if path == "/search" or path.startswith("/search/") else API
        assert called(defined) == serving(d, kind), (method, path)


def test_this_api_may_call_its_functions_for_each_route_and_no_other_api_may(
    d: Deployment,
) -> None:
    asked = ("apigateway.amazonaws.com", "lambda:InvokeFunction")
    for (path, method), defined in methods(d).items():
        function = called(defined)
        for api, may in ((rest_api(d).name, True), ("other12345", False)):
            route = re.sub(r"\{\w+\}", "*", path)
            source = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/api/{method}{route}"
            assert bool(d.rights.decide(*asked, function, aws__SourceArn=source)) is may, path


OPEN = {
    ("/health", "GET"),
    ("/openapi.json", "GET"),
    *((path, "OPTIONS") for path in app.app.routes),
}
"""Anyone may ask; a browser asks what a page of another origin may, and sends no token then
(https://fetch.spec.whatwg.org/#cors-preflight-fetch)."""

BY_COOKIE = {("/images/{id}/file", "GET"), ("/images/{id}/thumbnail", "GET")}
"""Pictures come without a header that says who asks; the code looks at their cookie."""


def test_what_api_gateway_leaves_to_the_code_is_what_the_code_takes_without_a_token() -> None:
    needs = app.app.needs
    assert {route for route in ROUTES if not needs[route[1], route[0]].scopes} == OPEN
    assert {route for route in ROUTES if needs[route[1], route[0]].cookie} == BY_COOKIE


@pytest.mark.parametrize("choice", PEOPLE)
def test_people_must_bring_a_token_of_this_pool_but_for_what_the_code_checks_itself(
    choice: str,
) -> None:
    d = deployment(choice)
    definitions = rest_api(d).properties["DefinitionBody"]["securityDefinitions"]
    (pool,) = d.stacks.of_type("AWS::Cognito::UserPool")
    ((name, guard),) = definitions.items()
    assert (guard["type"], guard["name"], guard["in"]) == ("apiKey", "Authorization", "header")
    assert guard["x-amazon-apigateway-authtype"] == "cognito_user_pools"
    authorizer = guard["x-amazon-apigateway-authorizer"]
    assert authorizer == {"type": "cognito_user_pools", "providerARNs": [pool.arn]}
    for route, defined in methods(d).items():
        scopes = ["images/read", "images/upload", "images/admin"]
        wanted = None if route in OPEN | BY_COOKIE else [{name: scopes}]
        assert defined.get("security") == wanted, route


def test_identities_must_sign_every_request_but_for_what_is_open() -> None:
    d = deployment("AWS identities")
    definitions = rest_api(d).properties["DefinitionBody"]["securityDefinitions"]
    ((name, guard),) = definitions.items()
    assert guard["x-amazon-apigateway-authtype"] == "awsSigv4"
    for route, defined in methods(d).items():
        assert defined.get("security") == (None if route in OPEN else [{name: []}]), route


def test_there_is_one_stage_named_as_cloudfront_asks_for_it_and_throttled(d: Deployment) -> None:
    p = rest_api(d).properties
    assert p["StageName"] == "api"
    assert d.stacks.of_type("AWS::ApiGateway::Stage") == []
    assert p["OpenApiVersion"] == "2.0", "without it SAM makes a second stage"
    (throttled,) = (s for s in p["MethodSettings"] if "ThrottlingRateLimit" in s)
    assert (throttled["ResourcePath"], throttled["HttpMethod"]) == ("/*", "*")
    assert throttled["ThrottlingRateLimit"] == d.config.requests_per_second
    assert throttled["ThrottlingBurstLimit"] == d.config.burst


@pytest.mark.parametrize("choice", PEOPLE)
def test_the_code_is_told_of_the_page_and_of_its_client_by_the_stage(choice: str) -> None:
    d = deployment(choice)
    (site,) = d.stacks.of_type("AWS::CloudFront::Distribution")
    (client,) = d.stacks.of_type("AWS::Cognito::UserPoolClient")
    (pool,) = d.stacks.of_type("AWS::Cognito::UserPool")
    assert rest_api(d).properties["Variables"] == {
        "public_url": f"https://{site.attribute('DomainName')}/api",
        "token_clients": client.name,
    }
    p = client.properties
    assert p["UserPoolId"] == pool.name
    assert p["AllowedOAuthFlows"] == ["code"]
    assert set(p["AllowedOAuthScopes"]) >= {"images/read", "images/upload", "images/admin"}
    page = f"https://{site.attribute('DomainName')}/"
    assert p["CallbackURLs"] == [page, *LOOPBACK]
    assert p["LogoutURLs"] == [page]
    assert p["GenerateSecret"] is False
