"""Where decoding begins and ends: whatever a decoder throws or says stays within."""

from __future__ import annotations

import threading
import warnings
from typing import Any

from PIL import Image, UnidentifiedImageError

from chalicelib.errors import Permanent, TooLarge, UnreadableImage


class _Quiet:
    """No warnings while any thread decodes.

    `warnings.catch_warnings` changes the whole process and, left by two threads in another order
    than they came in, leaves it changed; so the first one in does it and the last one out
    undoes it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._warnings = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            self._warnings = warnings.catch_warnings()
            self._warnings.__enter__()
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._warnings.__exit__(None, None, None)


_quiet = _Quiet()


class contained:
    """The decode boundary: whatever goes wrong in here is the image's fault, and permanent."""

    def __enter__(self) -> None:
        _quiet.enter()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        _quiet.leave()
        if error is None or isinstance(error, Permanent) or not isinstance(error, Exception):
            return
        if isinstance(error, MemoryError):
            raise TooLarge("Decoding this image needs more memory than is allowed.") from error
        if isinstance(error, UnidentifiedImageError):
            raise UnreadableImage(
                "The file is not an image in a format we read "
                "(JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF)."
            ) from error
        # What decoders say is for programmers ("could not create decoder object").
        if "truncated" in str(error).lower():
            raise UnreadableImage("The image is incomplete: the file ends too early.") from error
        raise UnreadableImage("The image is damaged or incomplete.") from error
