"""Texts → token ids, as the model was trained on them.

tokenizers is imported here and nowhere else in the product.
"""

from __future__ import annotations

import string
import threading
from typing import Any

from chalicelib.clip.session import short
from chalicelib.clip.spec import TextSpec
from chalicelib.errors import ModelError

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def clean(text: str, spec: TextSpec) -> str:
    """What the tokenizer is given: see `TextSpec.cleaning` and `TextSpec.language_prefix`."""
    if spec.cleaning != "none":
        text = " ".join(text.split())
    if spec.cleaning == "canonicalise":
        text = " ".join(text.translate(_NO_PUNCTUATION).lower().split())
    elif spec.cleaning == "lower":
        text = text.lower()
    return spec.language_prefix + text


class Tokens:
    """The tokenizer of one folder, loaded once, at its first use; safe to call from threads."""

    def __init__(self, spec: TextSpec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._tokenizer: Any = None

    def load(self) -> Any:
        """The tokenizer. Raises ModelError where it does not load."""
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = _open(self._spec)
            return self._tokenizer

    def of(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, special tokens with them, at most `max_tokens` long.

        A longer text loses words from its end, never its end token.
        """
        tokenizer = self.load()
        # One by one: encode_batch starts a thread pool, which a later fork would break.
        return [list(tokenizer.encode(clean(text, self._spec)).ids) for text in texts]


def _open(spec: TextSpec) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(spec.tokenizer))
        tokenizer.enable_truncation(spec.max_tokens)
        tokenizer.no_padding()
    except Exception as error:  # tokenizers raises plain Exception
        raise ModelError(f"{spec.tokenizer.name} does not load ({short(error)})") from error
    return tokenizer
