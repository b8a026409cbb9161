from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from edge_stacks import (
    CfnUserPool,
    Stack,
    add_sign_in,
    linted,
    of_type,
    only,
    place,
    synthesized,
    two_stacks,
    unchecked,
)

from chalicelib.errors import ConfigurationError
from infra.config import Config
from infra.parts.sign_in import SignIn

pytestmark = pytest.mark.xdist_group("infra_edge")

Template = dict[str, Any]


@pytest.fixture(scope="module")
def template() -> Template:
    return synthesized(add_sign_in)


def pool(template: Template) -> Any:
    return only(template, "AWS::Cognito::UserPool")


def client(template: Template) -> Any:
    return only(template, "AWS::Cognito::UserPoolClient")


def test_only_those_who_were_invited_come_in(template: Template) -> None:
    assert pool(template)["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True


def test_people_sign_in_by_their_mail_address(template: Template) -> None:
    assert pool(template)["UsernameAttributes"] == ["email"]
    assert pool(template)["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool(template)["AutoVerifiedAttributes"] == ["email"]
    recovery = pool(template)["AccountRecoverySetting"]["RecoveryMechanisms"]
    assert recovery == [{"Name": "verified_email", "Priority": 1}]


def test_passwords_are_long_and_a_second_factor_is_a_choice(template: Template) -> None:
    policy = pool(template)["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 12
    assert all(
        policy[f"Require{kind}"] for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols")
    )
    assert pool(template)["MfaConfiguration"] == "OPTIONAL"
    assert pool(template)["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
    strict = pool(synthesized(lambda stack: add_sign_in(stack, second_factor=True)))
    assert strict["MfaConfiguration"] == "ON"
    assert strict["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]


def test_nothing_is_paid_for_that_is_not_used(template: Template) -> None:
    assert pool(template)["UserPoolTier"] == "LITE"
    assert "SmsConfiguration" not in pool(template)


def test_the_people_stay_when_the_stack_goes(template: Template) -> None:
    (resource,) = of_type(template, "AWS::Cognito::UserPool")
    assert resource["DeletionPolicy"] == "Retain"
    assert resource["UpdateReplacePolicy"] == "Retain"
    assert resource["Properties"]["DeletionProtection"] == "ACTIVE"


def test_the_invitation_says_name_and_password(template: Template) -> None:
    message = pool(template)["AdminCreateUserConfig"]["InviteMessageTemplate"]["EmailMessage"]
    assert "{username}" in message
    assert "{####}" in message
    named = synthesized(
        lambda stack: add_sign_in(
            stack, domain_name="photos.example.org", certificate_arn="arn:aws:acm:…"
        ),
        checked=False,
    )
    invitation = pool(named)["AdminCreateUserConfig"]["InviteMessageTemplate"]
    assert "https://photos.example.org" in invitation["EmailMessage"]


def test_there_are_the_groups_that_the_api_knows(template: Template) -> None:
    groups = of_type(template, "AWS::Cognito::UserPoolGroup")
    assert sorted(g["Properties"]["GroupName"] for g in groups) == ["admin", "upload"]


def test_there_are_the_scopes_that_the_api_knows(template: Template) -> None:
    server = only(template, "AWS::Cognito::UserPoolResourceServer")
    assert server["Identifier"] == "images"
    assert [s["ScopeName"] for s in server["Scopes"]] == ["read", "upload", "admin"]


def test_the_page_is_a_public_client_with_codes_alone(template: Template) -> None:
    assert client(template)["GenerateSecret"] is False
    assert client(template)["AllowedOAuthFlows"] == ["code"]
    assert client(template)["AllowedOAuthFlowsUserPoolClient"] is True
    assert client(template)["SupportedIdentityProviders"] == ["COGNITO"]
    assert set(client(template)["ExplicitAuthFlows"]) == {
        "ALLOW_USER_SRP_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH",
    }


def test_the_client_asks_for_our_scopes_of_the_pools_own_server(template: Template) -> None:
    scopes = client(template)["AllowedOAuthScopes"]
    assert scopes[0] == "openid"
    (server,) = [
        n for n, r in template["Resources"].items() if r["Type"].endswith("ResourceServer")
    ]
    # A reference, so that CloudFormation makes the server first.
    assert scopes[1:] == [
        {"Fn::Join": ["", [{"Ref": server}, f"/{name}"]]} for name in ("read", "upload", "admin")
    ]


def test_codes_go_to_the_page_and_nowhere_else(template: Template) -> None:
    page, *others = client(template)["CallbackURLs"]
    assert page == "https://photos.example.org/"
    assert [urlsplit(url).hostname for url in others] == ["localhost"] * 3
    assert client(template)["LogoutURLs"] == ["https://photos.example.org/"]


def test_tokens_end_and_can_be_revoked(template: Template) -> None:
    found = client(template)
    assert found["EnableTokenRevocation"] is True
    assert found["PreventUserExistenceErrors"] == "ENABLED"
    assert found["AccessTokenValidity"] == 60
    assert found["RefreshTokenValidity"] == 30 * 24 * 60
    assert found["TokenValidityUnits"]["AccessToken"] == "minutes"


def test_the_client_can_be_in_another_stack_than_the_people() -> None:
    app, data, service = two_stacks()
    people = SignIn(data, "SignIn", config=Config())
    people.page_client(service, "Client", ["https://photos.example.org"])
    assembly = app.synth()
    templates = {
        name: assembly.get_stack_by_name(name).template for name in ("ours-data", "ours-service")
    }
    assert of_type(templates["ours-service"], "AWS::Cognito::UserPool") == []
    assert of_type(templates["ours-data"], "AWS::Cognito::UserPoolClient") == []
    assert only(templates["ours-service"], "AWS::Cognito::UserPoolClient")
    assert "Fn::ImportValue" not in str(templates["ours-data"])


DOMAIN = r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?"


def prefix(account: str, region: str, **choices: Any) -> Any:
    there = place(account, region)
    made = synthesized(lambda stack: add_sign_in(stack, **choices), there, checked=False)
    return only(made, "AWS::Cognito::UserPoolDomain")["Domain"]


def test_the_domain_is_one_of_a_kind_and_the_same_each_time() -> None:
    first = prefix("123456789012", "eu-central-1")
    assert re.fullmatch(DOMAIN, first)
    assert first.startswith("image-intellisense-")
    assert "123456789012" not in first
    assert prefix("123456789012", "eu-central-1") == first
    others = [
        prefix("210987654321", "eu-central-1"),
        prefix("123456789012", "us-east-1"),
        prefix("123456789012", "eu-central-1", name="another"),
    ]
    assert len({first, *others}) == 4


def test_an_account_that_is_not_known_yet_is_told_apart_by_its_stack() -> None:
    made = synthesized(add_sign_in, None, checked=False)
    parts = only(made, "AWS::Cognito::UserPoolDomain")["Domain"]["Fn::Join"][1]
    assert parts[0] == "image-intellisense-"
    assert "AWS::StackId" in str(parts[1])


@pytest.mark.parametrize("word", ["aws", "amazon", "cognito"])
def test_a_name_that_cognito_takes_in_no_domain_is_refused_in_a_sentence(word: str) -> None:
    with pytest.raises(ConfigurationError, match=f"name must not contain {word}: Cognito"):
        SignIn(unchecked(), "SignIn", config=Config(name=f"my-{word}-photos"))


def test_origin_and_issuer_are_those_of_the_pool() -> None:
    found: dict[str, str] = {}

    def build(stack: Stack) -> None:
        people = add_sign_in(stack)
        found["origin"] = str(stack.resolve(people.origin))
        found["issuer"] = str(stack.resolve(people.issuer))

    made = synthesized(build)
    domain = only(made, "AWS::Cognito::UserPoolDomain")["Domain"]
    assert domain in found["origin"]
    assert ".amazoncognito.com" in found["origin"]
    (name,) = [n for n, r in made["Resources"].items() if r["Type"] == "AWS::Cognito::UserPool"]
    assert "cognito-idp." in found["issuer"]
    assert f"{{'Ref': '{name}'}}" in found["issuer"]


def test_the_template_is_what_cloudformation_takes(template: Template, tmp_path: Path) -> None:
    assert linted(template, tmp_path) == ""


def test_what_is_not_explained_is_refused_by_cdk_nag() -> None:
    with pytest.raises(RuntimeError, match="AwsSolutions-COG1"):
        synthesized(lambda stack: CfnUserPool(stack, "Bare"))
