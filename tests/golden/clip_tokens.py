"""Records what the references make of 1,000 strings with CLIP's own vocabulary."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import open_clip
from open_clip.tokenizer import basic_clean
from tokenizers import Regex, Tokenizer, pre_tokenizers
from transformers import CLIPTokenizerFast

from models.clip_bpe import read_merges, vocabulary
from tests.golden.texts import thousand

PUBLISHED_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""What the tokenizer.json files published before transformers 5 split words by."""


def record(to: Path) -> dict[str, Any]:
    """Write the ids and the digest of transformers' tokenizer.json; return what to print."""
    packed = (Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = read_merges(packed)
    reference = CLIPTokenizerFast(vocab=vocabulary(merges), merges=merges, model_max_length=77)
    texts = thousand()
    ids = [reference(text, truncation=True).input_ids for text in texts]
    older = _as_published(reference.backend_tokenizer.to_str())
    simple = open_clip.SimpleTokenizer()
    other = [_of_simple(simple, text) for text in texts]
    written = json.loads(reference.backend_tokenizer.to_str())
    written["truncation"] = written["padding"] = None
    canonical = json.dumps(written, sort_keys=True, ensure_ascii=True).encode()
    differs = [n for n in range(len(texts)) if other[n] != ids[n]]
    kept = {
        "texts_sha256": hashlib.sha256(json.dumps(texts).encode()).hexdigest(),
        "tokenizer_sha256": hashlib.sha256(canonical).hexdigest(),
        "ids": ids,
        "open_clip": {n: other[n] for n in differs},
        "mended_by_ftfy": [n for n in differs if basic_clean(texts[n]) != texts[n].strip()],
    }
    data = json.dumps(kept, separators=(",", ":")).encode()
    to.write_bytes(gzip.compress(data, 9, mtime=0))
    return {
        "older tokenizer.json differs": [
            t for t, i in zip(texts, ids, strict=True) if older(t) != i
        ],
        "open_clip differs": len(differs),
        "of these because ftfy or HTML unescaping changes the text": len(kept["mended_by_ftfy"]),
        "bytes": to.stat().st_size,
    }


def _as_published(written: str) -> Any:
    tokenizer = Tokenizer.from_str(written)
    split = pre_tokenizers.Split(Regex(PUBLISHED_WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.enable_truncation(77)
    return lambda text: tokenizer.encode(text).ids


def _of_simple(simple: open_clip.SimpleTokenizer, text: str) -> list[int]:
    """Up to and with the end mark; open_clip fills up with zeros."""
    row: list[int] = simple([text])[0].tolist()
    return row[: row.index(simple.encoder["<end_of_text>"]) + 1]
