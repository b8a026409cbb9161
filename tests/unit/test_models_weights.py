"""Checkpoints are read without torch, and name nothing that is run."""

from __future__ import annotations

import collections
import io
import json
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalicelib.errors import ModelError
from models.weights import read_safetensors, read_torch

MAGIC = 0x1950A86A20F9469CFC6C


class Storage:
    """Stands for a torch storage while pickling."""

    def __init__(self, kind: str, key: str, values: np.ndarray) -> None:
        self.kind, self.key, self.values = kind, key, values


class Tensor:
    """Pickles as torch's tensors do: a call of _rebuild_tensor_v2 on a stored storage."""

    def __init__(
        self, storage: Storage, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0
    ) -> None:
        self.parts = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.parts


@pytest.fixture(autouse=True)
def torch_to_pickle_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hollow torch, so that pickles can name what torch's name."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def save(state: Any, storages: list[Storage], *, magic: int = MAGIC) -> bytes:
    """What torch.save wrote before 1.6."""
    out = io.BytesIO()
    for value in (magic, 1001, {"little_endian": True, "protocol_version": 1001}):
        pickle.dump(value, out, protocol=2)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            if not isinstance(value, Storage):
                return None
            kind = getattr(sys.modules["torch"], value.kind)
            return "storage", kind, value.key, "cpu", len(value.values), None

    Pickler(out, protocol=2).dump(state)
    pickle.dump([s.key for s in storages], out, protocol=2)
    for storage in storages:
        out.write(len(storage.values).to_bytes(8, "little") + storage.values.tobytes())
    return out.getvalue()


def test_tensors_come_back_by_name_in_whatever_order_their_numbers_lie() -> None:
    floats = Storage("FloatStorage", "1", np.arange(6, dtype="<f4"))
    whole = Storage("LongStorage", "2", np.asarray([7], "<i8"))
    state = collections.OrderedDict(
        rows=Tensor(floats, (2, 3), (3, 1)),
        columns=Tensor(floats, (2, 3), (1, 2)),
        part=Tensor(floats, (2,), (1,), offset=4),
        count=Tensor(whole, (), ()),
    )
    got = read_torch(save(state, [whole, floats]))
    assert got["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert got["columns"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert got["part"].tolist() == [4, 5]
    assert got["count"].tolist() == 7
    assert got["rows"].dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((7,), (1,), 0), ((2, 3), (3, 2), 0), ((2,), (1,), 5), ((2,), (-1,), 3), ((1,), (1,), -4)],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    floats = Storage("FloatStorage", "1", np.arange(6, dtype="<f4"))
    data = save({"w": Tensor(floats, shape, strides, offset)}, [floats])
    with pytest.raises(ModelError, match="damaged"):
        read_torch(data)


class Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


def test_a_checkpoint_that_calls_something_is_refused_and_nothing_called(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(ModelError, match="not admitted"):
        read_torch(save({"w": Attack(mark)}, []))
    assert not mark.exists()


def test_storages_of_other_kinds_are_refused() -> None:
    half = Storage("HalfStorage", "1", np.arange(6, dtype="<f2"))
    with pytest.raises(ModelError, match=r"torch\.HalfStorage"):
        read_torch(save({"w": Tensor(half, (6,), (1,))}, [half]))


def test_other_files_are_refused() -> None:
    floats = Storage("FloatStorage", "1", np.arange(6, dtype="<f4"))
    good = save({"w": Tensor(floats, (6,), (1,))}, [floats])
    with pytest.raises(ModelError, match=r"before 1\.6"):
        read_torch(save({}, [], magic=3))
    for cut in (0, 5, 100, len(good) - 1):
        with pytest.raises(ModelError, match="damaged"):
            read_torch(good[:cut])


def safetensors(header: Any, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_safetensors_come_back_by_name() -> None:
    values = np.arange(6, dtype="<f4")
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [16, 24]},
    }
    got = read_safetensors(safetensors(header, values.tobytes()))
    assert got["a"].tolist() == [[0, 1], [2, 3]]
    assert got["b"].tolist() == [4, 5]


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "X9", "shape": [2], "data_offsets": [0, 8]},
        {"shape": [2]},
        7,
    ],
    ids=str,
)
def test_safetensors_that_do_not_add_up_are_refused(entry: Any) -> None:
    with pytest.raises(ModelError, match="damaged"):
        read_safetensors(safetensors({"a": entry}, bytes(8)))


@pytest.mark.parametrize("data", [b"", b"\x08", bytes(8), safetensors([1], b"")], ids=repr)
def test_files_that_are_no_safetensors_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="damaged"):
        read_safetensors(data)
