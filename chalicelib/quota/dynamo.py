"""A tally in a DynamoDB table."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from chalicelib.errors import QuotaUnavailable
from chalicelib.quota.base import Allowance, Used

_NO_ANSWER = (BotoCoreError, HTTPError, OSError)

_NAMES = {"#files": "files", "#bytes": "bytes"}


class DynamoTally:
    """Partition key `id` (S), numbers `files` and `bytes`, TTL attribute `expires_at`
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html: it deletes within
    days of that time, which is early enough).

    One conditional `UpdateItem`, and no read before it: DynamoDB checks and adds in one step
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html). It is
    not idempotent: where its answer is lost, botocore asks again, and the same files may be
    counted twice. That is the side to be wrong on.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, id: str, more: Used, allowance: Allowance, *, expires_at: int) -> Used | None:
        condition, values = _condition(more, allowance)
        added = {":files": _number(more.files), ":bytes": _number(more.bytes)}
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": id}},
                UpdateExpression="ADD #files :files, #bytes :bytes SET #expires_at = :expires_at",
                ExpressionAttributeNames=_NAMES | {"#expires_at": "expires_at"},
                ExpressionAttributeValues={**added, **values, ":expires_at": _number(expires_at)},
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **condition,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return _used(error.response.get("Item", {}))
            raise self._unavailable(error) from error
        except _NO_ANSWER as error:
            raise self._unavailable(error) from error
        if "Attributes" not in answer:
            # Whoever says "200" and no more, such as a proxy in the way, has counted nothing.
            raise self._said("nothing of what it counted")
        return None

    def read(self, id: str) -> Used:
        try:
            found = self._client.get_item(
                TableName=self._table,
                Key={"id": {"S": id}},
                ProjectionExpression="#files, #bytes",
                ExpressionAttributeNames=_NAMES,
                ConsistentRead=True,
            )
        except (ClientError, *_NO_ANSWER) as error:
            raise self._unavailable(error) from error
        return _used(found.get("Item", {}))

    def _unavailable(self, error: Exception) -> QuotaUnavailable:
        said = type(error).__name__
        if isinstance(error, ClientError):
            said = error.response["Error"]["Code"]
        return self._said(said)

    def _said(self, said: str) -> QuotaUnavailable:
        return QuotaUnavailable(
            f"Uploads cannot be counted, so none are taken: DynamoDB answered {said} for the "
            f"table {self._table}."
        )


def _condition(more: Used, allowance: Allowance) -> tuple[dict[str, str], dict[str, Any]]:
    """The most that may be counted already. An item without a number has counted nothing; where
    `more` alone is over the limit that will not do either, and the comparison, which is false for
    a number that is not there, stands by itself."""
    parts, values = [], {}
    for name, limit, count in zip(Used._fields, allowance, more, strict=True):
        if limit:
            most = limit - count
            fits = f"#{name} <= :most_{name}"
            parts.append(f"(attribute_not_exists(#{name}) OR {fits})" if most >= 0 else fits)
            values[f":most_{name}"] = _number(most)
    return ({"ConditionExpression": " AND ".join(parts)} if parts else {}), values


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _used(item: dict[str, Any]) -> Used:
    return Used(*(int(item.get(name, {"N": "0"})["N"]) for name in Used._fields))
