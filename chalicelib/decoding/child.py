"""The child: `python -m chalicelib.decoding.child MEMORY_BYTES CPU_SECONDS WALL_SECONDS`.

It reads frames from standard input and answers on standard output, one image at a time:
`open` takes the bytes and answers the header's format and size; `prepare` decodes what was opened;
`read` reads the text in what was prepared, where that may hold any.
It ends when its parent closes the pipe, and an alarm ends it where a decoder hangs: it never
outlives its parent by more than one image's time.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO

from chalicelib import images
from chalicelib.clip.decode import decode
from chalicelib.clip.pixels import PixelSpec
from chalicelib.decoding import frames
from chalicelib.decoding.textstage import TextStage
from chalicelib.errors import Permanent, TooLarge

_ALARM_AFTER = 2.0
"""Seconds the alarm waits beyond the parent's own limit, which gives the better reason."""


def main() -> None:
    memory, cpu_seconds, wall_seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory(memory)
    # Decoders print; standard output carries frames and nothing else.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, out, cpu_seconds, wall_seconds)
    except BrokenPipeError:
        # Nobody is there to hear the answer, nor what Python says of closing the pipe.
        os._exit(0)


def serve(source: BinaryIO, out: BinaryIO, cpu_seconds: int, wall_seconds: float) -> None:
    data = b""
    text = TextStage()
    while (frame := frames.unpack(source.read)) is not None:
        header, blobs = frame
        _limit_cpu(cpu_seconds)
        signal.setitimer(signal.ITIMER_REAL, wall_seconds + _ALARM_AFTER)
        try:
            if header["op"] == "open":
                data = blobs[0]
                answer, parts = _open(data, header["max_pixels"])
            elif header["op"] == "prepare":
                answer, parts = _prepare(data, header, text)
            else:
                answer, parts = text.read(header["folder"]), []
        except Permanent as error:
            answer, parts = _refusal(error), []
        except MemoryError:
            refusal = TooLarge("Decoding this image needs more memory than is allowed.")
            answer, parts = _refusal(refusal), []
        for piece in frames.pack(answer, parts):
            out.write(piece)
        out.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def _open(data: bytes, max_pixels: int) -> tuple[dict[str, Any], list[bytes]]:
    header = images.read_header(data, max_pixels=max_pixels)
    return {"format": header.format, "width": header.width, "height": header.height}, []


def _prepare(
    data: bytes, header: dict[str, Any], text: TextStage
) -> tuple[dict[str, Any], list[bytes]]:
    text.forget()
    picture, pixels = decode(
        data,
        PixelSpec.from_json(header["spec"]),
        exact=header["exact"],
        thumbnail=header["thumbnail"],
        region=tuple(header["region"]) if header["region"] else None,
        max_pixels=header["max_pixels"],
        reader=text if header["read_text"] else None,
    )
    place = picture.location
    small = images.small(picture.image)
    facts = {
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "taken_at": picture.taken_at.isoformat() if picture.taken_at else None,
        "camera": picture.camera,
        "lens": picture.lens,
        "exposure": asdict(picture.exposure) if picture.exposure else None,
        "location": [place.lat, place.lon] if place else None,
        "perceptual_hash": images.perceptual_hash(small),
        "placeholder": images.placeholder(small, higher=picture.height > picture.width),
        "pixels_shape": list(pixels.shape),
        "may_hold_text": text.has_work,
    }
    thumbnail = images.thumbnail(small) if header["thumbnail"] else b""
    return facts, [thumbnail, pixels.tobytes()]


def _refusal(error: Permanent) -> dict[str, Any]:
    return {"error": error.code, "message": error.message}


def _limit_memory(limit: int) -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _limit_cpu(seconds: int) -> None:
    """From now on at most `seconds` of processor time; past that the kernel sends SIGXCPU.

    Processor time, not the wall's: a busy machine does not make a good image look bad.
    """
    with suppress(ImportError, ValueError, OSError):
        import resource

        usage = resource.getrusage(resource.RUSAGE_SELF)
        used = int(usage.ru_utime + usage.ru_stime)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (used + seconds + 1, hard))


if __name__ == "__main__":
    main()
