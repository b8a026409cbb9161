"""Clip: the one object the rest of the product embeds with."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chalicelib.clip.devices import Device, Place, device_for, place_of
from chalicelib.clip.folder import read_folder
from chalicelib.clip.identity import fingerprint
from chalicelib.clip.pixels import PixelSpec, to_pixels
from chalicelib.clip.session import Session
from chalicelib.clip.spec import ModelFolder
from chalicelib.clip.towers import TextTower, VisionTower
from chalicelib.errors import Permanent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ARTICLE = r"(?:a|an|the)\s+"


def load_clip(
    folder: str | Path,
    *,
    threads: int | None = None,
    device: Device = "auto",
    exact: bool | None = None,
) -> Clip:
    """The model in `folder`, ready to embed.

    `threads` is for each tower; without it, as many as this process may use CPUs. Raises
    ModelError, naming file and field, where the folder is incomplete, contradictory or of a kind
    that is not read, and ConfigurationError where `device` cannot be had. Weights are loaded at
    the first use of a tower, and "auto" becomes a device. `exact` is `Clip.exact`; None makes
    it true for weights held in fp32.
    """
    read = read_folder(folder)
    return Clip(read, threads=threads, device=device_for(device, read.form), exact=exact)


class Clip:
    """Pictures and texts → unit vectors in one space. Safe to use from many threads."""

    def __init__(
        self,
        folder: ModelFolder,
        *,
        threads: int | None = None,
        device: Device | Place = "auto",
        exact: bool | None = None,
    ) -> None:
        self._folder = folder
        self._device: Device | Place = device
        self._exact = folder.form == "fp32" if exact is None else exact
        vision, text = folder.vision_tower, folder.text_tower
        sessions = [Session(tower, folder.dim, threads, device) for tower in (vision, text)]
        self._vision = VisionTower(sessions[0], folder.pixels, vision)
        self._text = TextTower(sessions[1], folder.text, text)
        self._lock = threading.Lock()
        self._fingerprint: str | None = None

    @property
    def name(self) -> str:
        """A short name: lower-case letters, digits and dashes."""
        return self._folder.name

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return self._folder.dim

    @property
    def form(self) -> str:
        """ "fp32", "fp16", "int8", …: how the weights are held."""
        return self._folder.form

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where the towers run."""
        return (self._device if isinstance(self._device, Place) else place_of(self._device)).name

    @property
    def exact(self) -> bool:
        """Whether pictures are decoded whole, so that vectors are the reference's; otherwise
        large ones may be decoded at a fraction of their size, with vectors very nearly those."""
        return self._exact

    @property
    def pixel_spec(self) -> PixelSpec:
        """What `chalicelib.clip.pixels.to_pixels` needs to make `embed_pixels`'s input."""
        return self._folder.pixels

    @property
    def fingerprint(self) -> str:
        """12 hex digits that stand for source weights and preprocessing; forms share them."""
        with self._lock:
            if self._fingerprint is None:
                self._fingerprint = fingerprint(self._folder)
            return self._fingerprint

    def embed_images(self, images: list[bytes]) -> NDArray[np.float32]:
        """Files (JPEG, PNG, …) → unit rows, float32 [N, D], in their order.

        Raises UnreadableImage or TooLarge for the first file that cannot be decoded, ModelError
        where the model fails.
        """
        rows = []
        for row in self.embed_images_each(images):
            if isinstance(row, Permanent):
                raise row
            rows.append(row)
        return self._stack(rows)

    def embed_images_each(self, images: list[bytes]) -> list[NDArray[np.float32] | Permanent]:
        """As `embed_images`, but a file that cannot be decoded gives its error in its place.

        Each row is float32 [D]. Raises ModelError where the model fails.
        """
        import numpy as np

        results: list[NDArray[np.float32] | Permanent] = []
        good: list[NDArray[np.uint8]] = []
        for image in images:
            decoded = self._decode(image)
            if isinstance(decoded, Permanent):
                results.append(decoded)
            else:
                results.append(np.empty(0, np.float32))
                good.append(decoded)
        rows = iter(self.embed_pixels(self._stack_pixels(good)))
        return [r if isinstance(r, Permanent) else next(rows) for r in results]

    def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What `to_pixels` made, uint8 [N, H, W, 3] → unit rows, float32 [N, D].

        Raises ValueError where the shape or type is another, ModelError where the model fails.
        """
        import numpy as np

        side = self.pixel_spec.crop
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            raise ValueError(
                f"pixels must be uint8 [N, {side}, {side}, 3], not {pixels.dtype} {pixels.shape}"
            )
        return self._vision.embed(pixels) if len(pixels) else self._stack([])

    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Queries → unit rows, float32 [N, D], in their order; the query template is applied.

        Raises ModelError where the model fails.
        """
        if not texts:
            return self._stack([])
        return self._text.embed([fill(self._folder.text.query_template, t) for t in texts])

    def _decode(self, image: bytes) -> NDArray[np.uint8] | Permanent:
        from chalicelib.images import open_upright

        try:
            return to_pixels(open_upright(image).image, self.pixel_spec)
        except Permanent as error:
            return error

    def _stack(self, rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        import numpy as np

        return np.stack(rows) if rows else np.empty((0, self.dim), np.float32)

    def _stack_pixels(self, pixels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        import numpy as np

        side = self.pixel_spec.crop
        return np.stack(pixels) if pixels else np.empty((0, side, side, 3), np.uint8)


def fill(template: str, text: str) -> str:
    """`text` in the template's `{}`; "a photo of a {}" and "a cat" give "a photo of a cat".

    Where the template has an article before the gap, one at the start of the text is dropped.
    """
    text = " ".join(text.split())
    before, after = template.split("{}")
    if re.search(rf"(?:^|\s){_ARTICLE}$", before, re.IGNORECASE):
        text = re.sub(rf"^{_ARTICLE}(?=\S)", "", text, flags=re.IGNORECASE)
    return before + text + after
