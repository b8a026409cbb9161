"""Who is invited, what is asked for once, and the key that is made once."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from chalicelib.errors import ConfigurationError, Transient
from infra.commands import cookies, users
from infra.commands.account import Account
from infra.config import Config
from tests.infra import deploy_world

EMAIL = "ada@example.org"


@pytest.fixture
def account(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Account:
    deploy_world.enter(endpoint, monkeypatch)
    return deploy_world.account()


@pytest.fixture
def pool(account: Account) -> str:
    cognito = account.client("cognito-idp")
    made = cognito.create_user_pool(PoolName="people", UsernameAttributes=["email"])
    pool = str(made["UserPool"]["Id"])
    cognito.create_group(GroupName="admin", UserPoolId=pool)
    return pool


def people(account: Account, pool: str) -> tuple[list[Any], list[Any]]:
    """All users, and the admins."""
    cognito = account.client("cognito-idp")
    return (
        cognito.list_users(UserPoolId=pool)["Users"],
        cognito.list_users_in_group(UserPoolId=pool, GroupName="admin")["Users"],
    )


def test_the_first_user_is_invited_by_mail_and_is_an_admin(account: Account, pool: str) -> None:
    said = users.first_user(account, pool, EMAIL)
    (user,), (admin,) = people(account, pool)
    assert user["Username"] == admin["Username"]
    assert {"Name": "email", "Value": EMAIL} in user["Attributes"]
    assert {"Name": "email_verified", "Value": "true"} in user["Attributes"]
    assert user["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    assert EMAIL in said


def test_a_second_deployment_invites_nobody(account: Account, pool: str) -> None:
    users.first_user(account, pool, EMAIL)
    assert EMAIL in users.first_user(account, pool, "another@example.org")
    assert [len(found) for found in people(account, pool)] == [1, 1]


def test_a_user_whose_invitation_was_cut_off_becomes_an_admin(account: Account, pool: str) -> None:
    account.client("cognito-idp").admin_create_user(UserPoolId=pool, Username=EMAIL)
    users.first_user(account, pool, EMAIL)
    assert [len(found) for found in people(account, pool)] == [1, 1]


def test_the_email_is_kept_for_the_next_deployment(account: Account) -> None:
    assert users.kept_email(account, "mine") == ""
    users.keep_email(account, "mine", EMAIL)
    users.keep_email(account, "mine", EMAIL)
    assert users.kept_email(account, "mine") == EMAIL
    users.forget_email(account, "mine")
    assert users.kept_email(account, "mine") == ""


@pytest.mark.parametrize("wrong", ["", "ada", "ada@example", "a b@example.org"])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="not an e-mail address"):
        users.check_address(wrong)


def test_the_cookie_key_is_made_once(account: Account) -> None:
    made = cookies.find_or_make(account, "mine")
    assert not made.kept
    cookies.keep(account, "mine", made)
    found = cookies.find_or_make(account, "mine")
    assert found == cookies.CookieKey(made.private, made.public, kept=True)
    cookies.keep(account, "mine", found)


def test_the_private_half_is_encrypted_and_the_public_half_is_of_it(account: Account) -> None:
    made = cookies.find_or_make(account, "mine")
    cookies.keep(account, "mine", made)
    kept = account.client("ssm").get_parameter(Name="/mine/cookie-key")["Parameter"]
    assert kept["Type"] == "SecureString"
    assert kept["Value"].startswith("kms:alias/aws/ssm:")  # so moto says that it is encrypted
    private = serialization.load_pem_private_key(made.private.encode(), None)
    public = serialization.load_pem_public_key(made.public.encode())
    assert private.public_key() == public
    assert public.key_size == 2048  # type: ignore[union-attr]


def test_a_key_that_another_run_put_meanwhile_stays(account: Account) -> None:
    mine, theirs = (cookies.find_or_make(account, "mine") for _ in range(2))
    cookies.keep(account, "mine", theirs)
    with pytest.raises(Transient, match="run it again"):
        cookies.keep(account, "mine", mine)
    assert cookies.find_or_make(account, "mine").private == theirs.private


def test_without_credentials_it_says_how_to_get_them(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="aws sso login"):
        deploy_world.account()


def test_credentials_of_another_account_are_refused(account: Account) -> None:
    with pytest.raises(ConfigurationError, match="111111111111"):
        deploy_world.account(Config(account="111111111111"))


def test_without_a_region_it_says_where_to_set_one(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="region in CONFIG"):
        deploy_world.account()
    assert deploy_world.account(Config(region="eu-west-1")).region == "eu-west-1"


def test_nobody_at_the_keyboard_is_an_error_that_names_the_option() -> None:
    with pytest.raises(ConfigurationError, match="--yes"):
        deploy_world.Heard().agreed("Go on?")
    assert deploy_world.Heard(yes=True).agreed("Go on?")
    assert deploy_world.Heard("yes").agreed("Go on?")
    assert not deploy_world.Heard("").agreed("Go on?")
