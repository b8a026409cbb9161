"""What moto lacks of an account, as far as `preflight` looks at it."""

from __future__ import annotations

from typing import Any

from infra.commands import check_limits

SERVICES = ("LAMBDA", "SERVICE_QUOTAS", "OPENSEARCH", "IAM")
"""That are asked at the address of `Limits`, by the names of AWS_ENDPOINT_URL_…"""

REQUIRED = {"DomainId": "1/photos", "DomainName": "photos", "ARN": "arn", "ClusterConfig": {}}


class Limits:
    """What moto lacks of an account: Lambda's concurrency, quotas, OpenSearch, simulated rights."""

    def __init__(self) -> None:
        self.concurrency = 1000
        self.quotas = {check_limits.SPOT: 64.0, check_limits.ON_DEMAND: 64.0}
        self.defaults = {check_limits.FARGATE: 256.0}
        self.denied: set[str] = set()
        self.engine = "OpenSearch_3.5"

    def answer(self, target: str, method: str, given: dict[str, Any]) -> Any:
        if target.endswith("/account-settings"):
            few = {
                "ConcurrentExecutions": self.concurrency,
                "UnreservedConcurrentExecutions": self.concurrency,
            }
            return {"AccountLimit": few, "AccountUsage": {}}
        if "ServiceQuota" in target:
            known = self.defaults if "AWSDefault" in target else self.quotas
            if given["QuotaCode"] not in known:
                return 400, {"__type": "NoSuchResourceException", "message": "none"}
            return {"Quota": {"Value": known[given["QuotaCode"]]}}
        if target.endswith("/opensearch/versions"):
            return {"Versions": ["OpenSearch_3.5", "OpenSearch_2.19", "Elasticsearch_7.10"]}
        if "/instanceTypeDetails/" in target:
            return {"InstanceTypeDetails": [{"InstanceType": "t3.small.search"}]}
        if target.endswith("/domain/photos"):
            return {"DomainStatus": {**REQUIRED, "EngineVersion": self.engine}}
        if given.get("Action") == "SimulatePrincipalPolicy":
            return self._simulated(given)
        return 404, {"__type": "ResourceNotFoundException", "message": f"{method} {target}"}

    def _simulated(self, given: dict[str, Any]) -> str:
        names = [value for key, value in given.items() if key.startswith("ActionNames")]
        members = "".join(
            f"<member><EvalActionName>{name}</EvalActionName><EvalDecision>"
            f"{'implicitDeny' if name in self.denied else 'allowed'}</EvalDecision></member>"
            for name in names
        )
        return (
            '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
            f"<SimulatePrincipalPolicyResult><EvaluationResults>{members}</EvaluationResults>"
            "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        )
