"""One decoding child process, spoken to over pipes.

Lambda has no /dev/shm semaphores, so multiprocessing's pools and queues do not work there
(https://aws.amazon.com/blogs/compute/parallel-processing-in-python-with-aws-lambda/); plain
pipes do.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.decoding import frames
from chalicelib.errors import OutOfTime

_ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Limits:
    """What one image may cost. `memory` is a child's whole address space, in bytes."""

    max_pixels: int = 64_000_000
    memory: int = 3 * 1024**3
    cpu_seconds: int = 20
    wall_seconds: float = 90.0


class ChildLost(Exception):
    """The child is gone; `reason` says what the image did to it. `surely` is false where something
    else may have done it."""

    def __init__(self, reason: str, *, surely: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.surely = surely


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started within never gets a terminal's Ctrl-C, not even before it can say that it
    wants none: that is its parent's business."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _TooLong(Exception):
    """The child has not answered in time."""


@contextmanager
def making_sense() -> Iterator[None]:
    """Around whatever reads an answer: a child that handled hostile input need not make sense."""
    try:
        yield
    except (KeyError, ValueError, TypeError, IndexError, OverflowError, RecursionError) as error:
        raise ChildLost("the decoder answered nonsense") from error


class Child:
    """One process, asked one question at a time; for one thread at a time."""

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
        with _without_interrupts():
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "chalicelib.decoding.child",
                    str(limits.memory),
                    str(limits.cpu_seconds),
                    str(limits.wall_seconds),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                bufsize=0,
            )
        assert self.process.stdin
        assert self.process.stdout
        self._in = self.process.stdin
        self._out = self.process.stdout
        os.set_blocking(self._in.fileno(), False)

    def ask(
        self, header: dict[str, Any], blobs: list[bytes], *, until: float = math.inf
    ) -> tuple[dict[str, Any], list[bytes]]:
        """The answer to one question. `until` (`time.monotonic`) is when the asker's own time ends.

        Raises `ChildLost`, and `OutOfTime` where the asker's time ends first.
        """
        deadline = min(time.monotonic() + self.limits.wall_seconds, until)
        try:
            return self._ask(header, blobs, deadline)
        except _TooLong:
            if deadline == until:
                raise OutOfTime(
                    "The function's time ran out while this image was decoded."
                ) from None
            seconds = self.limits.wall_seconds
            raise ChildLost(f"decoding took over {seconds:g} s") from None

    def _ask(
        self, header: dict[str, Any], blobs: list[bytes], deadline: float
    ) -> tuple[dict[str, Any], list[bytes]]:
        try:
            for piece in frames.pack(header, blobs):
                self._write(piece, deadline)
            with making_sense():
                answer = frames.unpack(lambda n: self._read(n, deadline))
        except BrokenPipeError:
            answer = None
        except OSError as error:
            raise ChildLost("the decoder stopped") from error
        if answer is None:
            raise self._death()
        return answer

    def _write(self, data: bytes, deadline: float) -> None:
        """A child that reads no more must not hold us up for ever, hence not blocking."""
        rest = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_WRITE)
            while rest:
                self._wait(selector, deadline)
                with suppress(BlockingIOError):
                    rest = rest[os.write(self._in.fileno(), rest[: 1 << 20]) :]

    def _wait(self, selector: selectors.BaseSelector, deadline: float) -> None:
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise _TooLong

    def _read(self, size: int, deadline: float) -> bytes:
        parts: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while size > 0:
                self._wait(selector, deadline)
                part = os.read(self._out.fileno(), min(size, 1 << 20))
                if not part:
                    break
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def _death(self) -> ChildLost:
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(timeout=5)
            if code == -getattr(signal, "SIGXCPU", 24):
                seconds = self.limits.cpu_seconds
                return ChildLost(f"decoding took over {seconds} s of processor time", surely=True)
            return ChildLost("the decoder crashed")
        return ChildLost("the decoder stopped")

    def kill(self) -> None:
        """End the process at once; whoever is in `ask` is told, since its pipes stay open."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End the process and let go of its pipes; for whoever holds the child alone."""
        self._in.close()
        try:
            self.process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self.kill()
        self._out.close()
