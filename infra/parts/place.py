"""Where the machines of bulk work stand: outside is reached from them, they are not."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Aws, Fn
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.nag import explain
from infra.parts.network import Network

NETWORK = "10.71.0.0/16"
ZONES = 2
"""Every region has as many for every account."""
SUBNET_BITS = 12
"""4,091 addresses in each subnet."""


@dataclass(frozen=True)
class Place:
    """`public`: whether machines need an address of their own to reach the registry."""

    vpc: ec2.IVpc
    subnets: ec2.SubnetSelection
    security_group: ec2.ISecurityGroup
    public: bool

    @classmethod
    def of(cls, scope: Construct, network: Network | None) -> Place:
        """In the deployment's VPC where it has one; else in one of their own."""
        if network is not None:
            return cls(network.vpc, network.private, network.functions, public=False)
        vpc = _OwnVpc(scope, "Network").vpc
        group = ec2.SecurityGroup(scope, "Jobs", vpc=vpc, description="jobs: out and never in")
        return cls(vpc, ec2.SubnetSelection(subnets=vpc.public_subnets), group, public=True)


class _OwnVpc(Construct):
    """Public subnets without NAT, and S3 by its gateway endpoint: it costs nothing.

    Written out, since `ec2.Vpc` asks the account for the names of its zones where account and
    region are named, and synthesizing asks nobody.
    """

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        vpc = ec2.CfnVPC(
            self, "Vpc", cidr_block=NETWORK, enable_dns_hostnames=True, enable_dns_support=True
        )
        explain(
            vpc,
            "VPC7",
            "Jobs alone live here, none can be reached, and a log of their every connection would "
            "cost more than they do.",
        )
        zones = [Fn.select(n, Fn.get_azs()) for n in range(ZONES)]
        blocks = Fn.cidr(vpc.attr_cidr_block, ZONES, str(SUBNET_BITS))
        table = self._route_table(vpc)
        subnets = [
            ec2.CfnSubnet(
                self,
                f"Subnet{n}",
                vpc_id=vpc.ref,
                availability_zone=zone,
                cidr_block=Fn.select(n, blocks),
                map_public_ip_on_launch=True,
            )
            for n, zone in enumerate(zones)
        ]
        for n, subnet in enumerate(subnets):
            ec2.CfnSubnetRouteTableAssociation(
                self, f"Routes{n}", subnet_id=subnet.ref, route_table_id=table.ref
            )
        self.vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Made",
            vpc_id=vpc.ref,
            availability_zones=zones,
            public_subnet_ids=[subnet.ref for subnet in subnets],
            public_subnet_route_table_ids=[table.ref] * ZONES,
        )

    def _route_table(self, vpc: ec2.CfnVPC) -> ec2.CfnRouteTable:
        gateway = ec2.CfnInternetGateway(self, "Gateway")
        attached = ec2.CfnVPCGatewayAttachment(
            self, "Attached", vpc_id=vpc.ref, internet_gateway_id=gateway.ref
        )
        table = ec2.CfnRouteTable(self, "Table", vpc_id=vpc.ref)
        out = ec2.CfnRoute(
            self,
            "Out",
            route_table_id=table.ref,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.ref,
        )
        out.add_resource_dependency(attached)
        ec2.CfnVPCEndpoint(
            self,
            "S3",
            vpc_id=vpc.ref,
            service_name=f"com.amazonaws.{Aws.REGION}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.ref],
        )
        return table
