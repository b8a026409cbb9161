"""The child's second step: the text in the picture that it has just decoded.

A step of its own, so that the parent has all else in hand whatever becomes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.ocr import sizes

if TYPE_CHECKING:
    from PIL.Image import Image

    from chalicelib.ocr.reader import TextReader


class TextStage:
    """Between `look` and `read` it keeps the picture, in the size that is read."""

    at_least = sizes.AT_LEAST

    def __init__(self) -> None:
        self._picture: Image | None = None
        self._drawn = False
        self._readers: dict[str, TextReader] = {}

    @property
    def has_work(self) -> bool:
        return self._picture is not None

    def look(self, image: Image, /) -> None:
        """Keep `image` (upright, RGB), where it may hold text."""
        from chalicelib.ocr.glance import glance

        seen = glance(image)
        self._drawn = seen.drawn
        self._picture = sizes.to_read(image) if seen.may_hold_text else None

    def forget(self) -> None:
        self._picture = None

    def read(self, folder: str) -> dict[str, Any]:
        """`text`, or `failure`: why there is none. Never raises for anything about the picture."""
        picture, self._picture = self._picture, None
        try:
            if folder not in self._readers:
                from chalicelib.ocr.reader import TextReader

                self._readers[folder] = TextReader(folder)
            reader = self._readers[folder]
            return {"text": reader.read(picture, fine=self._drawn) if picture else ""}
        except MemoryError:
            return {"failure": "reading needs more memory than is allowed"}
        except Exception as error:
            return {"failure": f"{type(error).__name__}: {error}"[:500]}
