"""Persistent decoding children, spoken to over pipes.

Lambda has no /dev/shm semaphores, so multiprocessing's pools and queues do not work there
(https://aws.amazon.com/blogs/compute/parallel-processing-in-python-with-aws-lambda/); plain
pipes do. A child that dies, hangs or outgrows its memory costs the image it was at.
"""

from __future__ import annotations

import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.decoding import frames
from chalicelib.decoding.gate import Gate
from chalicelib.errors import DecoderUnavailable, Permanent, TooLarge, UnreadableImage
from chalicelib.records import Location

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.clip.pixels import PixelSpec

_ROOT = Path(__file__).resolve().parent.parent.parent
_ERRORS: dict[str, type[Permanent]] = {TooLarge.default_code: TooLarge}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one image may cost. `memory` is a child's whole address space, in bytes."""

    max_pixels: int = 64_000_000
    memory: int = 3 * 1024**3
    cpu_seconds: int = 30
    wall_seconds: float = 90.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decoded image: `pixels` is uint8 [H, W, 3], cut to the model's size."""

    format: str
    width: int
    height: int
    taken_at: datetime | None
    camera: str
    location: Location | None
    perceptual_hash: str
    thumbnail: bytes
    pixels: NDArray[np.uint8]


_open_gate = Gate(1 << 62)


class _ChildLost(Exception):
    """The child is gone; `reason` says what the image did to it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Child:
    def __init__(self, limits: Limits) -> None:
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            # One image a child: more threads only cost address space.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self.limits = limits
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "chalicelib.decoding.child",
                str(limits.memory),
                str(limits.cpu_seconds),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdin
        assert self.process.stdout
        self._in = self.process.stdin
        self._fd = self.process.stdout.fileno()

    def ask(self, header: dict[str, Any], blobs: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        deadline = time.monotonic() + self.limits.wall_seconds
        try:
            for piece in frames.pack(header, blobs):
                self._in.write(piece)
            self._in.flush()
            answer = frames.unpack(lambda n: self._read(n, deadline))
        except (BrokenPipeError, ValueError, KeyError, TypeError) as error:
            raise _ChildLost("the decoder stopped") from error
        if answer is None:
            raise _ChildLost(self._cause_of_death())
        return answer

    def _read(self, size: int, deadline: float) -> bytes:
        parts: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            while size > 0:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise _ChildLost(f"decoding took over {self.limits.wall_seconds:.0f} s")
                part = os.read(self._fd, min(size, 1 << 20))
                if not part:
                    break
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def _cause_of_death(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(timeout=5)
            if code == -getattr(signal, "SIGXCPU", 24):
                return f"decoding took over {self.limits.cpu_seconds} s of processor time"
            return "the decoder crashed"
        return "the decoder stopped"

    def end(self) -> None:
        with suppress(OSError):
            self._in.close()
        try:
            self.process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class DecoderPool:
    """At most `size` children, started when first needed; safe to use from several threads."""

    def __init__(self, size: int, limits: Limits | None = None) -> None:
        self.size = size
        self.limits = limits or Limits()
        self._places: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(size):
            self._places.put(None)
        self._lock = threading.Lock()
        self._all: set[_Child] = set()
        self._closed = False

    def prepare(
        self, data: bytes, spec: PixelSpec, *, thumbnail: bool = True, gate: Gate | None = None
    ) -> Prepared:
        """Decode `data` in a child: facts, thumbnail (WebP) and the model's pixels.

        `gate` is asked for room for the image's pixels between its header and its decoding.
        Raises `UnreadableImage` or `TooLarge`; a child that dies is given one more try with a
        fresh one, since something else may have killed it. `DecoderUnavailable` when no child
        can be started.
        """
        try:
            return self._attempt(data, spec, thumbnail, gate)
        except _ChildLost:
            pass
        try:
            return self._attempt(data, spec, thumbnail, gate)
        except _ChildLost as lost:
            raise UnreadableImage(f"The image could not be decoded: {lost.reason}.") from lost

    def _attempt(
        self, data: bytes, spec: PixelSpec, thumbnail: bool, gate: Gate | None
    ) -> Prepared:
        with self._child() as child:
            asked = {"op": "open", "max_pixels": self.limits.max_pixels}
            header = _checked(child.ask(asked, [data]))[0]
            prepare = {
                "op": "prepare",
                "max_pixels": self.limits.max_pixels,
                "spec": spec.to_json(),
                "thumbnail": thumbnail,
            }
            with (gate or _open_gate)(int(header["width"]) * int(header["height"])):
                return _prepared(*_checked(child.ask(prepare, [])))

    @contextmanager
    def _child(self) -> Iterator[_Child]:
        child = self._places.get()
        try:
            if child is not None and child.process.poll() is not None:
                self._lose(child)
                child = None
            if child is None:
                child = self._start()
            yield child
        except _ChildLost:
            assert child is not None
            child.process.kill()
            self._lose(child)
            child = None
            raise
        finally:
            self._places.put(child)

    def _start(self) -> _Child:
        try:
            child = _Child(self.limits)
        except OSError as error:
            raise DecoderUnavailable(f"No decoding process could be started: {error}.") from error
        with self._lock:
            if self._closed:
                child.end()
                raise DecoderUnavailable("The decoder is closed.")
            self._all.add(child)
        return child

    def _lose(self, child: _Child) -> None:
        child.end()
        with self._lock:
            self._all.discard(child)

    def close(self) -> None:
        """End every child; harmless when called twice."""
        with self._lock:
            self._closed = True
            children, self._all = list(self._all), set()
        for child in children:
            child.end()


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
        location=Location(float(place[0]), float(place[1])) if place else None,
        perceptual_hash=str(header["perceptual_hash"]),
        thumbnail=blobs[0],
        pixels=np.frombuffer(blobs[1], dtype=np.uint8).reshape(header["pixels_shape"]),
    )
