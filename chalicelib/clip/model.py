"""Clip: the one object the rest of the product embeds with."""

from __future__ import annotations

import functools
import itertools
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chalicelib.clip.calibration import FILE, Calibration, read_calibration
from chalicelib.clip.cpus import available_cpus
from chalicelib.clip.devices import Device, Place, device_for
from chalicelib.clip.folder import read_folder
from chalicelib.clip.pixels import PixelSpec, pixel_budget
from chalicelib.clip.session import Session
from chalicelib.clip.spec import ModelFolder
from chalicelib.clip.towers import TextTower, VisionTower
from chalicelib.errors import ModelError, Permanent, UnusableVector
from chalicelib.gate import Gate
from chalicelib.overlap import in_order

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
        self._exact = folder.form == "fp32" if exact is None else exact
        vision, text = folder.vision_tower, folder.text_tower
        sessions = [
            Session(tower, folder.dim, threads, device, spin=tower is text)
            for tower in (vision, text)
        ]
        self._threads = threads
        self._pictures = sessions[0]
        self._vision = VisionTower(sessions[0], folder.pixels, vision)
        self._text = TextTower(sessions[1], folder.text, text)
        self._lock = threading.Lock()
        self._fingerprint: str | None = None
        self._calibration: Calibration | None = None

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
        return self._pictures.place.name

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
        from chalicelib.clip.identity import fingerprint

        with self._lock:
            if self._fingerprint is None:
                self._fingerprint = fingerprint(self._folder)
            return self._fingerprint

    @property
    def calibration(self) -> Calibration | None:
        """By what vectors are made comparable over queries and images; None where the folder has
        no calibration.npz. Raises ModelError where that is damaged or another model's."""
        with self._lock:
            if self._calibration is None:
                self._calibration = read_calibration(self._folder.path, self.dim)
            found = self._calibration
        if found is not None and found.model != self.fingerprint:
            raise ModelError(
                f"{self._folder.path.name}/{FILE} was made for the model {found.model}, and this "
                f"is {self.fingerprint}: make it again with python -m models calibrate "
                f"{self._folder.path}"
            )
        return found

    def embed_images(self, images: Iterable[bytes]) -> NDArray[np.float32]:
        """Files (JPEG, PNG, …) → unit rows, float32 [N, D], in their order.

        Raises UnreadableImage or TooLarge for a file that cannot be decoded, ModelError where the
        model fails, TypeError for what is not bytes.
        """
        rows = []
        for row in self._each(images, contained=False):
            if isinstance(row, Permanent):
                raise row
            rows.append(row)
        return self._stack(rows)

    def embed_images_each(self, images: Iterable[bytes]) -> list[NDArray[np.float32] | Permanent]:
        """As `embed_images`, but a file that cannot be decoded, or that gives no usable vector,
        gives its error in its place.

        Each row is float32 [D]. Raises ModelError where the model fails as a whole, TypeError for
        what is not bytes.
        """
        return self._each(images, contained=True)

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

        Raises ModelError where the model fails, TypeError for a text that is in no list.
        """
        _no_lone(texts, "Texts come as a list of str")
        if not texts:
            return self._stack([])
        return self._text.embed([fill(self._folder.text.query_template, t) for t in texts])

    def _each(
        self, images: Iterable[bytes], *, contained: bool
    ) -> list[NDArray[np.float32] | Permanent]:
        """Decode in threads, a batch ahead of the model: Pillow lets go of Python's lock.

        Without `contained` the first picture that cannot be decoded is raised at once.
        """
        workers = self._threads or available_cpus()
        batch = self._pictures.batch
        decode = functools.partial(self._decode, Gate(pixel_budget(workers)))
        results: dict[int, NDArray[np.float32] | Permanent] = {}
        waiting: dict[int, NDArray[np.uint8]] = {}
        pictures = in_order(decode, checked(images), workers=workers, ahead=batch, name="decode")
        with closing(pictures) as decoded:
            for number, got in enumerate(decoded):
                if isinstance(got, Permanent):
                    if not contained:
                        raise got
                    results[number] = got
                    continue
                waiting[number] = got
                if len(waiting) == batch:
                    results |= self._rows(waiting)
                    waiting.clear()
        results |= self._rows(waiting)
        return [results[number] for number in sorted(results)]

    def _decode(self, gate: Gate, image: bytes) -> NDArray[np.uint8] | Permanent:
        from chalicelib.clip.decode import decode

        try:
            with ExitStack() as room:
                return decode(
                    image,
                    self.pixel_spec,
                    exact=self.exact,
                    before_decoding=lambda pixels: room.enter_context(gate(pixels)),
                )[1]
        except Permanent as error:
            return error

    def _rows(
        self, pixels: dict[int, NDArray[np.uint8]]
    ) -> dict[int, NDArray[np.float32] | Permanent]:
        """A picture that the model makes nothing of is told from its batch-mates by running each
        alone: where a graph quantises by the range of its batch, it spoils theirs too."""
        import numpy as np

        if not pixels:
            return {}
        try:
            rows = self.embed_pixels(np.stack(list(pixels.values())))
        except UnusableVector as error:
            if len(pixels) == 1:
                return dict.fromkeys(pixels, error)
            alone = [self._rows({number: one}) for number, one in pixels.items()]
            return {number: row for part in alone for number, row in part.items()}
        return dict(zip(pixels, rows, strict=True))

    def _stack(self, rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        import numpy as np

        return np.stack(rows) if rows else np.empty((0, self.dim), np.float32)


def checked(images: Iterable[bytes]) -> Iterator[bytes]:
    """`images`, each looked at when its turn comes: TypeError for what is no file's bytes."""
    _no_lone(images, "Pictures come as a list of files' bytes")
    return map(_checked_one, images, itertools.count())


def _no_lone(given: object, rule: str) -> None:
    """Text and bytes are sequences too, of what nobody means."""
    if isinstance(given, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"{rule}, not as one {type(given).__name__}.")


def _checked_one(image: bytes, number: int) -> bytes:
    if isinstance(image, (bytes, bytearray, memoryview)):
        return image
    raise TypeError(
        f"Picture {number} is of type {type(image).__name__}: pass the bytes of the image file "
        "(as of Path.read_bytes), not its name or pixels."
    )


def fill(template: str, text: str) -> str:
    """`text` in the template's `{}`; "a photo of a {}" and "a cat" give "a photo of a cat".

    Where the template has an article before the gap, one at the start of the text is dropped.
    """
    text = " ".join(text.split())
    before, after = template.split("{}")
    if re.search(rf"(?:^|\s){_ARTICLE}$", before, re.IGNORECASE):
        text = re.sub(rf"^{_ARTICLE}(?=\S)", "", text, flags=re.IGNORECASE)
    return before + text + after
