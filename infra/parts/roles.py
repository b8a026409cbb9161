"""Who the functions are. What each may do stands in rights.py."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

FUNCTIONS = ("api", "search", "embedder")
"""Those of Lambda; the fourth role is that of bulk work."""


class Roles(Construct):
    """They stand beside the data, since the domain's policy names them and takes only the names
    of roles that are there."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        of_lambda = iam.ServicePrincipal("lambda.amazonaws.com")
        self.api = iam.Role(self, "Api", assumed_by=of_lambda)
        self.search = iam.Role(self, "Search", assumed_by=of_lambda)
        self.embedder = iam.Role(self, "Embedder", assumed_by=of_lambda)
        self.batch = iam.Role(
            self, "Batch", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com")
        )

    def all(self) -> dict[str, iam.Role]:
        return {
            "api": self.api,
            "search": self.search,
            "embedder": self.embedder,
            "batch": self.batch,
        }
