"""The two halves of a model: pictures → rows and texts → rows."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from chalicelib.clip.pixels import PixelSpec, normalise
from chalicelib.clip.session import Session
from chalicelib.clip.spec import TextSpec, Tower
from chalicelib.clip.tokens import Tokens, padded, run_length
from chalicelib.errors import IntellisenseError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_HEAD_START = 0.002
"""Seconds; onnxruntime is past its Python part in less."""


class VisionTower:
    """uint8 pixels → unit rows."""

    def __init__(self, session: Session, spec: PixelSpec, tower: Tower) -> None:
        self._session = session
        self._spec = spec
        self._tower = tower

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, 3] → float32 [N, D]; N is at least 1. Raises ModelError."""
        import numpy as np

        step = self._session.batch
        parts = [
            self._session.run(
                with_spare({self._tower.input: self._taken(pixels[at : at + step])}, self._tower)
            )
            for at in range(0, len(pixels), step)
        ]
        return np.concatenate(parts)

    def _taken(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        return pixels if self._tower.takes_pixels else normalise(pixels, self._spec)


class TextTower:
    """Texts → unit rows."""

    def __init__(self, session: Session, spec: TextSpec, tower: Tower) -> None:
        self._session = session
        self._spec = spec
        self._tower = tower
        self.tokens = Tokens(spec)
        self._loaded = False

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """N texts → float32 [N, D]; N is at least 1. Raises ModelError.

        Texts run at their own length: sorted by it and, within one run, padded to the longest.
        The padding is masked, or comes after the token that a causal model is read at, so it
        does not change a vector. Where it would (`TextSpec.padded`), all run at full length.
        """
        import numpy as np

        self._load()
        ids = self.tokens.of(texts)
        order = sorted(range(len(ids)), key=lambda n: len(ids[n]))
        out: NDArray[np.float32] | None = None
        step = self._session.batch
        for start in range(0, len(order), step):
            part = order[start : start + step]
            rows = self._session.run(self._pad([ids[n] for n in part]))
            out = np.empty((len(texts), rows.shape[1]), np.float32) if out is None else out
            out[part] = rows
        assert out is not None, "N is at least 1"
        return out

    def _load(self) -> None:
        """Tokenizer and graph at once, at the first use: each takes about half of a cold start.

        tokenizers holds the interpreter while it reads, onnxruntime does not; so the graph goes
        first and gets a moment to leave Python. What fails there fails again, and is raised, where
        the session is used.
        """
        if self._loaded:
            return
        import onnxruntime  # noqa: F401  (a thread that imports would wait for the tokenizer)

        loading = threading.Thread(target=self._load_session, daemon=True)
        loading.start()
        time.sleep(_HEAD_START)
        try:
            self.tokens.load()
        finally:
            loading.join()
        self._loaded = True

    def _load_session(self) -> None:
        with contextlib.suppress(IntellisenseError):
            self._session.load()

    def _pad(self, ids: list[list[int]]) -> dict[str, NDArray[np.int64]]:
        shape = self._tower.onnx.inputs[self._tower.input]
        fixed = shape[1] if len(shape) == 2 else None
        tokens, mask = padded(ids, self._spec, run_length(ids, self._spec, fixed))
        inputs = {self._tower.input: tokens}
        if self._tower.mask is not None:
            inputs[self._tower.mask] = mask
        return with_spare(inputs, self._tower)


def with_spare(inputs: dict[str, NDArray[Any]], tower: Tower) -> dict[str, NDArray[Any]]:
    """The inputs, with those of the other tower where one graph holds both (`Tower.spare`)."""
    import numpy as np

    rows = len(inputs[tower.input])
    spare = {s.name: np.ones((rows if s.rows else 0, *s.shape), np.int64) for s in tower.spare}
    return {**inputs, **spare}
