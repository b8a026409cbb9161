"""What is looked for, as the body of `POST /search`."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from client.errors import UsageError
from client.models import Part, SearchPage

MAX_IMAGE = 3_300_000
"""Bytes of one picture to look for: 4.4 million characters of base64."""

TURNED_AWAY = -0.4
"""The weight of what is not wanted; docs/api.md says why not -1."""

NUMBERS = frozenset({"min_width", "min_height"})


def filters_of(given: Iterable[str]) -> dict[str, Any]:
    """`name=value` each, as `camera=Canon EOS 80D` or `near=48.14,11.58,5`. Raises `UsageError`."""
    filters: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"A filter is NAME=VALUE, as format=png, not {text!r}.")
        filters[name] = _value(name, value)
    return filters


def _value(name: str, value: str) -> Any:
    try:
        if name == "near":
            lat, lon, km = (float(part) for part in value.split(","))
            return {"lat": lat, "lon": lon, "km": km}
        return int(value) if name in NUMBERS else value
    except ValueError:
        wanted = "LAT,LON,KM" if name == "near" else "a whole number"
        raise UsageError(f"The filter {name} takes {wanted}, not {value!r}.") from None


def query_of(parts: Sequence[Part]) -> dict[str, Any]:
    """One thing by itself, several as `parts`. Raises `UsageError`."""
    if not parts:
        raise UsageError("Say what to look for: words, an image, or the id of one.")
    bodies = [_part(part) for part in parts]
    if len(parts) == 1 and parts[0].weight > 0:
        return {name: value for name, value in bodies[0].items() if name != "weight"}
    return {"parts": bodies}


def _part(part: Part) -> dict[str, Any]:
    given = {"text": part.text, "id": part.id, "vector": part.vector}
    body: dict[str, Any] = {name: value for name, value in given.items() if value}
    if part.image:
        body["image"] = base64.b64encode(part.image).decode()
    if len(body) != 1:
        raise UsageError("Each part has exactly one of text, image, id and vector.")
    if part.region is not None:
        body["region"] = list(part.region)
    return {**body, "weight": part.weight}


def as_answered(parts: Sequence[Part], page: SearchPage) -> list[Part]:
    """`parts` with the vectors that the first page said in place of pictures, which are then
    neither sent nor embedded again."""
    vectors = page.raw.get("vectors") or [None] * len(parts)
    return [
        replace(part, image=b"", region=None, vector=vector) if vector else part
        for part, vector in zip(parts, vectors, strict=True)
    ]


def picture(path: Path) -> bytes:
    """The file, to be looked for. Raises `UsageError`."""
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_IMAGE:
        raise UsageError(
            f"{path} is over {MAX_IMAGE / 1e6:.1f} MB; make a smaller copy of it to search with."
        )
    return data


def region_of(text: str) -> tuple[float, float, float, float]:
    """`LEFT,TOP,WIDTH,HEIGHT`, in shares of the picture's sides. Raises `UsageError`."""
    try:
        left, top, width, height = (float(part) for part in text.split(","))
    except ValueError:
        wanted = "LEFT,TOP,WIDTH,HEIGHT, as 0,0,0.5,0.5"
        raise UsageError(f"A region is {wanted}, not {text!r}.") from None
    return left, top, width, height


def without(body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """`body` with `more` of what says something."""
    return {**body, **{name: value for name, value in more.items() if value not in (None, "", {})}}
