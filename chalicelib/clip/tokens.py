"""Texts → token ids, as the model was trained on them.

tokenizers is imported here and nowhere else in the product.
"""

from __future__ import annotations

import string
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.clip.session import short
from chalicelib.clip.spec import TextSpec
from chalicelib.clip.tokenizerfile import LANGUAGE
from chalicelib.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def clean(text: str, spec: TextSpec) -> str:
    """What the tokenizer is given: see `TextSpec.cleaning`.

    Half a UTF-16 pair, which JSON may hold and no tokenizer takes, becomes U+FFFD.
    """
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if spec.cleaning == "none":
        return text
    if spec.cleaning == "canonicalise_words":
        text = text.replace("_", " ")
    if spec.cleaning.startswith("canonicalise"):
        text = text.translate(_NO_PUNCTUATION).lower()
    elif spec.cleaning == "lower":
        # Letter by letter, as tokenizers' Lowercase: `str.lower` alone writes a Greek word's last
        # sigma in its final form.
        text = "".join(letter.lower() for letter in text)
    return " ".join(text.split())


class Tokens:
    """The tokenizer of one folder, loaded once, at its first use; safe to call from threads."""

    def __init__(self, spec: TextSpec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._tokenizer: Any = None
        self._language: _Language | None = None

    def load(self) -> Any:
        """The tokenizer. Raises ModelError where it does not load."""
        with self._lock:
            if self._tokenizer is None:
                tokenizer = _open(self._spec)
                self._language = _find_language(tokenizer, self._spec)
                self._tokenizer = tokenizer
            return self._tokenizer

    def of(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, special tokens with them, at most `max_tokens` long.

        A longer text loses words from its end, never its end token.
        """
        tokenizer = self.load()
        # One by one: encode_batch starts a thread pool, which a later fork would break.
        rows = [list(tokenizer.encode(clean(text, self._spec)).ids) for text in texts]
        if self._language is not None:
            for row in rows:
                row[self._language.place] = self._language.id
        return rows


def padded(
    ids: list[list[int]], spec: TextSpec, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and their mask, int64 [N, length] each."""
    import numpy as np

    tokens = np.full((len(ids), length), spec.pad_id, np.int64)
    # What reads its padding was trained to attend to it.
    mask = np.full((len(ids), length), int(spec.padded), np.int64)
    for row, text in enumerate(ids):
        tokens[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return tokens, mask


def run_length(ids: list[list[int]], spec: TextSpec, fixed: int | None) -> int:
    """Tokens that `ids` are run at, in a graph of `fixed` length or of any."""
    return fixed or (spec.max_tokens if spec.padded else max(map(len, ids)))


def _open(spec: TextSpec) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(spec.tokenizer))
        tokenizer.enable_truncation(spec.max_tokens)
        tokenizer.no_padding()
        frame = tokenizer.num_special_tokens_to_add(is_pair=False)
    except Exception as error:  # tokenizers raises plain Exception
        raise ModelError(f"{spec.tokenizer.name} does not load ({short(error)})") from error
    if frame >= spec.max_tokens:
        raise ModelError(
            f"{spec.tokenizer.name}: its {frame} special tokens leave no room for a text in the "
            f"{spec.max_tokens} tokens that the model takes"
        )
    return tokenizer


class _Language(NamedTuple):
    place: int
    id: int


def _find_language(tokenizer: Any, spec: TextSpec) -> _Language | None:
    """Where `TextSpec.language_prefix` goes: the place of the language of tokenizer.json's own.

    So does NllbTokenizer.set_src_lang_special_tokens: the language token stands first, or in its
    older behaviour last; a text of no words shows which.
    """
    if not spec.language_prefix:
        return None
    code = tokenizer.token_to_id(spec.language_prefix)
    frame = tokenizer.encode("").tokens
    places = [place for place, token in enumerate(frame) if LANGUAGE.fullmatch(token)]
    if code is None or len(places) != 1 or places[0] not in (0, len(frame) - 1):
        raise ModelError(f"{spec.tokenizer.name}: has no place for {spec.language_prefix!r}")
    return _Language(0 if places[0] == 0 else -1, code)
