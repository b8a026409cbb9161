"""Small pictures in a bucket of their own, each belonging to one attempt at one image."""

from __future__ import annotations

import secrets

from aws_lambda_powertools import Logger

from chalicelib.errors import Transient
from chalicelib.log import SERVICE
from chalicelib.storage import Bucket

logger = Logger(service=SERVICE, child=True)

CONTENT_TYPE = "image/jpeg"


def thumbnail_folder(fingerprint: str) -> str:
    """What the keys of a model's thumbnails begin with: each index names thumbnails of its own,
    and they share a bucket."""
    return f"{fingerprint}/"


class Thumbnails:
    """The bucket of thumbnails."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, fingerprint: str, image: str, etag: str, data: bytes) -> str:
        """Keep `data`, a JPEG, for the object of `image` (an id) with `etag`, under the model with
        `fingerprint`; returns the key.

        The random part makes each thumbnail belong to one attempt: whoever loses the write can
        delete its own without harming the winner's. Raises `StorageUnavailable`.
        """
        folder = thumbnail_folder(fingerprint)
        key = f"{folder}{image}/{etag}-{secrets.token_hex(4)}.jpg"
        self._bucket.put(key, data, CONTENT_TYPE)
        return key

    def drop(self, key: str) -> None:
        """Delete the thumbnail at `key`, "" for none. Failing is harmless: reconcile sweeps
        thumbnails that no record names."""
        if not key:
            return
        try:
            self._bucket.delete(key)
        except Transient as error:
            logger.warning("thumbnail not deleted", thumbnail_key=key, reason=error.message)
