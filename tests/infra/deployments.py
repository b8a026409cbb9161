"""The deployments that proofs look at: one for each choice that changes how things are wired."""

from __future__ import annotations

import functools

from infra.config import Config
from tests.infra.granted import Rights
from tests.infra.stacks_read import ACCOUNT, Resource, Stacks
from tests.infra.synthesized import templates

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"

INVENTORIES = "inventories"
"""The bucket that S3 writes its lists into."""

CHOICES = {
    "the defaults": Config(),
    "AWS identities": Config(auth="iam", origins=("https://intranet.example.org",)),
    "an existing bucket": Config(
        bucket="old-photos", bucket_key_arn=KEY, inventory_bucket=INVENTORIES
    ),
    "an existing bucket by EventBridge": Config(bucket="old-photos", events="eventbridge"),
    "an existing domain": Config(
        origins=("https://a.example.org", "http://localhost:5173"),
        opensearch_url="https://search-x.eu-west-1.es.amazonaws.com",
        opensearch_arn="arn:aws:es:eu-west-1:123456789012:domain/x",
    ),
    "a VPC and ARM": Config(vpc=True, opensearch_nodes=2, architecture="arm64"),
    "kept warm, without GPU": Config(
        search_provisioned=2, versioned=True, gpu=False, quota_files=0, quota_gb=0
    ),
}

ALL = tuple(CHOICES)

OWN_BUCKET = tuple(name for name, config in CHOICES.items() if not config.bucket)

OWN_DOMAIN = tuple(name for name, config in CHOICES.items() if not config.opensearch_url)

PEOPLE = tuple(name for name, config in CHOICES.items() if config.auth == "cognito")


class Deployment:
    """One of the choices, and its resources by what they are for."""

    def __init__(self, config: Config, stacks: Stacks) -> None:
        self.config = config
        self.stacks = stacks
        self.rights = Rights(stacks)

    @property
    def photos(self) -> str:
        """The name of the bucket."""
        return self.config.bucket or self._bucket("photos")

    @property
    def thumbnails(self) -> str:
        return self._bucket("thumbnails")

    @property
    def site(self) -> str:
        return self._bucket("site")

    def _bucket(self, what: str) -> str:
        return f"{self.config.name}-{what}-{ACCOUNT}-{self.stacks.region}"

    @property
    def ingest(self) -> Resource:
        """The queue that redrives."""
        (queue,) = (q for q in self.queues if "RedrivePolicy" in q.properties)
        return queue

    @property
    def dead_letters(self) -> Resource:
        (queue,) = (q for q in self.queues if "RedrivePolicy" not in q.properties)
        return queue

    @property
    def queues(self) -> list[Resource]:
        return self.stacks.of_type("AWS::SQS::Queue")

    @property
    def counters(self) -> Resource | None:
        """The table that counts uploads."""
        tables = self.stacks.of_type("AWS::DynamoDB::Table")
        return tables[0] if tables else None

    @property
    def domain_arn(self) -> str:
        if self.config.opensearch_arn:
            return self.config.opensearch_arn
        (domain,) = self.stacks.of_type("AWS::OpenSearchService::Domain")
        return domain.arn


@functools.cache
def deployment(choice: str) -> Deployment:
    config = CHOICES[choice]
    return Deployment(config, Stacks(templates(config)))
