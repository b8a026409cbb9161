"""CLIP's own tokenizer, all 49,408 tokens of it, gives the ids that transformers' gives.

The tokenizer.json is made at test time from the merges in the open_clip wheel, which the starter
model downloads too, and is the very file that transformers writes. The reference of published
folders is transformers' CLIPTokenizerFast. open_clip's SimpleTokenizer gives other ids for some
texts, mostly because it first mends them (ftfy, HTML entities); such folders' tokenizer.json says
otherwise, and Immich follows it too.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.clip.spec import TextSpec
from chalicelib.clip.tokens import Tokens
from models.cache import cache_folder
from models.clip_bpe import read_merges, tokenizer_json
from models.wheels import get_wheels, read_from_wheel
from tests.golden.texts import thousand

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("clip_bpe")]

GOLDEN = Path(__file__).parents[1] / "golden" / "clip_tokens.json.gz"
START, END = 49406, 49407


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    return recorded


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The tokenizer.json, as `json.loads` would give it."""
    wheel = get_wheels(cache_folder() / "wheels")["open-clip-torch"]
    return tokenizer_json(
        read_merges(read_from_wheel(wheel, "open_clip/bpe_simple_vocab_16e6.txt.gz"))
    )


@pytest.fixture(scope="module")
def tokens(made: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    path = tmp_path_factory.mktemp("clip") / "tokenizer.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    return Tokens(TextSpec(path, max_tokens=77, pad_id=END))


@pytest.fixture(scope="module")
def ids(tokens: Tokens) -> list[list[int]]:
    return tokens.of(thousand())


def test_the_texts_are_those_whose_ids_were_recorded(golden: dict[str, Any]) -> None:
    texts = thousand()
    assert len(set(texts)) == 1000
    assert hashlib.sha256(json.dumps(texts).encode()).hexdigest() == golden["texts_sha256"]


def test_the_tokenizer_is_the_file_that_transformers_writes(
    made: dict[str, Any], golden: dict[str, Any]
) -> None:
    assert len(made["model"]["vocab"]) == 49408
    assert digest(made) == golden["tokenizer_sha256"]


def test_a_thousand_texts_get_the_ids_that_transformers_gives(
    ids: list[list[int]], golden: dict[str, Any]
) -> None:
    pairs = zip(thousand(), ids, golden["ids"], strict=True)
    assert [(text, got, wanted) for text, got, wanted in pairs if got != wanted] == []


def test_the_texts_reach_every_length_from_empty_to_cut(ids: list[list[int]]) -> None:
    assert ids[thousand().index("")] == [START, END]
    assert {len(row) for row in ids} >= set(range(2, 78))
    assert max(map(len, ids)) == 77


def test_a_cut_text_keeps_its_end_token(ids: list[list[int]]) -> None:
    cut = [row for row in ids if len(row) == 77]
    assert len(cut) > 100
    assert {row[-1] for row in cut} == {END}


def test_open_clip_differs_only_where_this_says_why(golden: dict[str, Any]) -> None:
    texts = thousand()
    mended = {int(n) for n in golden["mended_by_ftfy"]}
    others = [texts[int(n)] for n in golden["open_clip"] if int(n) not in mended]
    marks = {"<|startoftext|>", "<|endoftext|>", "<start_of_text>", "<end_of_text>"}
    spelt = [t for t in others if any(mark in t for mark in marks)]
    # Python's lower() knows the sigma at a word's end, tokenizers makes each letter small alone.
    sigma = [t for t in others if "Σ" in t]
    # A letter only since a later Unicode than the one the tokenizers library knows.
    newer = [t for t in others if "\u208f" in t]
    assert (len(golden["open_clip"]), len(mended)) == (207, 197)
    assert (len(spelt), len(sigma), len(newer)) == (5, 1, 4)
    assert len(others) == 10
