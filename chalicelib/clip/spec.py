"""What a model folder says of a model, whatever its layout; and the careful reading of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chalicelib.clip.onnxfile import OnnxFile
from chalicelib.clip.pixels import PixelSpec
from chalicelib.errors import ModelError

Cleaning = Literal["none", "whitespace", "lower", "canonicalise", "canonicalise_words"]

MAX_JSON_BYTES = 64 * 1024 * 1024
"""The largest published tokenizer.json (Gemma's, 256,000 tokens) is about 33 MiB."""


@dataclass(frozen=True, slots=True)
class Spare:
    """An input that a graph of both towers wants, and the tower at hand has nothing for.

    It is filled with ones: as many rows as the other input where `rows`, none where not. `shape`
    is that of one row.
    """

    name: str
    shape: tuple[int, ...]
    rows: bool


@dataclass(frozen=True, slots=True)
class Tower:
    """One ONNX graph: the file, its input tensors by their role, and the output to take.

    `takes_pixels`: a vision tower that takes uint8 [N, H, W, 3] and normalises by itself.
    `ready`: the graph is optimised already, and the runtime need not do it at each start.
    `spare`: the other tower's inputs, where one graph holds both.
    """

    onnx: OnnxFile
    input: str
    output: str
    mask: str | None = None
    takes_pixels: bool = False
    ready: bool = False
    spare: tuple[Spare, ...] = ()


@dataclass(frozen=True, slots=True)
class TextSpec:
    """How texts become tokens.

    `pad_id` fills the shorter texts of one run; with `padded` every text is filled to
    `max_tokens`, for models that were trained so and read or attend to the padding (SigLIP).
    `cleaning` is done before the tokenizer, as the model's authors did in code rather than in
    tokenizer.json: "whitespace" makes each run of it one space, "lower" also makes small letters,
    "canonicalise" also drops ASCII punctuation, and "canonicalise_words" makes a space of each
    underscore before that. `language_prefix` is the token (NLLB's "fra_Latn") that stands where the
    tokenizer puts a language of its own.
    """

    tokenizer: Path
    max_tokens: int
    pad_id: int
    query_template: str = "{}"
    padded: bool = False
    cleaning: Cleaning = "none"
    language_prefix: str = ""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What every layout comes down to.

    `source` is the fingerprint that the folder's maker gives it, where the files are not the
    source themselves: an int8 form of another folder, or a model built from parts.
    """

    path: Path
    name: str
    form: str
    dim: int
    pixels: PixelSpec
    text: TextSpec
    vision_tower: Tower
    text_tower: Tower
    source: str | None = None


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object. Raises ModelError where it is missing, over 32 MiB or not an object."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ModelError(f"{path.name} is larger than {MAX_JSON_BYTES // 2**20} MiB")
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path.name} is missing from {path.parent.name}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} cannot be read as JSON ({error})") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path.name} is not a JSON object")
    return value


def read_json_if_any(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def wrong(file: str, field: str, why: str) -> ModelError:
    return ModelError(f"{file}: {field}: {why}", field=field)


def token_id(file: str, field: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise wrong(file, field, f"{value!r} is not a token's id")
    return value


def whole(file: str, field: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise wrong(file, field, f"{value!r} is not a whole number from 1 to {most}")
    return value
