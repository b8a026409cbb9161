"""The evaluator that the proofs of rights rest on, held to the cases of AWS's own pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.policies import Request, Unsupported, arn_like, decide, parse

ROLE = "arn:aws:iam::123456789012:role/reader"
OBJECT = "arn:aws:s3:::photos/cats/1.jpg"
BUCKET = "arn:aws:s3:::photos"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"


def statement(effect: str = "Allow", **parts: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"} | parts


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allowed(
    own: list[dict[str, Any]],
    its: list[dict[str, Any]] = [],  # noqa: B006
    *,
    caller: str = ROLE,
    action: str = "s3:GetObject",
    resource: str = OBJECT,
    **context: str,
) -> bool:
    """Keys of the context are written with __ for the colon."""
    keys = {key.replace("__", ":"): value for key, value in context.items()}
    return decide(
        Request(caller, action, resource, keys),
        parse(policy(*own), "own", of_resource=False),
        parse(policy(*its), "its", of_resource=True),
    ).allowed


def test_what_nothing_allows_is_refused() -> None:
    assert not allowed([])
    assert not allowed([statement(Action="s3:PutObject")])
    assert not allowed([statement(Resource="arn:aws:s3:::others/*")])


def test_an_allow_of_the_caller_is_enough() -> None:
    assert allowed([statement()])


def test_an_allow_of_the_resource_that_names_the_caller_is_enough() -> None:
    assert allowed([], [statement(Principal={"AWS": ROLE})])
    assert allowed([], [statement(Principal="*")])
    assert not allowed([], [statement(Principal={"AWS": ROLE + "2"})])


def test_an_explicit_deny_wins_wherever_it_stands() -> None:
    assert not allowed([statement(), statement("Deny")])
    assert not allowed([statement()], [statement("Deny", Principal="*")])
    assert not allowed([statement("Deny", Action="s3:*")], [statement(Principal={"AWS": ROLE})])


def test_a_deny_counts_only_where_it_applies() -> None:
    tls = {"Bool": {"aws:SecureTransport": "false"}}
    deny = statement("Deny", Action="s3:*", Principal={"AWS": "*"}, Condition=tls)
    assert allowed([statement()], [deny])
    assert not allowed([statement()], [deny], aws__SecureTransport="false")


def test_a_resource_that_names_the_account_leaves_the_decision_to_the_callers_policies() -> None:
    account = statement(Principal={"AWS": "arn:aws:iam::123456789012:root"})
    assert not allowed([], [account])
    assert allowed([statement()], [account])


def test_nobody_uses_a_key_whose_policy_leaves_them_out() -> None:
    own = [statement(Action="kms:Decrypt", Resource=KEY)]
    theirs = statement(Action="kms:Decrypt", Principal={"AWS": ROLE + "2"}, Resource="*")
    ours = statement(
        Action="kms:*", Principal={"AWS": "arn:aws:iam::123456789012:root"}, Resource="*"
    )
    asked = {"action": "kms:Decrypt", "resource": KEY}
    assert not allowed(own, [theirs], **asked)
    assert allowed(own, [ours], **asked)
    assert not allowed([], [ours], **asked)


def test_actions_are_compared_without_case_and_with_wildcards() -> None:
    assert allowed([statement(Action=["S3:getobject"])])
    assert allowed([statement(Action="s3:Get*")])
    assert allowed([statement(Action="s3:GetObjec?")])
    assert not allowed([statement(Action="s3:GetObject?")])


def test_a_bucket_is_not_its_objects() -> None:
    asked = {"action": "s3:ListBucket", "resource": BUCKET}
    assert not allowed([statement(Action="s3:ListBucket")], **asked)
    assert allowed([statement(Action="s3:ListBucket", Resource=BUCKET)], **asked)
    assert not allowed([statement(Resource=BUCKET)])


def test_a_wildcard_stays_within_its_part_of_an_arn_but_for_the_last() -> None:
    queue = "arn:aws:sqs:eu-west-1:123456789012:ingest"
    assert arn_like("arn:aws:sqs:*:123456789012:ingest", queue)
    assert not arn_like("arn:aws:*:ingest", queue)
    assert arn_like("arn:aws:logs:*:*:log-group:*", "arn:aws:logs:x:1:log-group:a:log-stream:b")
    assert arn_like("*", queue)


def test_conditions_must_all_hold_and_one_of_the_values_is_enough() -> None:
    source = {
        "ArnLike": {"aws:SourceArn": BUCKET},
        "StringEquals": {"aws:SourceAccount": ["123456789012", "999999999999"]},
    }
    send = statement(
        Action="sqs:SendMessage", Principal={"Service": "s3.amazonaws.com"},
        Resource="*", Condition=source,
    )  # fmt: skip
    asked = {
        "caller": "s3.amazonaws.com", "action": "sqs:SendMessage",
        "resource": "arn:aws:sqs:eu-west-1:123456789012:ingest",
    }  # fmt: skip
    mine = "123456789012"
    assert allowed([], [send], **asked, aws__SourceArn=BUCKET, aws__SourceAccount=mine)
    assert allowed([], [send], **asked, aws__sourcearn=BUCKET, AWS__SourceAccount=mine)
    assert not allowed([], [send], **asked, aws__SourceArn=BUCKET, aws__SourceAccount="1")
    assert not allowed([], [send], **asked, aws__SourceArn=BUCKET + "2", aws__SourceAccount=mine)
    assert not allowed([], [send], **asked, aws__SourceArn=BUCKET)


def test_a_service_is_let_in_by_its_own_name_and_shut_out_with_everybody() -> None:
    send = statement(Principal={"Service": "s3.amazonaws.com"})
    assert allowed([], [send], caller="s3.amazonaws.com")
    assert not allowed([], [send], caller="sns.amazonaws.com")
    everybody = statement("Deny", Principal={"AWS": "*"})
    assert not allowed([], [send, everybody], caller="s3.amazonaws.com")


@pytest.mark.parametrize(
    ("operator", "value", "given", "holds"),
    [
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "Ab", "ab", False),
        ("StringLike", "a*", "ab", True),
        ("StringLike", "a?", "abc", False),
        ("ArnEquals", "arn:aws:s3:::*", "arn:aws:s3:::photos", True),
        ("Bool", "TRUE", "true", True),
        ("NumericLessThan", "1.2", "1.1", True),
        ("NumericLessThan", "1.2", "1.20", False),
    ],
)
def test_each_operator_compares_as_its_page_says(
    operator: str, value: str, given: str, holds: bool
) -> None:
    asked = statement(Condition={operator: {"aws:Key": value}})
    assert allowed([asked], aws__Key=given) is holds
    assert not allowed([asked]), "a key that the request lacks"


@pytest.mark.parametrize(
    "parts",
    [
        {"NotAction": "s3:GetObject"},
        {"NotResource": "*"},
        {"Principal": "*"},
        {"Condition": {"NumericGreaterThan": {"s3:max-keys": "10"}}},
        {"Condition": {"StringEqualsIfExists": {"aws:SourceVpc": "x"}}},
        {"Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "x"}}},
        {"Resource": "arn:aws:s3:::photos/${aws:username}/*"},
        {"Resource": {"Ref": "Photos"}},
        {"Action": []},
        {"Effect": "allow"},
    ],
)
def test_what_is_not_known_is_never_passed_over(parts: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        allowed([statement() | parts])


def test_policies_of_the_older_language_and_those_without_a_caller_are_refused() -> None:
    with pytest.raises(Unsupported):
        parse({"Version": "2008-10-17", "Statement": []}, "x", of_resource=False)
    with pytest.raises(Unsupported):
        parse(policy(statement()), "x", of_resource=True)
