"""What a person may choose of a deployment: one TOML file, `CONFIG=deploy.toml`.

Every choice has a default, and `docs/operations.md` lists every one; a test holds it to that.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from chalicelib.config import origins_of
from chalicelib.errors import ConfigurationError

NAME = re.compile(r"[a-z][a-z0-9-]{1,22}[a-z0-9]")
"""What begins the names of stacks, buckets and functions; buckets allow the least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One deployment. Sizes in MB, times in seconds, unless a name says otherwise."""

    name: str = "image-intellisense"
    """Begins the names of the stacks; another name is another deployment beside the first."""
    account: str = ""
    """Empty: that of the credentials."""
    region: str = ""
    """Empty: that of the environment."""

    auth: Literal["cognito", "iam"] = "cognito"
    """Who may call: people who sign in on the page, or AWS identities only (no page then)."""
    email: str = ""
    """Of the first user; alarms and the budget go there too."""
    private_collections: bool = False
    """Whether each person sees only what they uploaded."""
    second_factor: bool = False
    """Whether everybody who signs in needs an authenticator's code beside the password."""

    bucket: str = ""
    """An existing photos bucket to bring in; empty: one is made."""
    bucket_key_arn: str = ""
    """The KMS key that the existing bucket's objects are encrypted with, where it has one."""
    inventory_bucket: str = ""
    """The bucket that S3 Inventory writes to, for reconciles that read it."""
    events: Literal["sqs", "eventbridge"] = "sqs"
    """How an existing bucket tells of its objects; eventbridge where other notifications of the
    same kind are in the way."""
    versioned: bool = False
    """Whether the bucket that is made keeps overwritten and deleted photos for a while."""
    noncurrent_days: int = 30
    """For how long, with `versioned`."""

    model: str = "starter"
    """`starter`, a name that `make model MODEL=…` takes, or a model folder."""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    """Of the container functions."""
    ocr: bool = True
    """Whether the text in pictures is read."""
    embedder_memory: int = 3008
    embedder_timeout: int = 120
    batch_size: int = 10
    batch_window: int = 1
    """Seconds that the queue gathers messages for one invocation."""
    max_concurrency: int = 10
    """Embedders at a time, 2 to 1000; set on the queue's mapping, so nothing is reserved."""
    search_memory: int = 1769
    """1769 MB are one processor (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
    search_provisioned: int = 0
    """Search functions kept warm; each is paid for by the hour."""
    api_memory: int = 512

    opensearch_url: str = ""
    """An existing domain's endpoint, `https://…`; empty: a domain is made."""
    opensearch_arn: str = ""
    """Its ARN, needed with `opensearch_url`: rights are given on it alone."""
    opensearch_instance: str = "t3.small.search"
    opensearch_nodes: int = 1
    opensearch_volume_gb: int = 10
    opensearch_version: str = "3.5"
    opensearch_compression: Literal["1x", "4x", "32x"] = "1x"
    vpc: bool = False
    """Whether domain and functions live in a VPC; NAT alone is about 33 dollars a month."""

    gpu: bool = True
    """Whether bulk work may use GPUs; false for accounts without a quota for them."""
    gpu_instances: tuple[str, ...] = ("g4dn.xlarge", "g5.xlarge", "g6.xlarge")
    batch_spot: bool = True
    """Whether bulk work takes spot machines: about a third of the price, and AWS may take them
    back, whereupon the job goes on elsewhere. Fargate has none for arm64."""
    batch_vcpus: int = 16
    """The most processors that bulk work uses at a time."""
    reconcile_hours: int = 24
    """Between two comparisons of bucket and index; 0: none are scheduled."""

    domain_name: str = ""
    """The page's own name, such as photos.example.org; empty: CloudFront's."""
    certificate_arn: str = ""
    """Its certificate in us-east-1, needed with `domain_name`."""
    web_acl_arn: str = ""
    """A WAF web ACL for CloudFront, in us-east-1; empty: none, since one costs from 6 dollars."""
    origins: tuple[str, ...] = ()
    """Other pages that may call the API and upload, such as ["https://intranet.example.org"]."""
    requests_per_second: int = 50
    burst: int = 100
    quota_files: int = 20_000
    """What one person may upload in a day, by the API; 0: no limit. Who writes into the bucket
    directly is not counted."""
    quota_gb: int = 100
    """The same in 10⁹ bytes; 0: no limit."""
    log_days: int = 30
    traces: bool = True
    budget: int = 0
    """US dollars a month; above it a mail is sent. 0: none."""

    @classmethod
    def load(cls, path: Path | None) -> Config:
        """From a TOML file; None: all defaults. Raises `ConfigurationError` naming file and key."""
        if path is None:
            return cls()
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} is not TOML: {error}.") from error
        try:
            return cls.of(given)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error.message}") from error

    @classmethod
    def of(cls, given: dict[str, Any]) -> Config:
        """Raises `ConfigurationError` naming the key at fault."""
        hints = get_type_hints(cls)
        if unknown := [key for key in given if key not in hints]:
            known = ", ".join(hints)
            raise ConfigurationError(f"There is no choice {unknown[0]}; there are {known}.")
        return cls(**{key: _checked(key, value, hints[key]) for key, value in given.items()})

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ConfigurationError(
                "name must be small letters, digits and hyphens, 3 to 24 of them, a letter first."
            )
        for key, needed in (
            ("opensearch_url", "opensearch_arn"),
            ("opensearch_arn", "opensearch_url"),
            ("domain_name", "certificate_arn"),
            ("certificate_arn", "domain_name"),
            ("bucket_key_arn", "bucket"),
        ):
            if getattr(self, key) and not getattr(self, needed):
                raise ConfigurationError(f"{key} needs {needed} beside it.")
        for key, (least, most) in BOUNDS.items():
            if not least <= getattr(self, key) <= most:
                raise ConfigurationError(f"{key} must be {least} to {most}.")
        if self.log_days not in LOG_DAYS:
            known = ", ".join(map(str, LOG_DAYS))
            raise ConfigurationError(f"log_days must be one of {known}.")
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
        if self.batch_size > 10 and not self.batch_window:
            raise ConfigurationError("batch_size above 10 needs a batch_window of 1 or more.")
        if self.events == "eventbridge" and not self.bucket:
            raise ConfigurationError("events is for an existing bucket: name it with bucket.")
        for key in ("private_collections", "second_factor"):
            if getattr(self, key) and self.auth != "cognito":
                raise ConfigurationError(f'{key} needs auth = "cognito".')
        origins_of(",".join(self.origins), "origins")

    @property
    def visibility_timeout(self) -> int:
        """Seconds: six times the function's time and the batch window on top
        (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html)."""
        return 6 * self.embedder_timeout + self.batch_window

    @property
    def has_quota(self) -> bool:
        """Whether uploads are counted."""
        return bool(self.quota_files or self.quota_gb)

    @property
    def data_stack(self) -> str:
        return f"{self.name}-data"

    @property
    def builds_stack(self) -> str:
        return f"{self.name}-builds"

    @property
    def service_stack(self) -> str:
        return f"{self.name}-service"


def cookie_key_name(deployment: str) -> str:
    """Of the parameter that holds the private half of the key of cookies."""
    return f"/{deployment}/cookie-key"


BOUNDS = {
    "noncurrent_days": (1, 3650),
    "embedder_memory": (2048, 10240),
    "embedder_timeout": (60, 900),
    "batch_size": (1, 100),
    "batch_window": (0, 300),
    "max_concurrency": (2, 1000),
    "search_memory": (512, 10240),
    "search_provisioned": (0, 1000),
    "api_memory": (256, 10240),
    "opensearch_nodes": (1, 80),
    "opensearch_volume_gb": (10, 3072),
    "batch_vcpus": (4, 4096),
    "reconcile_hours": (0, 24 * 31),
    "requests_per_second": (1, 10_000),
    "burst": (1, 5_000),
    "quota_files": (0, 10_000_000),
    "quota_gb": (0, 1_000_000),
    "budget": (0, 1_000_000),
}
"""The least and the most of each number; where AWS has a limit it is AWS's
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html,
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""


LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365)
"""For so many days CloudWatch can keep logs
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html)."""


def _checked(key: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            choices = ", ".join(map(str, get_args(kind)))
            raise ConfigurationError(f"{key} must be one of {choices}, not {value!r}.")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            raise ConfigurationError(f'{key} must be a list of texts, such as ["g5.xlarge"].')
        return tuple(value)
    if type(value) is not kind:
        words = {str: "text in quotes", bool: "true or false", int: "a whole number"}
        raise ConfigurationError(f"{key} must be {words[kind]}, not {value!r}.")
    return value


def choices() -> list[str]:
    """The names of all choices."""
    return [part.name for part in fields(Config)]
