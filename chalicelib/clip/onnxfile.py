"""What an ONNX file says of itself, read without onnx or onnxruntime.

An ONNX file is a protobuf message. This walks its fields (https://protobuf.dev, "Encoding"; field
numbers from onnx.proto3) and skips the weights, so a file of hundreds of MB takes milliseconds.
It serves to check a model folder before a runtime opens what the file points at.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chalicelib.errors import ModelError

Shape = tuple[int | None, ...]
"""A size, or None where it is free."""

_Visit = Callable[[memoryview], None]

FLOAT, UINT8, INT32, INT64, FLOAT16 = 1, 2, 6, 7, 10
"""TensorProto.DataType of onnx.proto3."""

MAX_BYTES = 8 * 1024**3
"""Graph and weights of one tower; the largest published CLIP (5 thousand million) is split in two
towers of less in half precision."""

MAX_EXTERNAL = 1000
"""Files of weights beside one graph; exporters write one, or one for each tensor of a layer."""

MAX_DEPTH = 32
"""Graphs within graphs (If, Loop) and fields within fields; real models stay under ten."""


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """The names and shapes of a graph's inputs and outputs; the files its weights lie in.

    `name` is the file's within the model folder ("onnx/text_model.onnx"), for messages.
    `types` are the element types of inputs and outputs, as ONNX numbers them (`FLOAT`, `UINT8`, …).
    """

    path: Path
    name: str
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    external: tuple[Path, ...]
    types: dict[str, int]


def read_onnx(path: Path, folder: Path) -> OnnxFile:
    """Read the head of an ONNX file.

    Raises ModelError where the file is missing or not ONNX, where its weights would be read from
    outside `folder`, or where there is more of them than `MAX_BYTES` and `MAX_EXTERNAL` allow.
    """
    scan, where = _scan(path, folder), str(path.relative_to(folder))
    if not scan.inputs or not scan.outputs:
        raise ModelError(f"{where} is not an ONNX model: it has no inputs or no outputs")
    inputs = {name: shape for name, shape in scan.inputs.items() if name not in scan.initializers}
    external = tuple(_inside(path, location, folder) for location in sorted(scan.locations))
    if path.stat().st_size + sum(p.stat().st_size for p in external) > MAX_BYTES:
        raise _too_large(where)
    return OnnxFile(path, where, inputs, scan.outputs, external, scan.types)


def external_locations(path: Path, folder: Path) -> tuple[str, ...]:
    """Where a graph says its weights lie, as written in it, whether or not anything is there.

    Raises ModelError where the file is missing or not ONNX.
    """
    return tuple(sorted(_scan(path, folder).locations))


def _scan(path: Path, folder: Path) -> _Scan:
    scan = _Scan()
    name = str(path.relative_to(folder))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(name)
        with path.open("rb") as file:
            # Not closed by hand: it goes with the last view of it.
            scan.model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except FileNotFoundError as error:
        raise ModelError(f"{name} is missing from {folder.name}") from error
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(f"{name} is not a whole ONNX file ({error})") from error
    return scan


def _too_large(name: str) -> ModelError:
    return ModelError(f"{name} and its weights are larger than {MAX_BYTES // 2**30} GiB")


def _inside(path: Path, location: str, folder: Path) -> Path:
    """The file of external weights: relative, and within the model folder, links followed."""
    where, name = path.parent / location, path.relative_to(folder)
    parts = location.replace("\\", "/").split("/")
    if not location or "\0" in location or ".." in parts or Path(location).is_absolute():
        raise ModelError(f"{name} keeps weights outside its folder: location {location!r}")
    if not where.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{name} keeps weights outside its folder: location {location!r}")
    if not where.is_file():
        raise ModelError(f"{name} needs {location!r}, which is missing from {folder.name}")
    return where


class _Scan:
    """One walk over a model. Method names are ONNX's message names."""

    def __init__(self) -> None:
        self.inputs: dict[str, Shape] = {}
        self.outputs: dict[str, Shape] = {}
        self.types: dict[str, int] = {}
        self.initializers: set[str] = set()
        self.locations: set[str] = set()
        self._depth = 0

    def model(self, data: memoryview) -> None:
        def function(body: memoryview) -> None:
            self._walk(body, {7: self._node})

        self._walk(data, {7: self._main_graph, 25: function})

    def _main_graph(self, data: memoryview) -> None:
        def take(into: dict[str, Shape]) -> _Visit:
            def value_info(body: memoryview) -> None:
                name, shape, kind = self._value_info(body)
                into[name] = shape
                self.types[name] = kind

            return value_info

        self._walk(data, {11: take(self.inputs), 12: take(self.outputs), **self._graph_parts()})

    def _graph(self, data: memoryview) -> None:
        self._walk(data, self._graph_parts())

    def _graph_parts(self) -> dict[int, _Visit]:
        return {1: self._node, 5: self._tensor, 15: self._sparse_tensor}

    def _node(self, data: memoryview) -> None:
        self._walk(data, {5: self._attribute})

    def _attribute(self, data: memoryview) -> None:
        tensor, graph, sparse = self._tensor, self._graph, self._sparse_tensor
        self._walk(data, {5: tensor, 6: graph, 10: tensor, 11: graph, 22: sparse, 23: sparse})

    def _sparse_tensor(self, data: memoryview) -> None:
        self._walk(data, {1: self._tensor, 2: self._tensor})

    def _tensor(self, data: memoryview) -> None:
        def external(entry: memoryview) -> None:
            key = value = ""
            for number, body in _fields(entry):
                if isinstance(body, memoryview):
                    key = _text(body) if number == 1 else key
                    value = _text(body) if number == 2 else value
            if key == "location":
                self.locations.add(value)
                if len(self.locations) > MAX_EXTERNAL:
                    raise ValueError(f"its weights lie in more than {MAX_EXTERNAL} files")

        def name(body: memoryview) -> None:
            self.initializers.add(_text(body))

        self._walk(data, {8: name, 13: external})

    def _value_info(self, data: memoryview) -> tuple[str, Shape, int]:
        found: list[str] = []
        kinds: list[int] = []
        shape: list[int | None] = []

        def dimension(body: memoryview) -> None:
            sizes = [value for number, value in _fields(body) if number == 1]
            size = sizes[-1] if sizes else None
            shape.append(size if isinstance(size, int) and size > 0 else None)

        def of_shape(body: memoryview) -> None:
            self._walk(body, {1: dimension})

        def of_tensor(body: memoryview) -> None:
            kinds.extend(v for n, v in _fields(body) if n == 1 and isinstance(v, int))
            self._walk(body, {2: of_shape})

        def of_type(body: memoryview) -> None:
            self._walk(body, {1: of_tensor})

        self._walk(data, {1: lambda body: found.append(_text(body)), 2: of_type})
        return (found[0] if found else ""), tuple(shape), (kinds[-1] if kinds else 0)

    def _walk(self, data: memoryview, visits: dict[int, _Visit]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("nested too deep")
        for number, body in _fields(data):
            if number in visits and isinstance(body, memoryview):
                visits[number](body)
        self._depth -= 1


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """The fields of one message: (number, bytes) or (number, integer)."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"field type {kind} at byte {at}")
        if at + length > end:
            raise ValueError(f"field {number} runs past the end")
        yield number, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number of more than ten bytes at byte {at}")


def _text(data: memoryview) -> str:
    return bytes(data).decode("utf-8")
