"""Composition root: Settings → the objects that the handlers and routes use."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from chalicelib.clip import Clip, load_clip
from chalicelib.config import Settings
from chalicelib.decoding import DecoderPool, Limits
from chalicelib.errors import ConfigurationError
from chalicelib.index import naming
from chalicelib.index.base import Index, Shelf
from chalicelib.ingest import Ingest
from chalicelib.library import Library
from chalicelib.queue import Queue
from chalicelib.search import Search
from chalicelib.storage import S3Bucket
from chalicelib.uploads import Uploads


@dataclass(frozen=True)
class Services:
    """Everything a route or handler may call. Weights and child processes start when used."""

    settings: Settings
    bucket: S3Bucket
    thumbnails: S3Bucket
    queue: Queue | None
    dead_letters: Queue | None
    index: Index
    clip: Clip
    decoders: DecoderPool
    ingest: Ingest
    search: Search
    library: Library
    uploads: Uploads

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
    )
    return Services(
        settings=settings,
        bucket=bucket,
        thumbnails=thumbnails,
        queue=Queue(sqs, settings.queue_url) if settings.queue_url else None,
        dead_letters=Queue(sqs, settings.dead_letter_queue_url)
        if settings.dead_letter_queue_url
        else None,
        index=index,
        clip=clip,
        decoders=decoders,
        ingest=ingest,
        search=Search(
            index=index, encoder=clip, decoders=decoders, log_queries=settings.log_queries
        ),
        library=Library(bucket=bucket, index=index, ingest=ingest),
        uploads=Uploads(
            bucket=bucket, max_bytes=settings.max_bytes, seconds=settings.presign_seconds
        ),
    )


def clip_of(settings: Settings) -> Clip:
    if not settings.model_folder:
        raise ConfigurationError("Set IMAGES_MODEL_FOLDER to a model folder.")
    return load_clip(settings.model_folder, threads=settings.model_threads or None)


def index_of(settings: Settings, clip: Clip) -> Index:
    """The index of the model, made where there is none yet."""
    from chalicelib.index.embedded import EmbeddedIndex

    name = naming.index_name(clip.name, clip.fingerprint)
    index = EmbeddedIndex(
        _index_folder(settings), dim=clip.dim, model=name.removeprefix(naming.PREFIX)
    )
    index.ensure()
    return index


def shelf_of(settings: Settings) -> Shelf:
    """The indexes of all models, in the store that `settings` name."""
    from chalicelib.index.embedded_shelf import EmbeddedShelf

    return EmbeddedShelf(_index_folder(settings))


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
        s3={"addressing_style": "path" if endpoint else "virtual"},
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=32,
    )
    region = settings.region or None
    return boto3.client(service, region_name=region, endpoint_url=endpoint, config=config)
