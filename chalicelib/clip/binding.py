"""Runs of a graph whose inputs and output lie in a device's memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT = 4
"""Buffers that wait for another run of their shape; one of 128 pictures takes 77 MB as fp32."""


class Binding:
    """One graph on one device; safe to call from many threads, each with buffers of its own."""

    def __init__(self, session: Any, output: str, memory: str) -> None:
        self._session = session
        self._output = output
        self._memory = memory
        self._lock = threading.Lock()
        self._idle: list[_Buffers] = []

    def run(self, rows: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """The output for `rows`: copied to the device once, and back once.

        Raises what onnxruntime raises; buffers that saw an error are not used again.
        """
        buffers = self._take(_shape_of(rows))
        if buffers is None:
            buffers = _Buffers(self._session, self._output, self._memory, rows)
        got = buffers.run(rows)
        with self._lock:
            self._idle = [*self._idle, buffers][-KEPT:]
        return got

    def _take(self, shape: object) -> _Buffers | None:
        with self._lock:
            for number, buffers in enumerate(self._idle):
                if buffers.shape == shape:
                    return self._idle.pop(number)
        return None


class _Buffers:
    """Inputs of one shape, held on the device; the output is made there by the first run."""

    def __init__(
        self, session: Any, output: str, memory: str, rows: dict[str, NDArray[Any]]
    ) -> None:
        from onnxruntime import OrtValue

        self.shape = _shape_of(rows)
        self._session = session
        self._inputs = {
            name: OrtValue.ortvalue_from_shape_and_type(value.shape, value.dtype.type, memory)
            for name, value in rows.items()
        }
        self._binding = session.io_binding()
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        self._binding.bind_output(output, memory)

    def run(self, rows: dict[str, NDArray[Any]]) -> NDArray[Any]:
        import numpy as np

        for name, value in rows.items():
            self._inputs[name].update_inplace(value)
        # Copies and the graph are on streams of their own, which wait for each other only so.
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        # A copy: on the processor it would be a view of what the next run writes.
        found: NDArray[Any] = np.array(self._binding.get_outputs()[0].numpy())
        return found


def _shape_of(rows: dict[str, NDArray[Any]]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    return {name: (value.shape, value.dtype) for name, value in rows.items()}
