"""What every store refuses, the same way: vectors and records that would spoil an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chalicelib.errors import InvalidRequest
from chalicelib.index.base import Write
from chalicelib.records import ImageRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LENGTH_TOLERANCE = 1e-3
"""How far from 1 the length of a "unit" vector may be: models run in half precision stay inside."""

_TIMES = ("indexed_at", "taken_at", "uploaded_at")
_TEXTS = ("id", "bucket", "key", "name", "collection", "owner", "etag", "format", "text", "reason")


def unit_vector(vector: Any, dim: int, *, field: str, scale: float = 1.0) -> NDArray[np.float32]:
    """`vector` as float32 [dim], or `InvalidRequest` saying what is wrong with it. Its length
    times `scale` must be 1."""
    import numpy as np

    try:
        array = np.ascontiguousarray(vector, dtype="<f4")
    except (TypeError, ValueError) as error:
        raise InvalidRequest("The vector is not an array of numbers.", field=field) from error
    if array.shape != (dim,):
        raise InvalidRequest(
            f"The vector has shape {list(array.shape)}; this index holds vectors of {dim} numbers.",
            field=field,
        )
    if not np.isfinite(array).all():
        raise InvalidRequest("The vector holds numbers that are not finite.", field=field)
    length = float(np.sqrt(np.square(array, dtype=np.float64).sum())) * scale
    if not abs(length - 1.0) <= LENGTH_TOLERANCE:
        raise InvalidRequest(
            f"The vector has length {length:.6g}; it must have length 1.", field=field
        )
    return array


def unit_vectors(vectors: Any, dim: int, *, field: str) -> NDArray[np.float32]:
    """`vectors` as float32 [Q, dim], or `InvalidRequest` saying what is wrong with one."""
    import numpy as np

    rows = [unit_vector(vector, dim, field=field) for vector in vectors]
    return np.stack(rows) if rows else np.empty((0, dim), dtype=np.float32)


def stored_vector(vector: Any, dim: int, response: float) -> NDArray[np.float32]:
    """A record's vector as float32 [dim], or `InvalidRequest`: of unit length, or where the record
    has a `response`, that much longer."""
    if not 0 <= response < float("inf"):
        raise InvalidRequest(f"The response {response!r} is not a positive number.", field="vector")
    return unit_vector(vector, dim, field="vector", scale=response or 1.0)


def checked_record(record: ImageRecord, dim: int) -> ImageRecord:
    """`record` with its vector as float32 [dim], or `InvalidRequest`."""
    for name in _TIMES:
        moment = getattr(record, name)
        if moment is not None and moment.utcoffset() is None:
            raise InvalidRequest(f"{name} of {record.id} has no UTC offset.", field=name)
    for name in _TEXTS:
        if not _is_unicode(getattr(record, name)):
            raise InvalidRequest(f"{name} of {record.id!r} is not valid Unicode.", field=name)
    if record.state != "ready":
        if record.vector is not None:
            raise InvalidRequest(
                f"{record.id} is {record.state} and has a vector; only ready images have one.",
                field="vector",
            )
        return record
    if record.vector is None:
        raise InvalidRequest(f"{record.id} is ready but has no vector.", field="vector")
    return replace(record, vector=stored_vector(record.vector, dim, record.response))


def checked_writes(writes: Sequence[Write], dim: int) -> list[ImageRecord]:
    """The records of `writes`, each checked, before any of them is written."""
    return [checked_record(write.record, dim) for write in writes]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
