"""Settings: read once from the environment, frozen. No other module reads the environment."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_type_hints
from urllib.parse import urlsplit

from chalicelib.errors import ConfigurationError

PREFIX = "IMAGES_"

MAX_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 64_000_000
"""What one image may have by default; 64 megapixels take up to 1 GB while they are decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field an environment variable: `bucket` is `IMAGES_BUCKET`.

    `docs/operations.md` lists every one; a test holds it to that.
    """

    bucket: str
    thumbnails_bucket: str
    queue_url: str = ""
    dead_letter_queue_url: str = ""
    max_receives: int = 5
    """How often the ingest queue gives out a message: its redrive policy's maxReceiveCount."""
    region: str = ""
    endpoint: str = ""
    """Address of an S3- and SQS-compatible server in place of AWS."""
    s3_endpoint: str = ""
    """Address of an S3-compatible server, where it differs from `endpoint`."""

    index: Literal["embedded", "opensearch"] = "embedded"
    index_folder: str = ""
    opensearch_url: str = ""
    opensearch_auth: Literal["iam", "basic", "none"] = "iam"
    opensearch_user: str = ""
    opensearch_password: str = field(default="", repr=False)
    opensearch_ca_file: str = ""
    opensearch_patience: int = 30
    """Seconds a request is tried again where no function's end comes first."""
    opensearch_shards: int = 1
    opensearch_replicas: str = "0-1"
    opensearch_refresh: str = "1s"
    opensearch_compression: Literal["1x", "4x", "32x"] = "1x"
    """These four are for making an index; one that is there stays as it was made."""

    model_folder: str = ""
    model: str = ""
    """NAME:FINGERPRINT:DIM of the model, for a function that has no model folder."""
    model_threads: int = 0
    """Threads for inference; 0: as many as there are processors."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    exact: Literal["auto", "true", "false"] = "auto"
    """Whether pictures are decoded whole; auto: for models held in fp32."""

    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    decoders: int = 2
    """Decoding child processes."""
    decoder_memory: int = 3 * 1024**3
    """Address space of one decoding child, in bytes."""
    byte_budget: int = 192 * 1024 * 1024
    """Bytes of images held at a time by one invocation."""
    pixel_budget: int = 96_000_000
    """Pixels decoded at a time by one invocation."""

    ocr: bool = False
    """Whether the text in pictures is read, when they are indexed."""
    ocr_folder: str = ""
    """Recognition models for scripts beside Latin, Chinese and Japanese."""

    shard: str = ""
    """I/N: reconcile sees to this share of the library; empty: AWS Batch's array index and size."""
    price_per_hour: float = 0.0
    """Of the machine that reconciles, in US dollars; 0: costs are not told."""
    reconcile_hours: int = 24
    """Between two runs of reconcile in the one-machine stack; 0: only at its start."""

    presign_seconds: int = 300
    quota_files: int = 0
    """Files that an owner may upload in a day; 0: any number."""
    quota_bytes: int = 0
    """Bytes that an owner may upload in a day; 0: any number."""
    quota_table: str = ""
    """Name of the DynamoDB table that uploads are counted in."""
    quota_file: str = ""
    """In place of the table, on one machine: an SQLite file, made where there is none."""
    public_url: str = ""
    """Address under which callers reach the API; empty: taken from each request."""
    origins: str = ""
    """Origins of other pages that may ask the API from a browser, with commas between them."""
    auth: Literal["none", "cognito", "iam"] = "iam"
    token_issuer: str = ""
    """Who signs the access tokens: an OIDC issuer's address, as `iss` in its tokens has it."""
    token_clients: str = ""
    """The client ids whose tokens are taken, with commas between them."""
    private_collections: bool = False
    """Whether people see only what they uploaded themselves."""
    thumbnails_url: str = ""
    """Address under which CloudFront serves the thumbnails; empty: the API redirects to them."""
    cookie_key_id: str = ""
    """CloudFront's id of the public key that its signed cookies are checked with."""
    cookie_key_parameter: str = ""
    """Name of the SSM parameter that holds the private key, as PEM."""
    log_queries: bool = True
    traces: bool = True
    """Whether traces are written where the invocation has one."""
    metrics: str = ""
    """Namespace of this deployment's metrics. Empty: API and search write none, and the embedder
    writes its own under `ImageIntellisense`."""

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """From the environment. Raises `ConfigurationError` naming the variable at fault."""
        source = os.environ if environment is None else environment
        hints = get_type_hints(cls)
        given: dict[str, Any] = {}
        for part in fields(cls):
            name = PREFIX + part.name.upper()
            if name in source:
                given[part.name] = _parse(name, source[name], hints[part.name])
        missing = [n for n in ("bucket", "thumbnails_bucket") if not given.get(n)]
        if missing:
            names = ", ".join(PREFIX + n.upper() for n in missing)
            raise ConfigurationError(f"Set {names} in the environment.")
        if given["bucket"] == given["thumbnails_bucket"]:
            raise ConfigurationError(
                "IMAGES_THUMBNAILS_BUCKET must differ from IMAGES_BUCKET: "
                "each thumbnail would come back as a new photo."
            )
        if "region" not in given:
            given["region"] = source.get("AWS_REGION") or source.get("AWS_DEFAULT_REGION") or ""
        if not given.get("shard") and (number := source.get("AWS_BATCH_JOB_ARRAY_INDEX")):
            # https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
            given["shard"] = f"{number}/{source.get('AWS_BATCH_JOB_ARRAY_SIZE', '')}"
        settings = cls(**given)
        in_lambda = "AWS_LAMBDA_FUNCTION_NAME" in source
        _check_auth(settings, in_lambda=in_lambda)
        _check_quota(settings, in_lambda=in_lambda)
        origins_of(settings.origins)
        return settings

    def environment(self) -> dict[str, str]:
        """The variables that `load` reads back to these settings; for child processes."""
        return {PREFIX + f.name.upper(): _write(getattr(self, f.name)) for f in fields(self)}


_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)


def is_loopback_host(host: str) -> bool:
    """Whether `host`, with or without a port, names this machine."""
    return _LOOPBACK.fullmatch(host) is not None


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine."""
    try:
        return is_loopback_host(urlsplit(url).netloc)
    except ValueError:
        return False


def origins_of(setting: str, name: str = "IMAGES_ORIGINS") -> frozenset[str]:
    """The origins in `setting`, with commas between them; `name` is the setting's own. Raises
    `ConfigurationError` for what is none: an origin has a scheme and a host, and nothing behind
    them (RFC 6454, 6.1)."""
    origins = [one for part in setting.split(",") if (one := part.strip())]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) or not (
            origin.startswith("https://") or is_loopback(origin)
        ):
            raise ConfigurationError(
                f"{name} has {origin!r}; it takes origins of pages with commas between"
                " them, such as https://photos.example.org: small letters, no path, no *."
            )
    return frozenset(origins)


def _check_auth(settings: Settings, *, in_lambda: bool) -> None:
    """Raises `ConfigurationError` where what may be called by whom would not hold."""
    public = settings.public_url
    if settings.auth == "none" and in_lambda:
        raise ConfigurationError(
            "IMAGES_AUTH=none is for one machine only and does not start in Lambda. "
            "Set cognito or iam."
        )
    if settings.auth == "none" and public and not is_loopback(public):
        raise ConfigurationError(
            f"IMAGES_AUTH=none is for one machine only, and IMAGES_PUBLIC_URL says {public}. "
            "Set cognito or iam."
        )
    if settings.auth == "cognito":
        _check_issuer(settings.token_issuer)
    elif settings.private_collections:
        raise ConfigurationError(
            "IMAGES_PRIVATE_COLLECTIONS needs IMAGES_AUTH=cognito: "
            "only tokens tell one person from another."
        )
    # The other way round is as it should be: search says where thumbnails are, and signs nothing.
    if settings.cookie_key_parameter and not settings.cookie_key_id:
        raise ConfigurationError(
            "IMAGES_COOKIE_KEY_PARAMETER needs IMAGES_COOKIE_KEY_ID beside it."
        )


def _check_quota(settings: Settings, *, in_lambda: bool) -> None:
    """Raises `ConfigurationError` where there are limits that nothing would hold anyone to."""
    if not (settings.quota_files or settings.quota_bytes):
        return
    if bool(settings.quota_table) == bool(settings.quota_file):
        raise ConfigurationError(
            "IMAGES_QUOTA_FILES and IMAGES_QUOTA_BYTES need either IMAGES_QUOTA_TABLE or, on one "
            "machine, IMAGES_QUOTA_FILE: uploads are counted there."
        )
    if settings.quota_file and in_lambda:
        raise ConfigurationError(
            "IMAGES_QUOTA_FILE does not count in Lambda, where each function instance has a disk "
            "of its own. Set IMAGES_QUOTA_TABLE."
        )


def _check_issuer(issuer: str) -> None:
    if not issuer:
        raise ConfigurationError(
            "IMAGES_AUTH=cognito needs IMAGES_TOKEN_ISSUER, such as "
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI."
        )
    if not issuer.startswith("https://") and not (
        issuer.startswith("http://") and is_loopback(issuer)
    ):
        raise ConfigurationError(
            f"IMAGES_TOKEN_ISSUER must be an https:// address, not {issuer!r}: "
            "the keys that tokens are checked with come from there."
        )


def invocation_trace() -> tuple[str, str]:
    """The tracing header of the invocation at hand, and the address of X-Ray's daemon; "" where
    there is none. Lambda sets both, the first anew for each invocation
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html)."""
    header = os.environ.get("_X_AMZN_TRACE_ID", "")
    return header, os.environ.get("AWS_XRAY_DAEMON_ADDRESS", "")


def _write(value: object) -> str:
    return ("1" if value else "0") if isinstance(value, bool) else str(value)


def _parse(name: str, text: str, kind: Any) -> Any:
    if kind is bool:
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off", ""):
            return False
        raise ConfigurationError(f"{name} must be true or false, not {text!r}.")
    if kind in (int, float):
        word = "whole number" if kind is int else "number"
        try:
            number = kind(text)
        except ValueError:
            raise ConfigurationError(f"{name} must be a {word}, not {text!r}.") from None
        if not math.isfinite(number):
            raise ConfigurationError(f"{name} must be a {word}, not {text!r}.")
        if number < 0:
            raise ConfigurationError(f"{name} must not be negative.")
        return number
    choices = getattr(kind, "__args__", None)
    if choices and text not in choices:
        raise ConfigurationError(f"{name} must be one of {', '.join(choices)}, not {text!r}.")
    return text
