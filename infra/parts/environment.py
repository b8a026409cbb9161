"""What each function is told: the variables that `chalicelib.config.Settings` reads."""

from __future__ import annotations

from infra.config import Config
from infra.parts.queues import RECEIVES
from infra.stacks.data import DataStack

SEARCHES_IN = 29
"""Seconds; API Gateway answers for a function after so long
(https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""


def shared(config: Config, data: DataStack) -> dict[str, str]:
    """What all of them need: where photos, thumbnails and vectors are."""
    return {
        "IMAGES_BUCKET": data.buckets.photos_name,
        "IMAGES_THUMBNAILS_BUCKET": data.buckets.thumbnails_name,
        "IMAGES_INDEX": "opensearch",
        "IMAGES_OPENSEARCH_URL": data.domain.endpoint,
        "IMAGES_OPENSEARCH_AUTH": "iam",
        "IMAGES_OPENSEARCH_COMPRESSION": config.opensearch_compression,
        "IMAGES_METRICS": config.name,
        "IMAGES_TRACES": "true" if config.traces else "false",
    }


def queues(data: DataStack) -> dict[str, str]:
    return {
        "IMAGES_QUEUE_URL": data.queues.ingest.queue_url,
        "IMAGES_DEAD_LETTER_QUEUE_URL": data.queues.dead_letters.queue_url,
        "IMAGES_MAX_RECEIVES": str(RECEIVES),
    }


def embedding(config: Config) -> dict[str, str]:
    """What becomes of a picture, whoever brings it in: embedder and bulk work must agree, or each
    would read again what the other has read."""
    return {"IMAGES_OCR": "true" if config.ocr else "false"}


def callers(config: Config, data: DataStack, cookie_key_id: str) -> dict[str, str]:
    """Who may call, and from which other pages."""
    origins = {"IMAGES_ORIGINS": ",".join(config.origins)} if config.origins else {}
    return {**people(config, data, cookie_key_id), **origins}


def people(config: Config, data: DataStack, cookie_key_id: str) -> dict[str, str]:
    """Who may call, and by which key's cookies CloudFront shows thumbnails. The clients of the
    user pool come as a stage variable, as does the page's address; the API alone signs cookies,
    and is told where the key is."""
    if data.sign_in is None:
        return {"IMAGES_AUTH": config.auth}
    return {
        "IMAGES_AUTH": config.auth,
        "IMAGES_TOKEN_ISSUER": data.sign_in.issuer,
        "IMAGES_PRIVATE_COLLECTIONS": "true" if config.private_collections else "false",
        "IMAGES_COOKIE_KEY_ID": cookie_key_id,
    }
