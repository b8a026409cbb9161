"""Where decoding begins and ends: whatever a decoder throws or says stays within."""

from __future__ import annotations

import re
import threading
import warnings
from typing import Any

from PIL import Image, UnidentifiedImageError

from chalicelib.config import MAX_PIXELS
from chalicelib.errors import Permanent, TooLarge, UnreadableImage
from chalicelib.formats import READ


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
    """The decode boundary: whatever goes wrong in here is the image's fault, and permanent.

    Pillow makes room for some pictures while it opens them, as for a GIF's frame that is larger
    than its screen, before anyone can look at their size. So its own limit holds too, at twice
    `max_pixels`: below it the size is told by whoever looks, which says more.
    """

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self.max_pixels = max_pixels
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, 2 * max_pixels)

    def __enter__(self) -> None:
        _quiet.enter()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        _quiet.leave()
        if error is None or isinstance(error, Permanent) or not isinstance(error, Exception):
            return
        if isinstance(error, MemoryError):
            raise TooLarge("Decoding this image needs more memory than is allowed.") from error
        if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
            found = re.search(r"\((\d+) pixels\)", str(error))
            much = f"about {int(found[1]) / 1e6:,.0f}" if found else "too many"
            raise TooLarge(
                f"The image has {much} megapixels; "
                f"the limit is {self.max_pixels / 1e6:g} megapixels."
            ) from error
        if isinstance(error, UnidentifiedImageError):
            raise UnreadableImage(
                f"The file is not an image in a format we read ({READ})."
            ) from error
        # What decoders say is for programmers ("could not create decoder object").
        if "truncated" in str(error).lower():
            raise UnreadableImage("The image is incomplete: the file ends too early.") from error
        raise UnreadableImage("The image is damaged or incomplete.") from error
