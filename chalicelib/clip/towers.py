"""The two halves of a model: pictures → rows and texts → rows, each loaded when first used.

onnxruntime and tokenizers are imported here and nowhere else in the product.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.clip.pixels import PixelSpec, normalise
from chalicelib.clip.spec import TextSpec, Tower
from chalicelib.errors import ModelError, UnusableVector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_BATCH = 32
"""Rows in one run: more is no faster on a CPU, and needs more memory."""

_FLOATS = {"tensor(float)": "float32", "tensor(float16)": "float16"}
_INTEGERS = {"tensor(int64)": "int64", "tensor(int32)": "int32"}


def available_cpus() -> int:
    """CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


class Session:
    """One ONNX graph, loaded once, at the first run; safe to call from many threads."""

    def __init__(self, tower: Tower, dim: int, threads: int | None) -> None:
        self._tower = tower
        self._dim = dim
        self._threads = threads
        self._lock = threading.Lock()
        self._session: Any = None

    @property
    def file(self) -> str:
        return self._tower.onnx.path.name

    def load(self) -> Any:
        """The onnxruntime session. Raises ModelError where the graph does not load."""
        with self._lock:
            if self._session is None:
                self._session = _open_session(
                    self._tower.onnx.path, self._threads or available_cpus()
                )
            return self._session

    def run(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Unit rows, float32 [N, D], in slices of at most `MAX_BATCH` rows.

        `inputs` are arrays of N rows by name, cast to what the graph takes. Raises ModelError
        where the graph fails or gives rows that are not of length D, `UnusableVector` where a row
        is zero or not finite.
        """
        import numpy as np

        session = self.load()
        takes = {i.name: i for i in session.get_inputs()}
        fixed = takes[self._tower.input].shape[0]
        step = fixed if isinstance(fixed, int) and fixed > 0 else MAX_BATCH
        cast = {n: np.ascontiguousarray(v, self._dtype(takes[n].type)) for n, v in inputs.items()}
        count = len(inputs[self._tower.input])
        out = np.empty((count, self._dim), np.float32)
        for start in range(0, count, step):
            rows = {name: _slice(value, start, step, fixed) for name, value in cast.items()}
            got = self._run_once(session, rows)
            out[start : start + step] = got[: count - start]
        return self._unit(out)

    def _dtype(self, kind: str) -> str:
        known = _FLOATS | _INTEGERS
        if kind not in known:
            raise ModelError(f"{self.file}: takes {kind}, which is not one of {sorted(known)}")
        return known[kind]

    def _run_once(self, session: Any, rows: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        import numpy as np

        try:
            got = session.run([self._tower.output], rows)[0]
        except Exception as error:  # onnxruntime raises many kinds, with no common root
            raise ModelError(f"{self.file}: the graph fails ({_short(error)})") from error
        batch = len(rows[self._tower.input])
        if not isinstance(got, np.ndarray) or got.shape != (batch, self._dim):
            shape = getattr(got, "shape", None)
            raise ModelError(
                f"{self.file}: {self._tower.output} has shape {shape}, not {(batch, self._dim)}"
            )
        return got.astype(np.float32, copy=False)

    def _unit(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or (lengths < 1e-12).any():
            raise UnusableVector(f"{self.file}: gives a vector that is zero or not finite")
        return np.asarray(rows / lengths, np.float32)


def _slice(value: NDArray[Any], start: int, step: int, fixed: Any) -> NDArray[Any]:
    """Rows `start` to `start + step`; a graph of fixed batch gets its last row again to fill up."""
    import numpy as np

    rows = value[start : start + step]
    if isinstance(fixed, int) and 0 < len(rows) < fixed:
        rows = np.concatenate([rows, np.repeat(rows[-1:], fixed - len(rows), axis=0)])
    return rows


def _open_session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait by spinning burn CPU between calls.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many kinds, with no common root
        raise ModelError(f"{path.name} does not load ({_short(error)})") from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


class VisionTower:
    """uint8 pixels → unit rows."""

    def __init__(self, session: Session, spec: PixelSpec, input_name: str) -> None:
        self._session = session
        self._spec = spec
        self._input = input_name

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, 3] → float32 [N, D]; N is at least 1. Raises ModelError."""
        import numpy as np

        parts = [
            self._session.run({self._input: normalise(pixels[at : at + MAX_BATCH], self._spec)})
            for at in range(0, len(pixels), MAX_BATCH)
        ]
        return np.concatenate(parts)


class TextTower:
    """Texts → unit rows."""

    def __init__(self, session: Session, spec: TextSpec, tower: Tower) -> None:
        self._session = session
        self._spec = spec
        self._tower = tower
        self._lock = threading.Lock()
        self._tokenizer: Any = None

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, special tokens with them, at most `max_tokens` long.

        A longer text loses words from its end, never its end token.
        """
        tokenizer = self._load_tokenizer()
        # One by one: encode_batch starts a thread pool, which a later fork would break.
        return [list(tokenizer.encode(text).ids) for text in texts]

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """N texts → float32 [N, D]; N is at least 1. Raises ModelError.

        Texts run at their own length: sorted by it and, within one run, padded to the longest.
        The padding is masked, or comes after the token that a causal model is read at, so it
        does not change a vector.
        """
        import numpy as np

        ids = self.tokenise(texts)
        order = sorted(range(len(ids)), key=lambda n: len(ids[n]))
        out: NDArray[np.float32] | None = None
        for start in range(0, len(order), MAX_BATCH):
            part = order[start : start + MAX_BATCH]
            rows = self._session.run(self._pad([ids[n] for n in part]))
            out = np.empty((len(texts), rows.shape[1]), np.float32) if out is None else out
            out[part] = rows
        assert out is not None, "N is at least 1"
        return out

    def _pad(self, ids: list[list[int]]) -> dict[str, NDArray[np.int64]]:
        import numpy as np

        fixed = self._tower.onnx.inputs[self._tower.input]
        length = fixed[1] if len(fixed) == 2 and fixed[1] else max(map(len, ids))
        tokens = np.full((len(ids), length), self._spec.pad_id, np.int64)
        mask = np.zeros((len(ids), length), np.int64)
        for row, text in enumerate(ids):
            tokens[row, : len(text)] = text
            mask[row, : len(text)] = 1
        inputs = {self._tower.input: tokens}
        if self._tower.mask is not None:
            inputs[self._tower.mask] = mask
        return inputs

    def _load_tokenizer(self) -> Any:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = _open_tokenizer(self._spec)
            return self._tokenizer


def _open_tokenizer(spec: TextSpec) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(spec.tokenizer))
        tokenizer.enable_truncation(spec.max_tokens)
        tokenizer.no_padding()
    except Exception as error:  # tokenizers raises plain Exception
        raise ModelError(f"{spec.tokenizer.name} does not load ({_short(error)})") from error
    return tokenizer
