"""A VPC, for those who choose one."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct


class Network(Construct):
    """Functions and domain in private subnets, one NAT gateway for what has no endpoint here (SQS,
    Cognito's keys, X-Ray); S3 by its gateway endpoint, which is free."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=1,
            restrict_default_security_group=False,
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
            flow_logs={"Refused": ec2.FlowLogOptions(traffic_type=ec2.FlowLogTrafficType.REJECT)},
        )
        self.functions = ec2.SecurityGroup(
            self, "Functions", vpc=self.vpc, description="functions and bulk work"
        )
        self.domain = ec2.SecurityGroup(
            self,
            "Domain",
            vpc=self.vpc,
            description="OpenSearch, for the functions alone",
            allow_all_outbound=False,
        )
        self.domain.add_ingress_rule(self.functions, ec2.Port.tcp(443), "HTTPS from the functions")

    @property
    def private(self) -> ec2.SubnetSelection:
        return ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)

    @property
    def private_ids(self) -> list[str]:
        """The ids of the private subnets."""
        ids: list[str] = self.vpc.select_subnets(
            subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS
        ).subnet_ids
        return ids
