"""Decoder and encoder without children or weights: an image is any bytes, its vector their hash.

Bytes that start with `BROKEN` are no image; `POISON` decodes but chokes the model; what follows
`SAYS` is the text in the picture.
"""

from __future__ import annotations

import base64
import hashlib
import math
import threading

import numpy as np
from numpy.typing import NDArray

from chalicelib.clip.pixels import PixelSpec
from chalicelib.clip.region import Region
from chalicelib.decoding import Gate, Prepared
from chalicelib.errors import UnreadableImage, UnusableVector

DIM = 8


class FakeDecoders:
    """Of a region they give the whole."""

    size = 2

    def prepare(
        self,
        data: bytes,
        spec: PixelSpec,
        *,
        exact: bool = True,
        thumbnail: bool = True,
        region: Region | None = None,
        read_text: bool = False,
        gate: Gate | None = None,
        until: float = math.inf,
    ) -> Prepared:
        if data.startswith(b"BROKEN"):
            raise UnreadableImage("The image is damaged or incomplete.")
        digest = hashlib.sha256(data).digest()
        pixels = np.frombuffer(digest[:12], dtype=np.uint8).reshape(2, 2, 3).copy()
        if data.startswith(b"POISON"):
            pixels[:] = 0
        return Prepared(
            format="png",
            width=len(data),
            height=1,
            taken_at=None,
            camera="",
            lens="",
            exposure=None,
            location=None,
            perceptual_hash=digest[:8].hex(),
            placeholder=base64.b64encode(digest + digest[:4]).decode(),
            thumbnail=b"small " + data,
            pixels=pixels,
            text=data.partition(b"SAYS ")[2].decode() if read_text else "",
        )


class FakeCalibration:
    """Sees vectors as they are, and divides them by `response`; its null queries are hashes."""

    def __init__(self, version: str = "calibration1", response: float = 0.5) -> None:
        self.version = version
        self.response = response
        self.null_texts = FakeEncoder().embed_texts([f"nothing {n}" for n in range(20)])
        self.alike = 0.5

    def stored(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return rows / self.response, np.full(len(rows), self.response, np.float32)

    def of_texts(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return rows

    of_images = of_texts


class FakeEncoder:
    name = "fake"
    form = "fp32"
    exact = True
    dim = DIM
    calibration: FakeCalibration | None = None
    pixel_spec = PixelSpec(
        mode="shortest", size=2, crop=2, interpolation="bicubic", mean=(0, 0, 0), std=(1, 1, 1)
    )

    def __init__(self, fingerprint: str = "fake0001") -> None:
        self.fingerprint = fingerprint
        self.embedded = 0
        """How many pictures have been embedded."""
        self._lock = threading.Lock()

    def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not pixels.reshape(len(pixels), -1).any(axis=1).all():
            raise UnusableVector("The model gave a vector that is not a number.")
        with self._lock:
            self.embedded += len(pixels)
        rows = pixels.reshape(len(pixels), -1)[:, :DIM].astype(np.float32) - 127.25
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        return np.concatenate([self.embed_pixels(picture(t.encode())[None]) for t in texts])


def picture(data: bytes) -> NDArray[np.uint8]:
    """The pixels of `data`, uint8 [2, 2, 3]."""
    return FakeDecoders().prepare(data, FakeEncoder.pixel_spec).pixels
