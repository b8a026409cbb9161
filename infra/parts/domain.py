"""The OpenSearch domain: made here, or one that is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_opensearchservice as opensearch
from constructs import Construct

from infra.config import Config
from infra.nag import explain
from infra.parts.network import Network

OURS = "images-*"
"""The names of our indexes (chalicelib/index/naming.py); a domain may hold others' too."""

OPENED = {
    "es:ESHttpGet": (f"{OURS}/_mapping", f"_cluster/health/{OURS}"),
    "es:ESHttpPut": (OURS,),
}
"""Whoever comes first makes the index, and whoever uses it marks it as used, by PUT."""

READ, FOUND, ALIKE = f"{OURS}/_mget", f"{OURS}/_search", f"{OURS}/_msearch"
WRITTEN, COUNTED, SHOWN = f"{OURS}/_bulk", f"{OURS}/_count", f"{OURS}/_refresh"

REQUESTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "api": {**OPENED, "es:ESHttpPost": (READ, FOUND, ALIKE, WRITTEN)},
    "search": {**OPENED, "es:ESHttpPost": (READ, FOUND, ALIKE)},
    "embedder": {**OPENED, "es:ESHttpPost": (READ, FOUND, ALIKE, WRITTEN)},
    "batch": {
        "es:ESHttpGet": (*OPENED["es:ESHttpGet"], f"_cat/indices/{OURS}"),
        "es:ESHttpPut": OPENED["es:ESHttpPut"],
        "es:ESHttpPost": (READ, FOUND, ALIKE, WRITTEN, COUNTED, SHOWN),
        "es:ESHttpDelete": (OURS,),
    },
}
"""What each role may send, by path below the domain: a search is a POST, as a bulk write is
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html)."""


def requests_of(role: str, domain_arn: str) -> Iterator[tuple[str, list[str]]]:
    """(action, resources), for each action that the role may use."""
    for action, paths in REQUESTS[role].items():
        yield action, [f"{domain_arn}/{path}" for path in paths]


class Domain(Construct):
    """`endpoint` is `https://…`; `arn` is what rights are given on."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        roles: Mapping[str, iam.IRole],
        network: Network | None,
    ) -> None:
        super().__init__(scope, id)
        self.name: str | None = None
        if config.opensearch_url:
            self.endpoint, self.arn = config.opensearch_url, config.opensearch_arn
            return
        # A name of its own: the policy says the domain's ARN, and it cannot ask the domain.
        name = config.name
        self.name = name
        self.arn = f"arn:{Aws.PARTITION}:es:{Aws.REGION}:{Aws.ACCOUNT_ID}:domain/{name}"
        made = self._made(config, name, roles, network)
        self.endpoint = f"https://{made.attr_domain_endpoint}"

    def _made(
        self,
        config: Config,
        name: str,
        roles: Mapping[str, iam.IRole],
        network: Network | None,
    ) -> opensearch.CfnDomain:
        properties = opensearch.CfnDomain
        zones = min(config.opensearch_nodes, 2)
        domain = opensearch.CfnDomain(
            self,
            "Domain",
            domain_name=name,
            engine_version=f"OpenSearch_{config.opensearch_version}",
            cluster_config=properties.ClusterConfigProperty(
                instance_type=config.opensearch_instance,
                instance_count=config.opensearch_nodes,
                zone_awareness_enabled=zones > 1,
                zone_awareness_config=(
                    properties.ZoneAwarenessConfigProperty(availability_zone_count=zones)
                    if zones > 1
                    else None
                ),
                multi_az_with_standby_enabled=False,
            ),
            ebs_options=properties.EBSOptionsProperty(
                ebs_enabled=True, volume_type="gp3", volume_size=config.opensearch_volume_gb
            ),
            encryption_at_rest_options=properties.EncryptionAtRestOptionsProperty(enabled=True),
            node_to_node_encryption_options=properties.NodeToNodeEncryptionOptionsProperty(
                enabled=True
            ),
            domain_endpoint_options=properties.DomainEndpointOptionsProperty(
                enforce_https=True, tls_security_policy="Policy-Min-TLS-1-2-PFS-2023-10"
            ),
            off_peak_window_options=properties.OffPeakWindowOptionsProperty(enabled=True),
            software_update_options=properties.SoftwareUpdateOptionsProperty(
                auto_software_update_enabled=True
            ),
            vpc_options=(
                properties.VPCOptionsProperty(
                    subnet_ids=network.private_ids[:zones],
                    security_group_ids=[network.domain.security_group_id],
                )
                if network
                else None
            ),
            # IAM sees the path of a request and not the indexes that its body may name
            # (https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html#ac-advanced).
            advanced_options={"rest.action.multi.allow_explicit_index": "false"},
            access_policies=iam.PolicyDocument(statements=self._statements(roles)),
        )
        # It holds nothing that the photos do not give again.
        domain.apply_removal_policy(RemovalPolicy.DESTROY)
        _explain(domain)
        return domain

    def _statements(self, roles: Mapping[str, iam.IRole]) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(
                principals=[iam.ArnPrincipal(roles[name].role_arn)],
                actions=[action],
                resources=resources,
            )
            for name in REQUESTS
            for action, resources in requests_of(name, self.arn)
        ]


def _explain(domain: opensearch.CfnDomain) -> None:
    explain(
        domain,
        "OS1",
        "The endpoint is public and takes only requests signed by the four roles of its policy; "
        "a VPC needs a NAT gateway, about 33 dollars a month. `vpc = true` puts it into one.",
    )
    explain(domain, "OS3", "Lambda functions have no addresses to list; the roles are named.")
    explain(
        domain,
        "OS4",
        "Master nodes would triple what a small domain costs; the index can be made again.",
    )
    explain(
        domain,
        "OS7",
        "A second zone is a second node: `opensearch_nodes = 2`. The index can be made again.",
    )
    for log in ("SEARCH_SLOW_LOGS", "INDEX_SLOW_LOGS"):
        explain(
            domain,
            "OS9",
            "The functions log and measure how long each search and write took.",
            finding=f"LogExport::{log}",
        )
