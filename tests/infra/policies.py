"""What IAM would decide, for the policies that our templates hold; strict: what it does not know
raises, so that no decision rests on a part that was passed over.

Follows https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
within one account: an explicit deny anywhere refuses; else a policy of the caller or one of the
resource that names the caller is enough; a resource's policy that names the account only lets the
account's own policies decide. Keys are different: without their policy nobody has a right
(https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VERSION = "2012-10-17"

KNOWN = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}

PRINCIPALS = {"AWS", "Service", "Federated", "CanonicalUser"}


class Unsupported(Exception):
    """A part of a policy that this evaluator does not know."""


@dataclass(frozen=True)
class Condition:
    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """`principals` are pairs such as ("Service", "s3.amazonaws.com"); None in a policy that
    belongs to an identity."""

    allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...] | None
    conditions: tuple[Condition, ...]
    place: str
    """Where it stands, for people."""


@dataclass(frozen=True)
class Request:
    """`caller`: an ARN, or a service such as "s3.amazonaws.com". `context`: the condition keys
    that the request has beside those every request has."""

    caller: str
    action: str
    resource: str
    context: Mapping[str, str]

    @property
    def keys(self) -> dict[str, str]:
        """By lower-case name, as IAM compares them."""
        given = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3", **self.context}
        if self.caller.startswith("arn:"):
            given |= {
                "aws:PrincipalArn": self.caller,
                "aws:PrincipalAccount": self.caller.split(":")[4],
            }
        return {key.lower(): value for key, value in given.items()}


def parse(document: Mapping[str, Any], place: str, *, of_resource: bool) -> list[Statement]:
    """The statements of a policy whose values are resolved. Raises `Unsupported`."""
    if document.get("Version") != VERSION:
        raise Unsupported(f"{place}: version {document.get('Version')!r}")
    given = document["Statement"]
    rows = [given] if isinstance(given, Mapping) else given
    return [_statement(s, f"{place}[{n}]", of_resource) for n, s in enumerate(rows)]


def _statement(given: Mapping[str, Any], place: str, of_resource: bool) -> Statement:
    if unknown := set(given) - KNOWN:
        raise Unsupported(f"{place}: {', '.join(sorted(unknown))}")
    if given["Effect"] not in ("Allow", "Deny"):
        raise Unsupported(f"{place}: effect {given['Effect']!r}")
    if of_resource != ("Principal" in given):
        raise Unsupported(f"{place}: {'no' if of_resource else 'a'} Principal")
    return Statement(
        allow=given["Effect"] == "Allow",
        actions=_texts(given["Action"], place),
        # Trust policies have none: the role they belong to is meant.
        resources=_texts(given.get("Resource", "*" if of_resource else None), place),
        principals=_principals(given["Principal"], place) if of_resource else None,
        conditions=tuple(_conditions(given.get("Condition", {}), place)),
        place=place + (f" {given['Sid']}" if "Sid" in given else ""),
    )


def _texts(given: object, place: str) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise Unsupported(f"{place}: {given!r}")
    if variable := next((t for t in texts if "${" in t), None):
        raise Unsupported(f"{place}: the variable in {variable}")
    return tuple(texts)


def _principals(given: object, place: str) -> tuple[tuple[str, str], ...]:
    if given == "*":
        return (("AWS", "*"),)
    if not isinstance(given, Mapping) or set(given) - PRINCIPALS:
        raise Unsupported(f"{place}: principal {given!r}")
    return tuple((kind, name) for kind, names in given.items() for name in _texts(names, place))


def _conditions(given: Mapping[str, Any], place: str) -> Iterator[Condition]:
    for operator, keys in given.items():
        if operator not in OPERATORS:
            raise Unsupported(f"{place}: condition {operator}")
        for key, values in keys.items():
            plain = isinstance(values, bool | int | float)
            texts = [str(values).lower()] if plain else values
            yield Condition(operator, key.lower(), _texts(texts, place))


# --- matching ---------------------------------------------------------------------------------


def like(pattern: str, text: str) -> bool:
    """`*` is any text, `?` any letter."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def arn_like(pattern: str, text: str) -> bool:
    """Part by part: a wildcard in one of the first five parts stays within it
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html)."""
    if pattern == "*":
        return True
    parts, named = pattern.split(":", 5), text.split(":", 5)
    return len(parts) == len(named) == 6 and all(map(like, parts, named))


def _is(value: str, given: str) -> bool:
    return value == given


def _same_truth(value: str, given: str) -> bool:
    return value.lower() == given.lower()


def _below(value: str, given: str) -> bool:
    return float(given) < float(value)


OPERATORS = {
    "StringEquals": _is,
    "StringLike": like,
    "ArnEquals": arn_like,
    "ArnLike": arn_like,
    "Bool": _same_truth,
    "NumericLessThan": _below,
}
"""All of them false where the request lacks the key; one value that matches is enough
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html)."""


def names_action(statement: Statement, action: str) -> bool:
    return any(like(a.lower(), action.lower()) for a in statement.actions)


def applies(statement: Statement, request: Request) -> bool:
    """Whether all but the principal fits."""
    keys = request.keys
    return (
        names_action(statement, request.action)
        and any(arn_like(pattern, request.resource) for pattern in statement.resources)
        and all(
            c.key in keys and any(OPERATORS[c.operator](value, keys[c.key]) for value in c.values)
            for c in statement.conditions
        )
    )


def named(statement: Statement, caller: str) -> bool:
    """Whether the statement of a resource's policy names this caller itself, or everybody, which
    services are too."""
    kind = "AWS" if caller.startswith("arn:") else "Service"
    return bool({(kind, caller), ("AWS", "*")} & set(statement.principals or ()))


def _names_account(statement: Statement, caller: str) -> bool:
    if not caller.startswith("arn:"):
        return False
    account = caller.split(":")[4]
    whole = {("AWS", account), ("AWS", f"arn:aws:iam::{account}:root")}
    return bool(whole & set(statement.principals or ()))


# --- the decision -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    allowed: bool
    by: tuple[Statement, ...]
    """Those that allow, or that deny; none where nothing allows."""

    def __bool__(self) -> bool:
        return self.allowed


def decide(request: Request, own: Iterable[Statement], its: Sequence[Statement]) -> Decision:
    """`own`: the statements of the caller's policies; `its`: those of the resource's."""
    mine = [s for s in own if applies(s, request)]
    about = [s for s in its if applies(s, request)]
    direct = [s for s in about if named(s, request.caller)]
    through = [s for s in about if _names_account(s, request.caller)]
    if denied := [s for s in (*mine, *direct, *through) if not s.allow]:
        return Decision(False, tuple(denied))
    if request.resource.split(":")[2] == "kms" and its and not through:
        mine = []
    allowing = (*mine, *direct)
    return Decision(bool(allowing), allowing)
