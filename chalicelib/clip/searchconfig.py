"""Our own `search_config.json`, which a model folder of either layout may hold.

`name`, `query_template` and `language` (NLLB's FLORES code) say how the model is used here;
`source_fingerprint`, `form`, `ready`, `text` and `pixels` are written into a deploy form, whose
text and pixel rules then come from here alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from chalicelib.clip.graphs import text_length
from chalicelib.clip.pixels import PixelSpec
from chalicelib.clip.spec import (
    Cleaning,
    TextSpec,
    Tower,
    read_json_if_any,
    token_id,
    whole,
    wrong,
)
from chalicelib.clip.tokenizerfile import LANGUAGE
from chalicelib.errors import ModelError

FILE = "search_config.json"

FORMS = {"": "fp32", "_fp16": "fp16", "_int8": "int8", "_quantized": "int8", "_uint8": "uint8"}
FORMS |= {"_q4": "q4", "_q4f16": "q4f16", "_bnb4": "bnb4"}
"""File name endings that transformers.js writes, and what they hold; of two for one form, the one
to prefer first."""

_TEXT = {"max_tokens", "pad_id", "padded", "cleaning", "language_prefix"}


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """The file's content, checked; `text` and `pixels` only where it holds them."""

    template: str
    name: str | None
    source: str | None
    form: str | None
    ready: bool
    language: str
    text: TextSpec | None
    pixels: PixelSpec | None

    def text_rules(self, tower: Tower, own: Callable[[], TextSpec], field: str) -> TextSpec:
        """The text rules: this file's, else the layout's `own`, whose length `field` of
        config.json gives. Raises ModelError where the graph takes another."""
        spec, file, at = self.text, FILE, "text.max_tokens"
        if spec is None:
            spec, file, at = own(), "config.json", field
        most = text_length(tower, spec.max_tokens, padded=spec.padded, file=file, field=at)
        return replace(spec, query_template=self.template, max_tokens=most)


def read_search_config(folder: Path) -> SearchConfig:
    """Read the file, or its defaults. Raises ModelError naming the field that is wrong."""
    value = read_json_if_any(folder / FILE)
    template = value.get("query_template", "{}")
    if not isinstance(template, str) or template.count("{}") != 1:
        raise wrong(FILE, "query_template", "must hold '{}' exactly once")
    source = value.get("source_fingerprint")
    if source is not None and not (
        isinstance(source, str) and re.fullmatch("[0-9a-f]{12}", source)
    ):
        raise wrong(FILE, "source_fingerprint", "must be 12 hex digits")
    form = value.get("form")
    if form is not None and form not in FORMS.values():
        raise wrong(FILE, "form", f"{form!r} is not one of {sorted(set(FORMS.values()))}")
    text = value.get("text")
    return SearchConfig(
        template=template,
        name=None if value.get("name") is None else str(value["name"]),
        source=source,
        form=form,
        ready=_flag(value, "ready"),
        language=_language(value, "language"),
        text=None if text is None else _text(folder / "tokenizer.json", text),
        pixels=None if value.get("pixels") is None else _pixels(value["pixels"]),
    )


def _pixels(value: Any) -> PixelSpec:
    if not isinstance(value, dict):
        raise wrong(FILE, "pixels", "is not an object")
    try:
        return PixelSpec.from_json(value)
    except ModelError as error:
        raise wrong(FILE, "pixels", error.message) from error


def _text(tokenizer: Path, value: Any) -> TextSpec:
    if not isinstance(value, dict) or not {"max_tokens", "pad_id"} <= set(value) <= _TEXT:
        raise wrong(
            FILE, "text", f"must hold max_tokens and pad_id, and no more than {sorted(_TEXT)}"
        )
    if not tokenizer.is_file():
        raise ModelError(f"{tokenizer.name} is missing from {tokenizer.parent.name}")
    cleaning = value.get("cleaning", "none")
    if cleaning not in get_args(Cleaning):
        raise wrong(FILE, "text.cleaning", f"{cleaning!r} is not one of {get_args(Cleaning)}")
    return TextSpec(
        tokenizer=tokenizer,
        max_tokens=whole(FILE, "text.max_tokens", value["max_tokens"], 65536),
        pad_id=token_id(FILE, "text.pad_id", value["pad_id"]),
        padded=_flag(value, "padded", "text.padded"),
        cleaning=cleaning,
        language_prefix=_language(value, "language_prefix", "text.language_prefix"),
    )


def _flag(value: dict[str, Any], key: str, field: str = "") -> bool:
    flag = value.get(key, False)
    if not isinstance(flag, bool):
        raise wrong(FILE, field or key, f"{flag!r} is neither true nor false")
    return flag


def _language(value: dict[str, Any], key: str, field: str = "") -> str:
    code = value.get(key, "")
    if not isinstance(code, str) or (code and not LANGUAGE.fullmatch(code)):
        raise wrong(FILE, field or key, f"{code!r} is not a FLORES-200 code, such as 'fra_Latn'")
    return code


def model_name(folder: Path, said: Any) -> str:
    """A short name of lower-case letters, digits and dashes, at most 40 long."""
    last = str(said or folder.resolve().name).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40].strip("-") or "model"
