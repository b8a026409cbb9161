"""CLIP's tokenizer.json from its list of merges, byte for byte as transformers writes it.

The vocabulary (Radford et al. 2021; github.com/openai/CLIP, simple_tokenizer.py): the 256 bytes,
those bytes at the end of a word, one token for each merge, and the two marks of start and end.
"""

from __future__ import annotations

import gzip
from typing import Any

MERGES = 49152 - 256 - 2
"""How many of the list's lines CLIP uses: its vocabulary is 49,408 with bytes and marks."""

START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def read_merges(packed: bytes) -> list[tuple[str, str]]:
    """The merges of `bpe_simple_vocab_16e6.txt.gz` that CLIP uses, in their order."""
    lines = gzip.decompress(packed).decode("utf-8").split("\n")[1 : MERGES + 1]
    return [(left, right) for left, _, right in (line.partition(" ") for line in lines)]


def byte_letters() -> list[str]:
    """The letter that stands for each byte in a vocabulary, in CLIP's order.

    Printable bytes stand for themselves; the others get the letters from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = len(set(range(256)) - set(printable))
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(others)]


def vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    """Token → id: CLIP's 49,408, or fewer of fewer merges."""
    letters = byte_letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += [left + right for left, right in merges]
    return {token: n for n, token in enumerate([*tokens, START, END])}


def tokenizer_json(merges: list[tuple[str, str]]) -> dict[str, Any]:
    """What `json.dumps` makes a tokenizer.json of."""
    ids = vocabulary(merges)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_mark(ids[START], START), _mark(ids[END], END)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Lowercase"},
            ],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": WORDS},
                    "behavior": "Removed",
                    "invert": True,
                },
                {**_byte_level(), "add_prefix_space": False},
            ],
        },
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [END, ids[END]],
            "cls": [START, ids[START]],
            "trim_offsets": False,
            "add_prefix_space": False,
        },
        "decoder": _byte_level(),
        "model": _model(ids, merges),
    }


def _model(ids: dict[str, int], merges: list[tuple[str, str]]) -> dict[str, Any]:
    flags = dict.fromkeys(("fuse_unk", "byte_fallback", "ignore_merges"), False)
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": END,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "</w>",
        **flags,
        "vocab": ids,
        "merges": [list(merge) for merge in merges],
    }


def _mark(number: int, content: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": content, **flags, "special": True}


def _byte_level() -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
