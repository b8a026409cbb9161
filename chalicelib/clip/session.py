"""One ONNX graph and the runtime that runs it, loaded when first used.

onnxruntime is imported here, in `devices.py`, `binding.py` and `towers.py`, nowhere else.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from chalicelib.clip.binding import Binding
from chalicelib.clip.cpus import available_cpus
from chalicelib.clip.devices import Device, Place, in_one_line, open_session, place_of
from chalicelib.clip.spec import Tower
from chalicelib.errors import ModelError, UnusableVector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FLOATS = {"tensor(float)": "float32", "tensor(float16)": "float16"}
_INTEGERS = {"tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(uint8)": "uint8"}
_UNKNOWN = (
    "No Op registered",
    "is not a registered function/op",
    "Could not find an implementation",
    "Unsupported model IR version",
    "official released onnx opset",
)
"""What onnxruntime says of a graph that needs more than it has."""


class Session:
    """One ONNX graph, loaded once, at the first run; safe to call from many threads."""

    def __init__(
        self,
        tower: Tower,
        dim: int,
        threads: int | None,
        device: Device | Place = "cpu",
        *,
        spin: bool = False,
    ) -> None:
        """`spin`: threads wait for their next part awake, which a single text is done sooner by."""
        self._tower = tower
        self._dim = dim
        self._threads = threads
        self._device = device
        self._spin = spin
        self._lock = threading.Lock()
        self._session: Any = None
        self._binding: Binding | None = None

    @property
    def file(self) -> str:
        return self._tower.onnx.name

    @property
    def place(self) -> Place:
        """Raises ConfigurationError where the device cannot be had."""
        return self._device if isinstance(self._device, Place) else place_of(self._device)

    @property
    def batch(self) -> int:
        """Rows that are best run at once; `run` slices what is more."""
        return self.place.batch

    def load(self) -> Any:
        """The onnxruntime session. Raises ModelError where the graph does not load."""
        with self._lock:
            if self._session is None:
                place = self.place
                threads = self._threads or available_cpus()
                session = _open(self._tower, threads, place, spin=self._spin)
                if place.memory:
                    self._binding = Binding(session, self._tower.output, place.memory)
                self._session = session
            return self._session

    def run(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Unit rows, float32 [N, D], in slices of at most `batch` rows.

        `inputs` are arrays of N rows by name, cast to what the graph takes. Raises ModelError
        where the graph fails or gives rows that are not of length D, `UnusableVector` where a row
        is zero or not finite.
        """
        import numpy as np

        session = self.load()
        takes = {i.name: i for i in session.get_inputs()}
        fixed = takes[self._tower.input].shape[0]
        step = fixed if isinstance(fixed, int) and fixed > 0 else self.batch
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
            if self._binding:
                got = self._binding.run(rows)
            else:
                got = session.run([self._tower.output], rows)[0]
        except Exception as error:  # onnxruntime raises many kinds, with no common root
            raise ModelError(f"{self.file}: the graph fails ({short(error)})") from error
        batch = len(rows[self._tower.input])
        if not isinstance(got, np.ndarray) or got.shape != (batch, self._dim):
            shape = getattr(got, "shape", None)
            raise ModelError(
                f"{self.file}: {self._tower.output} has shape {shape}, not {(batch, self._dim)}; "
                "the graph and the configuration are of different models."
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


def _open(tower: Tower, threads: int, place: Place, *, spin: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait by spinning burn CPU between calls; a text's parts are so short that
    # waking a thread for each takes longer than the part.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    options.log_severity_level = 3
    if tower.ready and place.name == "cpu":
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    path = tower.onnx.path
    try:
        session = open_session(str(path), options, place)
    except Exception as error:  # onnxruntime raises many kinds, with no common root
        said = short(error)
        remedy = "Fetch or export it again."
        if any(part in said for part in _UNKNOWN):
            version = onnxruntime.__version__
            remedy = f"Export it for an older opset, or use one newer than onnxruntime {version}."
        raise ModelError(f"{tower.onnx.name} does not load ({said}). {remedy}") from error
    if place.providers[0][0] not in session.get_providers():
        raise ModelError(
            f"{tower.onnx.name} does not load on {place.name}: onnxruntime opened it with "
            f"{', '.join(session.get_providers())} only."
        )
    return session


def short(error: Exception) -> str:
    """What a library said, in one line."""
    return in_one_line(str(error)) or type(error).__name__
