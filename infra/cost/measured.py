"""What an image and a search take: measured figures, each with its command, and what had to be
assumed, each with its reason. Beside that, how much a deployment is used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.errors import ConfigurationError
from infra.config import Config

FIGURES = Path(__file__).with_name("measured.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """`command` for what was measured, `why` for what was assumed; the other is empty."""

    value: float
    unit: str
    command: str = ""
    why: str = ""


class Measured:
    """Figures by name."""

    def __init__(self, figures: dict[str, Figure], machine: str, on: str) -> None:
        self._figures = figures
        self.machine = machine
        self.on = on

    @classmethod
    def load(cls, path: Path = FIGURES) -> Measured:
        told = json.loads(path.read_text(encoding="utf-8"))
        figures = {name: Figure(**row) for name, row in told["figures"].items()}
        return cls(figures, told["machine"], told["on"])

    def __getitem__(self, name: str) -> float:
        return self._figures[name].value

    def figures(self) -> dict[str, Figure]:
        return dict(self._figures)


PHOTOS = ("12mp", "500px")
"""The kinds of photos that were measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A month of use. `new_images` come in on top of `images` that are there already."""

    images: int
    searches: int
    new_images: int = 0
    photo: str = "12mp"
    people: int = 5

    def __post_init__(self) -> None:
        for name in ("images", "searches", "new_images", "people"):
            if not 0 <= getattr(self, name) <= 10**12:
                raise ConfigurationError(f"{name} must be 0 or more.")
        if self.photo not in PHOTOS:
            raise ConfigurationError(f"photo must be one of {', '.join(PHOTOS)}.")

    def of(self, measured: Measured, what: str) -> float:
        """A figure that differs from one kind of photo to the next."""
        return measured[f"image.{self.photo}.{what}"]


def lambda_processors(memory: int) -> float:
    """Processors of a function with `memory` MB, at most six
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
    return min(memory / 1769, 6.0)


def reading_seconds(measured: Measured, use: Use, config: Config) -> float:
    """Processor time of the text in an image, where it is read."""
    return use.of(measured, "reading_seconds") if config.ocr else 0.0


def embed_seconds(measured: Measured, use: Use, config: Config) -> float:
    """Seconds of one embedder an image: its processor time, and waiting that nothing overlaps."""
    busy = use.of(measured, "processor_seconds") + reading_seconds(measured, use, config)
    busy /= lambda_processors(config.embedder_memory)
    fetching = use.of(measured, "photo_bytes") / measured["lambda.network"]
    return busy + fetching + measured["lambda.batch_waits"] / config.batch_size


def facts(measured: Measured) -> list[dict[str, Any]]:
    """For `--json`."""
    return [
        {"name": name, "value": f.value, "unit": f.unit, "command": f.command, "why": f.why}
        for name, f in measured.figures().items()
    ]
