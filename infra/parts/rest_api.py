"""The REST API: Chalice's, with /search sent to the container function and callers checked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from aws_cdk import Aws, CfnResource, Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from chalice.cdk import Chalice
from constructs import Construct

from infra import api_package
from infra.config import Config
from infra.parts.environment import SEARCHES_IN
from infra.parts.functions import let_write, log_group
from infra.parts.network import Network

STAGE = "api"
"""Its name is the first part of every path, as CloudFront asks for it."""

SEARCH_PATHS = "/search"
"""The container function answers this path and what is below it, the zip all others."""

SCOPES = ("images/read", "images/upload", "images/admin")
"""One of them must be in a token for API Gateway to let it in; which one, the code decides."""

OPEN = {("/health", "get"), ("/openapi.json", "get")}
"""Anyone may ask these."""

BY_COOKIE = {("/images/{id}/file", "get"), ("/images/{id}/thumbnail", "get")}
"""Pictures on the page come without a header that says who asks; the code looks at their cookie."""

MIN_COMPRESSED = 1000
"""Bytes; what is smaller fits in one packet anyway."""


class _Packaged(Chalice):
    """Chalice's construct, with the packages added to its zip."""

    def __init__(self, scope: Construct, id: str, *, packages: Path, **options: Any) -> None:
        self._packages = packages
        super().__init__(scope, id, **options)

    def _package_app(self) -> None:
        super()._package_app()
        api_package.add_packages(Path(self._sam_package_dir) / "deployment.zip", self._packages)


class RestApi(Construct):
    """`domain` is its address without the stage."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        work: Path,
        packages: Path,
        role: iam.IRole,
        environment: Mapping[str, str],
        search: lambda_.IFunction,
        network: Network | None,
        user_pool_arn: str,
    ) -> None:
        """`work` is a folder to package in; `user_pool_arn` is of the people who may call, "" for
        AWS identities."""
        super().__init__(scope, id)
        chalice = self._packaged(config, work, packages)
        self.plain: CfnResource = chalice.get_resource("RestAPI")
        self.function: CfnResource = chalice.get_resource("APIHandler")
        self.rest_api_id = Fn.ref(self.plain.logical_id)
        self.domain = f"{self.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}"
        self.url = f"https://{self.domain}/{STAGE}"
        self.log = log_group(self, "Log", config=config)
        let_write(self, "Writes", role, [self.log])
        self._define_function(config, role, environment, network)
        self._define_stage(config)
        self._define_methods(config, search, user_pool_arn)
        # Chalice's permission names the whole API; this one the paths that search answers.
        search.add_permission(
            "FromApi",
            principal=iam.ServicePrincipal("apigateway.amazonaws.com"),
            source_arn=(
                f"arn:{Aws.PARTITION}:execute-api:{Aws.REGION}:{Aws.ACCOUNT_ID}:"
                f"{self.rest_api_id}/*/*{SEARCH_PATHS}*"
            ),
        )

    def say(self, variables: Mapping[str, str]) -> None:
        """Stage variables: what the code is told of resources that are made after the API."""
        self.plain.add_property_override("Variables", dict(variables))

    def _packaged(self, config: Config, work: Path, packages: Path) -> Chalice:
        project = api_package.stage_project(work / "project")
        # Chalice asks botocore for a region, and writes into the folder it is started in.
        os.environ.setdefault("AWS_DEFAULT_REGION", config.region or "us-east-1")
        with chdir(work):
            chalice = _Packaged(
                self,
                "Chalice",
                packages=packages,
                source_dir=str(project),
                preserve_logical_ids=True,
                stage_config={
                    "api_gateway_stage": STAGE,
                    "manage_iam_role": False,
                    "iam_role_arn": "arn:aws:iam::123456789012:role/overridden",
                },
            )
        self.definition = _definition(work)
        return chalice

    def _define_function(
        self,
        config: Config,
        role: iam.IRole,
        environment: Mapping[str, str],
        network: Network | None,
    ) -> None:
        properties: dict[str, Any] = {
            "Role": role.role_arn,
            "Runtime": f"python{api_package.PYTHON}",
            "MemorySize": config.api_memory,
            "Timeout": SEARCHES_IN,
            "Environment": {"Variables": dict(environment)},
            "Tracing": "Active" if config.traces else "PassThrough",
            "LoggingConfig": {"LogGroup": self.log.log_group_name},
        }
        if network:
            properties["VpcConfig"] = {
                "SubnetIds": network.private_ids,
                "SecurityGroupIds": [network.functions.security_group_id],
            }
        for name, value in properties.items():
            self.function.add_property_override(name, value)

    def _define_stage(self, config: Config) -> None:
        throttled = {
            "ResourcePath": "/*",
            "HttpMethod": "*",
            "ThrottlingRateLimit": config.requests_per_second,
            "ThrottlingBurstLimit": config.burst,
        }
        for name, value in {
            # Metrics are by this name, and another deployment has its own.
            "DefinitionBody.info.title": config.name,
            "MethodSettings": [throttled],
            "TracingEnabled": config.traces,
            "EndpointConfiguration": {"Type": "REGIONAL"},
            "MinimumCompressionSize": MIN_COMPRESSED,
            # Without it SAM makes a second stage, called "Stage".
            "OpenApiVersion": "2.0",
        }.items():
            self.plain.add_property_override(name, value)

    def _define_methods(
        self, config: Config, search: lambda_.IFunction, user_pool_arn: str
    ) -> None:
        for path, method in self.methods():
            where = f"DefinitionBody.paths.{path}.{method}"
            if path == SEARCH_PATHS or path.startswith(SEARCH_PATHS + "/"):
                self.plain.add_property_override(
                    f"{where}.x-amazon-apigateway-integration.uri", _invocation(search)
                )
            if guard := _guard(path, method, people=bool(user_pool_arn)):
                self.plain.add_property_override(f"{where}.security", [guard])
        self.plain.add_property_override(
            "DefinitionBody.securityDefinitions", _guards(user_pool_arn)
        )
        self.plain.add_property_override(
            "DefinitionBody.x-amazon-apigateway-gateway-responses", _answers(config.origins)
        )

    def methods(self) -> Iterator[tuple[str, str]]:
        """Every (path, method) that Chalice defined."""
        for path, methods in self.definition["paths"].items():
            for method in methods:
                yield path, method


def _definition(work: Path) -> dict[str, Any]:
    (template,) = (work / "chalice.out").glob("*.sam_with_assets.json")
    resources = json.loads(template.read_text())["Resources"]
    found: dict[str, Any] = resources["RestAPI"]["Properties"]["DefinitionBody"]
    return found


def _invocation(function: lambda_.IFunction) -> str:
    return (
        f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}:lambda:path/2015-03-31/functions/"
        f"{function.function_arn}/invocations"
    )


def _guard(path: str, method: str, *, people: bool) -> dict[str, list[str]] | None:
    """None where anyone may ask; browsers send the question whether another page may call without
    saying who asks (https://fetch.spec.whatwg.org/#cors-preflight-fetch)."""
    if method == "options" or (path, method) in OPEN or (people and (path, method) in BY_COOKIE):
        return None
    return {"people": list(SCOPES)} if people else {"identities": []}


def _guards(user_pool_arn: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html"""
    header = {"type": "apiKey", "name": "Authorization", "in": "header"}
    if not user_pool_arn:
        return {"identities": {**header, "x-amazon-apigateway-authtype": "awsSigv4"}}
    authorizer = {"type": "cognito_user_pools", "providerARNs": [user_pool_arn]}
    return {
        "people": {
            **header,
            "x-amazon-apigateway-authtype": "cognito_user_pools",
            "x-amazon-apigateway-authorizer": authorizer,
        }
    }


def _answers(origins: Sequence[str]) -> dict[str, Any]:
    """What API Gateway answers by itself, in the shape of our own errors
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html).

    Its headers are constants, so that it can name one other page only: with several, each of them
    reads the code's answers, and of these no more than that the request failed."""
    said = {
        "UNAUTHORIZED": (401, "unauthorized", "Sign in first."),
        "ACCESS_DENIED": (403, "forbidden", "You may not do this."),
        "THROTTLED": (429, "too_many_requests", "Too many requests at a time; try again shortly."),
        "REQUEST_TOO_LARGE": (413, "too_large", "The body is over 10 MB."),
        "INTEGRATION_TIMEOUT": (504, "timeout", "It took too long; try again."),
        "DEFAULT_4XX": (None, "invalid_request", None),
        "DEFAULT_5XX": (None, "internal", None),
    }
    answers: dict[str, Any] = {}
    for kind, (status, code, message) in said.items():
        sentence = json.dumps(message) if message else "$context.error.messageString"
        body = (
            f'{{"error": {{"code": "{code}", "message": {sentence}, '
            '"request_id": "$context.requestId"}}'
        )
        answers[kind] = {"responseTemplates": {"application/json": body}}
        headers = {}
        if status:
            answers[kind]["statusCode"] = status
        if status == 429:
            headers["Retry-After"] = "'1'"
        if len(origins) == 1:
            headers["Access-Control-Allow-Origin"] = f"'{origins[0]}'"
        if headers:
            answers[kind]["responseParameters"] = {
                f"gatewayresponse.header.{name}": value for name, value in headers.items()
            }
    return answers
