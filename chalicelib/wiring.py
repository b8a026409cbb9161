"""Composition root: Settings → the objects that the handlers and routes use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import log, measures
from chalicelib.auth import Callers
from chalicelib.clip import Clip, NamedModel, load_clip
from chalicelib.config import Settings
from chalicelib.cookies import CookieKey, Cookies
from chalicelib.deadletters import DeadLetters
from chalicelib.decoding import DecoderPool, Limits
from chalicelib.errors import ConfigurationError, SignInUnavailable
from chalicelib.health import Health
from chalicelib.index import naming
from chalicelib.index.base import Index, Shelf
from chalicelib.ingest import Ingest
from chalicelib.library import Library
from chalicelib.ocr import text_model
from chalicelib.queue import Queue, SqsQueue
from chalicelib.quota import Allowance, DailyQuota, DynamoTally, NoQuota, Quota, SqliteTally
from chalicelib.search import Search
from chalicelib.storage import S3Bucket
from chalicelib.thresholds import Thresholds
from chalicelib.tracing import Tracer
from chalicelib.uploads import Uploads

if TYPE_CHECKING:
    from chalicelib.index.opensearch.client import Auth
    from chalicelib.index.opensearch.client import Client as OpenSearchClient


@dataclass(frozen=True)
class Services:
    """Everything a route or handler may call. Weights and child processes start when used."""

    settings: Settings
    bucket: S3Bucket
    thumbnails: S3Bucket
    queue: Queue | None
    dead_letters: DeadLetters | None
    index: Index
    clip: Clip | NamedModel
    decoders: DecoderPool
    ingest: Ingest
    search: Search
    thresholds: Thresholds
    library: Library
    uploads: Uploads
    callers: Callers
    cookies: Cookies
    health: Health
    quota: Quota = field(default_factory=NoQuota)
    tracer: Tracer = field(default_factory=Tracer)

    def close(self) -> None:
        self.decoders.close()
        self.index.close()


@functools.cache
def services() -> Services:
    """The services of this process, made once, from its environment."""
    return build(Settings.load())


def build(settings: Settings, *, index: Index | None = None) -> Services:
    """With `index` in place of the one that `settings` name, where it is given.

    Raises `ConfigurationError` or `ModelError` where something needed is not there."""
    measures.under(settings.metrics)
    s3 = client("s3", settings)
    sqs = client("sqs", settings)
    bucket = S3Bucket(s3, settings.bucket)
    thumbnails = S3Bucket(s3, settings.thumbnails_bucket)
    clip = clip_of(settings)
    if index is None:
        index = index_of(settings, clip)
    decoders = DecoderPool(
        settings.decoders,
        Limits(max_pixels=settings.max_pixels, memory=settings.decoder_memory),
        ocr_folder=settings.ocr_folder,
    )
    ingest = Ingest(
        bucket=bucket,
        thumbnails=thumbnails,
        index=index,
        encoder=clip,
        decoders=decoders,
        max_bytes=settings.max_bytes,
        pixel_budget=settings.pixel_budget,
        byte_budget=settings.byte_budget,
        text_model=text_model_of(settings),
    )
    thresholds = Thresholds(index, clip)
    queue = _queue(settings.queue_url, sqs)
    quota = quota_of(settings)
    return Services(
        settings=settings,
        bucket=bucket,
        thumbnails=thumbnails,
        queue=queue,
        dead_letters=dead_letters_of(settings, sqs),
        index=index,
        clip=clip,
        decoders=decoders,
        ingest=ingest,
        search=Search(
            index=index,
            encoder=clip,
            decoders=decoders,
            bucket=bucket,
            thresholds=thresholds,
            max_bytes=settings.max_bytes,
            log_queries=settings.log_queries,
        ),
        thresholds=thresholds,
        library=Library(bucket=bucket, index=index, ingest=ingest),
        uploads=Uploads(
            bucket=bucket,
            max_bytes=settings.max_bytes,
            seconds=settings.presign_seconds,
            quota=quota,
        ),
        callers=Callers(settings),
        cookies=Cookies(cookie_key_of(settings)),
        health=health_of(bucket, index, queue, quota),
        quota=quota,
        tracer=Tracer(on=settings.traces),
    )


def health_of(bucket: S3Bucket, index: Index, queue: Queue | None, quota: Quota) -> Health:
    parts: dict[str, Callable[[], object]] = {"bucket": bucket.check, "index": index.counts}
    if not isinstance(quota, NoQuota):
        parts["quota"] = quota.check
    if queue:
        parts["queue"] = queue.depth
    return Health(parts)


def quota_of(settings: Settings) -> Quota:
    allowance = Allowance(settings.quota_files, settings.quota_bytes)
    if not any(allowance):
        return NoQuota()
    if settings.quota_table:
        table = DynamoTally(client("dynamodb", settings), settings.quota_table)
        return DailyQuota(table, allowance)
    return DailyQuota(SqliteTally(Path(settings.quota_file)), allowance)


def cookie_key_of(settings: Settings) -> CookieKey | None:
    """The key that CloudFront's cookies are signed with, fetched when the first is made."""
    name = settings.cookie_key_parameter
    if not name:
        return None

    def pem() -> str:
        try:
            found = client("ssm", settings).get_parameter(Name=name, WithDecryption=True)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("ParameterNotFound", "AccessDeniedException", "InvalidKeyId"):
                raise ConfigurationError(
                    f"The cookies' key, SSM parameter {name}, cannot be read: {code}."
                ) from error
            raise SignInUnavailable(f"SSM did not give the cookies' key: {code}.") from error
        except BotoCoreError as error:
            raise SignInUnavailable("SSM did not give the cookies' key.") from error
        return str(found["Parameter"]["Value"])

    return CookieKey(settings.cookie_key_id, pem)


def dead_letters_of(settings: Settings, sqs: Any = None) -> DeadLetters | None:
    """Needs neither model nor index: it can say that these are what is missing."""
    if not settings.dead_letter_queue_url:
        return None
    sqs = sqs or client("sqs", settings)
    ingest = _queue(settings.queue_url, sqs)
    return DeadLetters(SqsQueue(sqs, settings.dead_letter_queue_url), ingest)


def _queue(url: str, sqs: Any) -> Queue | None:
    return SqsQueue(sqs, url) if url else None


def clip_of(settings: Settings) -> Clip | NamedModel:
    if not settings.model_folder:
        if settings.model:
            return NamedModel(settings.model)
        raise ConfigurationError("Set IMAGES_MODEL_FOLDER to a model folder.")
    threads = settings.model_threads or None
    exact = {"auto": None, "true": True, "false": False}[settings.exact]
    return load_clip(settings.model_folder, threads=threads, device=settings.device, exact=exact)


def text_model_of(settings: Settings) -> str:
    """What the text in pictures is read with; "" where it is not, or nothing is embedded here."""
    return text_model(settings.ocr_folder) if settings.ocr and settings.model_folder else ""


def index_of(settings: Settings, clip: Clip | NamedModel) -> Index:
    """The index of the model, made where there is none yet."""
    name = naming.index_name(clip.name, clip.fingerprint)
    model = name.removeprefix(naming.PREFIX)
    index: Index
    if settings.index == "opensearch":
        from chalicelib.index.opensearch import OpenSearchIndex, Shape

        shape = Shape(
            shards=settings.opensearch_shards,
            replicas=settings.opensearch_replicas,
            refresh=settings.opensearch_refresh,
            compression=settings.opensearch_compression,
        )
        index = OpenSearchIndex(
            _opensearch(settings),
            name=name,
            dim=clip.dim,
            model=model,
            bucket=settings.bucket,
            shape=shape,
        )
    else:
        from chalicelib.index.embedded import EmbeddedIndex

        index = EmbeddedIndex(_index_folder(settings), dim=clip.dim, model=model)
    index.ensure()
    return index


def shelf_of(settings: Settings) -> Shelf:
    """The indexes of all models, in the store that `settings` name."""
    if settings.index == "opensearch":
        from chalicelib.index.opensearch import OpenSearchShelf

        return OpenSearchShelf(_opensearch(settings))
    from chalicelib.index.embedded_shelf import EmbeddedShelf

    return EmbeddedShelf(_index_folder(settings))


def _opensearch(settings: Settings) -> OpenSearchClient:
    from chalicelib.index.opensearch import Client

    if not settings.opensearch_url:
        raise ConfigurationError("Set IMAGES_OPENSEARCH_URL to the address of OpenSearch.")
    return Client(
        settings.opensearch_url,
        auth=_opensearch_auth(settings),
        ca_file=settings.opensearch_ca_file,
        patience_s=settings.opensearch_patience,
    )


def _opensearch_auth(settings: Settings) -> Auth:
    """SigV4 for managed domains, whose name in signatures is "es"
    (https://docs.aws.amazon.com/opensearch-service/latest/developerguide/request-signing.html)."""
    if settings.opensearch_auth == "none":
        return None
    if settings.opensearch_auth == "basic":
        if not (settings.opensearch_user and settings.opensearch_password):
            raise ConfigurationError(
                "IMAGES_OPENSEARCH_AUTH=basic needs IMAGES_OPENSEARCH_USER and "
                "IMAGES_OPENSEARCH_PASSWORD."
            )
        return settings.opensearch_user, settings.opensearch_password
    from opensearchpy import Urllib3AWSV4SignerAuth

    session = boto3.Session()
    credentials, region = session.get_credentials(), settings.region or session.region_name
    if credentials is None or not region:
        raise ConfigurationError(
            "IMAGES_OPENSEARCH_AUTH=iam needs AWS credentials and a region (IMAGES_REGION)."
        )
    signer: Auth = Urllib3AWSV4SignerAuth(credentials, region, "es")
    return signer


def _index_folder(settings: Settings) -> Path:
    if not settings.index_folder:
        raise ConfigurationError("Set IMAGES_INDEX_FOLDER to the folder of the embedded index.")
    return Path(settings.index_folder)


def client(service: str, settings: Settings) -> Any:
    """SigV4, and virtual addressing with the bucket's region: boto3's default, the global
    endpoint, answers browsers outside us-east-1 with a redirect that a form POST cannot follow
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html)."""
    endpoint = (service == "s3" and settings.s3_endpoint) or settings.endpoint or None
    config = Config(
        signature_version="s3v4" if service == "s3" else "v4",
        s3={
            "addressing_style": "path" if endpoint else "virtual",
            # Every region by its own name, us-east-1 too: the page's policy names that address.
            "us_east_1_regional_endpoint": "regional",
        },
        # Who counts uploads answers in milliseconds, and people wait for it.
        retries={"mode": "standard", "max_attempts": 2 if service == "dynamodb" else 4},
        connect_timeout=5,
        read_timeout=5 if service == "dynamodb" else 30,
        max_pool_connections=32,
    )
    region = settings.region or None
    log.hold_back()
    try:
        return boto3.client(service, region_name=region, endpoint_url=endpoint, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"No client for {service} can be made: {error}") from error
