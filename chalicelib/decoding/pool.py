"""Persistent decoding children, shared by threads.

A child that dies, hangs or outgrows its memory costs the image it was at.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from chalicelib.clip.region import Region, check_region
from chalicelib.decoding.process import Child, ChildLost, Limits, making_sense
from chalicelib.errors import (
    DecoderUnavailable,
    OutOfTime,
    Permanent,
    TooLarge,
    UnreadableImage,
)
from chalicelib.facts import Exposure, Location
from chalicelib.gate import Gate
from chalicelib.log import SERVICE
from chalicelib.ocr import MOST_CHARACTERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.clip.pixels import PixelSpec

logger = Logger(service=SERVICE, child=True)

_ERRORS: dict[str, type[Permanent]] = {TooLarge.default_code: TooLarge}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decoded image: `pixels` is uint8 [H, W, 3], cut to the model's size. `text` is what was
    read in it, at most 4,000 characters."""

    format: str
    width: int
    height: int
    taken_at: datetime | None
    camera: str
    lens: str
    exposure: Exposure | None
    location: Location | None
    perceptual_hash: str
    placeholder: str
    thumbnail: bytes
    pixels: NDArray[np.uint8]
    text: str = ""


_open_gate = Gate(1 << 62)


class DecoderPool:
    """At most `size` children, started when first needed; safe to use from several threads."""

    def __init__(self, size: int, limits: Limits | None = None, *, ocr_folder: str = "") -> None:
        """`ocr_folder` holds recognition models beside those that come with rapidocr."""
        self.size = size
        self.ocr_folder = ocr_folder
        self.limits = limits or Limits()
        self._places: queue.LifoQueue[Child | None] = queue.LifoQueue()
        for _ in range(size):
            self._places.put(None)
        self._lock = threading.Lock()
        self._all: set[Child] = set()
        self._closed = False

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
        """Decode `data` in a child: facts, thumbnail (JPEG) and the model's pixels.

        Without `exact` a large picture may be decoded smaller than it is. With `region` the
        model's pixels are of that part of the upright picture; all else is the whole picture's.
        With `read_text` the text in it is read, where it may hold any; whatever goes wrong with
        that is logged and leaves `text` empty.
        `gate` is asked for room for the image's pixels between its header and its decoding.
        Raises `UnreadableImage` or `TooLarge`; a child that dies is given one more try with a
        fresh one where something else may have killed it. `OutOfTime` when it is not done by
        `until` (`time.monotonic`), `DecoderUnavailable` when no child can be started, ValueError
        where `region` is no part of a picture.
        """
        if region is not None:
            check_region(region)
        asked = {
            "op": "prepare",
            "max_pixels": self.limits.max_pixels,
            "spec": spec.to_json(),
            "exact": exact,
            "thumbnail": thumbnail,
            "region": region,
            "read_text": read_text,
        }
        try:
            return self._attempt(data, asked, gate, until)
        except ChildLost as lost:
            if lost.surely:
                raise _undecodable(lost) from lost
        try:
            return self._attempt(data, asked, gate, until)
        except ChildLost as lost:
            raise _undecodable(lost) from lost

    def _attempt(
        self, data: bytes, asked: dict[str, Any], gate: Gate | None, until: float
    ) -> Prepared:
        with self._child(until) as child:
            look = {"op": "open", "max_pixels": self.limits.max_pixels}
            with making_sense():
                header = _checked(child.ask(look, [data], until=until))[0]
                pixels = int(header["width"]) * int(header["height"])
            with (gate or _open_gate)(pixels):
                answer = child.ask(asked, [], until=until)
            with making_sense():
                facts, blobs = _checked(answer)
                prepared = _prepared(facts, blobs)
                legible = bool(facts["may_hold_text"])
            return (
                replace(prepared, text=self._text(child, prepared, until)) if legible else prepared
            )

    def _text(self, child: Child, prepared: Prepared, until: float) -> str:
        """What the child reads in the picture that it has prepared; "" where that fails."""
        failure: object
        try:
            with making_sense():
                answer = child.ask({"op": "read", "folder": self.ocr_folder}, [], until=until)[0]
                failure = answer.get("failure")
                if failure is None:
                    return str(answer["text"])[:MOST_CHARACTERS]
        except ChildLost as lost:
            # Dead or not, it is replaced when its place is next taken.
            child.kill()
            failure = lost.reason
        logger.warning(
            "text not read",
            reason=str(failure),
            format=prepared.format,
            width=prepared.width,
            height=prepared.height,
            perceptual_hash=prepared.perceptual_hash,
        )
        return ""

    @contextmanager
    def _child(self, until: float) -> Iterator[Child]:
        child = self._place(until)
        try:
            if child is not None and child.process.poll() is not None:
                self._lose(child)
                child = None
            if child is None:
                child = self._start()
            yield child
        except Permanent:
            raise
        except BaseException:
            # Something broke off in mid-question: the answer still to come is not the next one's.
            if child is not None:
                child.kill()
                self._lose(child)
                child = None
            raise
        finally:
            self._put_back(child)

    def _place(self, until: float) -> Child | None:
        if until == math.inf:
            return self._places.get()
        try:
            return self._places.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise OutOfTime("The function's time ran out before this image's turn.") from None

    def _start(self) -> Child:
        with self._lock:
            if self._closed:
                raise DecoderUnavailable("The decoder is closed.")
            try:
                child = Child(self.limits)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise DecoderUnavailable(
                    f"No decoding process could be started: {reason}."
                ) from error
            self._all.add(child)
        return child

    def _put_back(self, child: Child | None) -> None:
        with self._lock:
            if child is None or not self._closed:
                self._places.put(child)
                return
        self._lose(child)
        self._places.put(None)

    def _lose(self, child: Child) -> None:
        child.end()
        with self._lock:
            self._all.discard(child)

    def close(self) -> None:
        """End every child, at work or not; harmless when called twice.

        The pipes of one at work are closed by the thread that waits for its answer: a pipe
        closed under a waiting thread would leave it waiting.
        """
        with self._lock:
            self._closed = True
        idle: list[Child | None] = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._places.get_nowait())
        for child in idle:
            if child is not None:
                self._lose(child)
            self._places.put(None)
        with self._lock:
            busy = list(self._all)
        for child in busy:
            child.kill()


def _undecodable(lost: ChildLost) -> UnreadableImage:
    return UnreadableImage(f"The image could not be decoded: {lost.reason}.")


def _checked(answer: tuple[dict[str, Any], list[bytes]]) -> tuple[dict[str, Any], list[bytes]]:
    header = answer[0]
    if "error" in header:
        kind = _ERRORS.get(str(header["error"]), UnreadableImage)
        raise kind(str(header["message"])[:300])
    return answer


def _prepared(header: dict[str, Any], blobs: list[bytes]) -> Prepared:
    import numpy as np

    taken_at, place = header["taken_at"], header["location"]
    return Prepared(
        format=str(header["format"]),
        width=int(header["width"]),
        height=int(header["height"]),
        taken_at=datetime.fromisoformat(taken_at) if taken_at else None,
        camera=str(header["camera"]),
        lens=str(header["lens"]),
        exposure=_exposure(header["exposure"]),
        location=Location(float(place[0]), float(place[1])) if place else None,
        perceptual_hash=str(header["perceptual_hash"]),
        placeholder=str(header["placeholder"]),
        thumbnail=blobs[0],
        pixels=np.frombuffer(blobs[1], dtype=np.uint8).reshape(header["pixels_shape"]),
    )


def _exposure(said: dict[str, Any] | None) -> Exposure | None:
    if said is None:
        return None
    numbers = {name: None if said[name] is None else float(said[name]) for name in said}
    iso = numbers.pop("iso")
    return Exposure(iso=None if iso is None else int(iso), **numbers)
