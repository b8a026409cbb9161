"""Weights out of checkpoint files, with neither torch nor an open-ended unpickler.

Both readers take the file's bytes and give arrays by name. They raise ModelError on anything they
do not know, and run no code that the file names.
"""

from __future__ import annotations

import collections
import io
import json
import math
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.errors import ModelError

Weights = dict[str, NDArray[Any]]

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""torch/serialization.py, MAGIC_NUMBER, of the format torch wrote before 1.6."""

_STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
_SAFETENSORS = {"F32": "<f4", "I64": "<i8"}


class _Names(pickle.Unpickler):
    """Admits the four names that a checkpoint of float32 weights holds; any other is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _STORAGES:
            return name
        raise ModelError(f"the checkpoint names {module}.{name}, which is not admitted")

    def persistent_load(self, pid: Any) -> Any:
        kind, storage, key, _device, count, view = pid
        if kind != "storage" or view is not None:
            raise ModelError(f"the checkpoint holds a {kind!r}, which is not admitted")
        return str(key), str(_STORAGES[storage]), int(count)


def _tensor(storage: Any, offset: int, shape: Any, strides: Any, *_rest: Any) -> Any:
    """What torch would build here, kept until the storages behind it are read."""
    return storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides))


def read_torch(data: bytes) -> Weights:
    """A state dict saved by torch before 1.6: tensors by name.

    The file is five pickles (magic number, protocol, platform, the dict, storage keys), then for
    each key a 64-bit count and the numbers.
    """
    file = io.BytesIO(data)
    try:
        magic, protocol, platform = (_Names(file).load() for _ in range(3))
        if magic != _TORCH_MAGIC or protocol != 1001 or not platform["little_endian"]:
            raise ModelError("the checkpoint is not in torch's format of before 1.6")
        tensors, keys = _Names(file).load(), _Names(file).load()
        kinds = {key: (kind, count) for (key, kind, count), *_ in tensors.values()}
        storages = {key: _read_storage(file, *kinds[key]) for key in keys}
        return {name: _view(storages, tensor) for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"the checkpoint is damaged ({error!r})") from error


def _read_storage(file: io.BytesIO, kind: str, count: int) -> NDArray[Any]:
    if int.from_bytes(file.read(8), "little") != count:
        raise ValueError("a storage is not as long as its tensors say")
    dtype = np.dtype(kind)
    return np.frombuffer(file.read(count * dtype.itemsize), dtype, count)


def _view(storages: dict[str, NDArray[Any]], tensor: Any) -> NDArray[Any]:
    (key, _, _), offset, shape, strides = tensor
    storage = storages[key]
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if min((offset, *strides)) < 0 or last >= len(storage):
        raise ValueError("a tensor reaches beyond its storage")
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()


def read_safetensors(data: bytes) -> Weights:
    """A safetensors file: a 64-bit length, a JSON header, the numbers. Tensors by name.

    https://github.com/huggingface/safetensors, "Format".
    """
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        header.pop("__metadata__", None)
        return {name: _safetensor(data, start, entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the safetensors file is damaged ({error!r})") from error


def _safetensor(data: bytes, start: int, entry: dict[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(_SAFETENSORS[entry["dtype"]])
    first, last = entry["data_offsets"]
    count = math.prod(entry["shape"])
    if first < 0 or last - first != count * dtype.itemsize:
        raise ValueError("a tensor's offsets do not fit its shape")
    return np.frombuffer(data, dtype, count, start + first).reshape(entry["shape"])
