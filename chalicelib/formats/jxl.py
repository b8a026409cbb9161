"""JPEG XL (ISO/IEC 18181), by libjxl."""

from __future__ import annotations

from PIL import Image

from chalicelib import exif
from chalicelib.errors import UnreadableImage
from chalicelib.formats.base import Before, Decoded, reduced

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def is_jxl(data: bytes) -> bool:
    return data.startswith((CODESTREAM, CONTAINER))


class JxlSource:
    """A JPEG XL file. libjxl turns pictures as the codestream says, and EXIF has no say in it
    (ISO/IEC 18181-2, 9.3), so `width` and `height` are the upright picture's."""

    format = "jxl"

    def __init__(self, data: bytes) -> None:
        try:
            import pylibjxl
        except ImportError as error:
            raise UnreadableImage(
                "JPEG XL cannot be read here: its decoder has no package for this kind of machine."
            ) from error
        self._jxl = pylibjxl
        self._data = data
        header = pylibjxl.probe(data)
        self.width, self.height = int(header["width"]), int(header["height"])

    def decode(self, at_least: int | None, before: Before | None) -> Decoded:
        if before is not None:
            before(self.width * self.height)
        # One thread: a child has one picture, and each thread its own working memory.
        with self._jxl.JXL(threads=1) as decoder:
            pixels, extras = decoder.decode(self._data, metadata=True)
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        if channels not in MODES:
            raise UnreadableImage("The image has colours of a kind we do not read.")
        image = Image.fromarray(pixels.squeeze(2) if pixels.ndim == 3 == channels + 2 else pixels)
        image, factor = reduced(image, at_least) if at_least else (image, 1)
        box = (0, 0, self.width / factor, self.height / factor)
        facts = exif.without_orientation(exif.parse(extras.get("exif", b"")))
        return Decoded(image, box, facts, extras.get("icc") or None)
