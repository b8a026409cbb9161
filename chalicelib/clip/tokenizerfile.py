"""What tokenizer.json and tokenizer_config.json say, read without tokenizers.

The format is that of Hugging Face's tokenizers (https://huggingface.co/docs/tokenizers): `model`
with its vocabulary, `added_tokens`, `post_processor` that puts special tokens around a text,
`padding`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from chalicelib.clip.spec import read_json, read_json_if_any, token_id, wrong

FILE = "tokenizer.json"
CONFIG = "tokenizer_config.json"

LANGUAGE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")
"""A FLORES-200 code, which NLLB has as tokens: "eng_Latn", "zho_Hans"."""

MAX_LENGTH = 65536
"""Above it, `model_max_length` is a stand-in for "not known" (transformers writes 1e30)."""


class TokenizerFile:
    """The two files of one folder. Raises ModelError where they are missing or broken."""

    def __init__(self, folder: Path, under: str = "") -> None:
        """Read them; `under` is what the folder is called in messages, with its slash."""
        self._file, self._config_file = under + FILE, under + CONFIG
        self.path = folder / FILE
        self._json = read_json(self.path)
        self._config = read_json_if_any(folder / CONFIG)
        model = self._json.get("model")
        self._model: dict[str, Any] = model if isinstance(model, dict) else {}

    @property
    def kind(self) -> str:
        """The model's algorithm: "BPE", "Unigram", "WordPiece"; or "" where it is not said."""
        return str(self._model.get("type") or "")

    @property
    def named(self) -> str:
        """The class that tokenizer_config.json names, without "Fast"; or ""."""
        return str(self._config.get("tokenizer_class") or "").removesuffix("Fast")

    def said(self, field: str, default: Any = None) -> Any:
        """A field of tokenizer_config.json."""
        return self._config.get(field, default)

    def max_length(self) -> int | None:
        """`model_max_length`, where it is a real limit."""
        value = self._config.get("model_max_length")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if isinstance(value, int) and value < 1:
            raise wrong(
                self._config_file, "model_max_length", f"{value!r} is not a number of tokens"
            )
        return int(value) if 1 <= value <= MAX_LENGTH else None

    def check_right_padding(self) -> None:
        """Raises ModelError where the folder pads on the left: no known CLIP was trained so."""
        if self._config.get("padding_side", "right") != "right":
            why = (
                f"{self._config['padding_side']!r} is not supported: image models pad on the right"
            )
            raise wrong(self._config_file, "padding_side", why)

    def pad_id(self, default: str) -> int:
        """The padding token's id; `default` is its name where neither file says it."""
        token = _content(self._config.get("pad_token"))
        padding = self._json.get("padding")
        if token is None and isinstance(padding, dict) and "pad_id" in padding:
            return token_id(self._file, "padding.pad_id", padding["pad_id"])
        name = default if token is None else token
        known = self.id_of(name)
        if known is None:
            raise wrong(self._file, "added_tokens", f"do not hold the padding token {name!r}")
        return known

    def id_of(self, token: Any) -> int | None:
        """The id of a token by its exact text, or None."""
        added_tokens = self._json.get("added_tokens")
        for added in added_tokens if isinstance(added_tokens, list) else []:
            if isinstance(added, dict) and added.get("content") == token:
                return token_id(self._file, "added_tokens", added.get("id"))
        vocabulary = self._model.get("vocab")
        if isinstance(vocabulary, dict) and isinstance(token, str) and token in vocabulary:
            return token_id(self._file, "model.vocab", vocabulary[token])
        for number, entry in enumerate(vocabulary if isinstance(vocabulary, list) else []):
            if isinstance(entry, list) and entry and entry[0] == token:
                return number
        return None

    def framing(self) -> tuple[list[str], list[str]]:
        """The special tokens that the post-processor puts before and after a text."""
        before: list[str] = []
        after: list[str] = []
        for step in _steps(self._json.get("post_processor")):
            if step.get("type") in ("RobertaProcessing", "BertProcessing"):
                before[:0], after[len(after) :] = [_first(step, "cls")], [_first(step, "sep")]
            elif step.get("type") == "TemplateProcessing":
                start, end = _template(step.get("single"))
                before[:0], after[len(after) :] = start, end
        return before, after

    def check_frame(self, *, padded: bool) -> None:
        """Raises ModelError where texts do not get the end token that they should.

        A tower that sees its padding is read at a fixed place, so there the files alone say
        whether there is one; they must agree, since Gemma's class in transformers goes by
        tokenizer_config.json and everybody else by tokenizer.json. All others are read at it.
        """
        before, after = self.framing()
        for flag, token, found in (
            ("add_bos_token", "bos_token", before),
            ("add_eos_token", "eos_token", after),
        ):
            said, name = self._config.get(flag), _content(self._config.get(token))
            if padded and isinstance(said, bool) and name and said != (name in found):
                why = (
                    f"is {str(said).lower()}, but tokenizer.json's post_processor has it otherwise"
                )
                raise wrong(self._config_file, flag, why)
        if not padded and not after:
            why = "puts no end token after a text, as the model needs"
            raise wrong(self._file, "post_processor", why)

    def check_language(self, code: str) -> None:
        """Raises ModelError where `code` is no language of this tokenizer."""
        before, after = self.framing()
        if not any(LANGUAGE.fullmatch(token) for token in before + after):
            why = "is set, but tokenizer.json puts no language token to a text (only NLLB's does)"
            raise wrong("search_config.json", "language", why)
        if self.id_of(code) is None:
            why = f"{code!r} is not in tokenizer.json; codes are FLORES-200's, such as 'fra_Latn'"
            raise wrong("search_config.json", "language", why)


def _content(token: Any) -> Any:
    """A token is written as its text or as an object that holds it."""
    return token.get("content") if isinstance(token, dict) else token


def _steps(value: Any) -> list[dict[str, Any]]:
    """The post-processors, those within a Sequence each for itself."""
    if not isinstance(value, dict):
        return []
    if value.get("type") != "Sequence":
        return [value]
    inner = value.get("processors")
    return [step for step in inner if isinstance(step, dict)] if isinstance(inner, list) else []


def _first(step: dict[str, Any], field: str) -> str:
    pair = step.get(field)
    return str(pair[0]) if isinstance(pair, list) and pair else ""


def _template(pieces: Any) -> tuple[list[str], list[str]]:
    """Special tokens before and after the text in a template's pieces."""
    before: list[str] = []
    after: list[str] = []
    into = before
    for piece in pieces if isinstance(pieces, list) else []:
        if not isinstance(piece, dict):
            continue
        if "Sequence" in piece:
            into = after
        special = piece.get("SpecialToken")
        if isinstance(special, dict):
            into.append(str(special.get("id")))
    return before, after
