"""Small tokenizers of each family, made from our own sentences."""

from __future__ import annotations

import io
import itertools
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import sentencepiece
import transformers as hf
from sentencepiece import sentencepiece_model_pb2
from tokenizers import pre_tokenizers

from tests.golden.texts import SENTENCES

RULES = {"ﬁ": "fi", "Ａ": "A", "　": " ", "…": "...", "½": "1/2"}
RULES |= {unicodedata.normalize("NFD", letter): letter for letter in "äöüÄÖÜãéêåÅńóñ"}
"""A few of the thousands of replacements in SentencePiece's nmt_nfkc, which alone takes 300 kB."""


def clip_merges(count: int = 150) -> list[tuple[str, str]]:
    """Merges of CLIP's kind: bytes, `</w>` at a word's end."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = [split.pre_tokenize_str(word)[0][0] for word in " ".join(SENTENCES).lower().split()]
    return _learnt([[*word[:-1], word[-1] + "</w>"] for word in words], count)


def gemma_vocabulary(count: int = 200) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Gemma's kind: marks first, then the 256 bytes, letters and merges; ▁ for a space.

    The last sentences' letters are left out, so that bytes stand for them.
    """
    words = [[*word, "▁"] for word in " ".join(SENTENCES[:25]).lower().split()]
    marks = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    marks += [f"<0x{byte:02X}>" for byte in range(256)]
    return _vocabulary(marks, words, count)


def nllb_vocabulary(count: int = 200) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """NLLB's kind: fairseq's four marks, then letters and merges with ▁ before a word."""
    words = [["▁", *word] for word in " ".join(SENTENCES).split()]
    return _vocabulary(["<s>", "<pad>", "</s>", "<unk>"], words, count)


def _vocabulary(
    marks: list[str], words: list[list[str]], count: int
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    merges = _learnt(words, count)
    letters = sorted({letter for word in words for letter in word})
    tokens = [*marks, *letters, *(left + right for left, right in merges)]
    return {token: n for n, token in enumerate(dict.fromkeys(tokens))}, merges


def _learnt(words: list[list[str]], count: int) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich et al. 2016): the most frequent pair is merged, again and again.

    Of pairs as frequent the first by name, so that it is always the same (tokenizers' own trainer
    takes any).
    """
    words = [list(word) for word in words]
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs = Counter(pair for word in words for pair in itertools.pairwise(word))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word in words:
            for at in range(len(word) - 1):
                if tuple(word[at : at + 2]) == best:
                    word[at : at + 2] = ["".join(best)]
    return merges


def siglip_model(path: Path, count: int = 300) -> Any:
    """transformers' SiglipTokenizer of a SentencePiece model with T5's marks: pad 0, end 1, unk 2.

    The model is written to `path`.
    """
    rules = path.with_suffix(".tsv")
    lines = (f"{_points(before)}\t{_points(after)}" for before, after in sorted(RULES.items()))
    rules.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = {"normalization_rule_tsv": str(rules)}
    path.write_bytes(_trained(count, pad_id=0, eos_id=1, unk_id=2, **options))
    return hf.SiglipTokenizer(str(path), model_max_length=64)


def letters(path: Path) -> bytes:
    """`RULES` in SentencePiece's compiled form."""
    proto = siglip_model(path).sp_model.serialized_model_proto()
    model = sentencepiece_model_pb2.ModelProto.FromString(proto)
    return bytes(model.normalizer_spec.precompiled_charsmap)


def unigram_pieces(count: int = 300) -> list[tuple[str, float]]:
    """Pieces with their scores, after XLM-R's four marks."""
    spm = sentencepiece.SentencePieceProcessor()
    spm.LoadFromSerializedProto(
        _trained(count, pad_id=-1, eos_id=2, unk_id=0, bos_id=1, normalization_rule_name="identity")
    )
    marks = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return marks + [(spm.IdToPiece(n), spm.GetScore(n)) for n in range(3, spm.GetPieceSize())]


def _trained(count: int, **options: Any) -> bytes:
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.lower() for text in SENTENCES),
        model_writer=out,
        model_type="unigram",
        vocab_size=count,
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
        **({"bos_id": -1} | options),
    )
    return out.getvalue()


def _points(text: str) -> str:
    return " ".join(f"{ord(letter):X}" for letter in text)
