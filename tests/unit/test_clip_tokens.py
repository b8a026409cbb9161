"""What a tokenizer is given, and that what it gives fits the model."""

from __future__ import annotations

import string
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.clip.spec import Cleaning, TextSpec
from chalicelib.clip.tokens import Tokens, clean
from chalicelib.errors import ModelError
from tests.unit.tiny_families import nllb_tokenizer, siglip_tokenizer, write, xlmr_tokenizer

SPEC = TextSpec(Path("tokenizer.json"), 64, 0)
CLEANINGS = get_args(Cleaning)
ANY = st.text(st.characters() | st.sampled_from(" \t_.,ΣİA\u00a0"), max_size=60)
WELL_FORMED = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.fixture(scope="module")
def xlmr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    return write(folder, {"tokenizer.json": xlmr_tokenizer()}) / "tokenizer.json"


@pytest.mark.parametrize(
    ("cleaning", "wanted"),
    [
        ("none", " Snake_Case,\n  ΑΣ! "),
        ("whitespace", "Snake_Case, ΑΣ!"),
        ("lower", "snake_case, ασ!"),
        ("canonicalise", "snakecase ας"),
        ("canonicalise_words", "snake case ας"),
    ],
)
def test_a_text_is_cleaned_as_its_model_was_trained(cleaning: Cleaning, wanted: str) -> None:
    assert clean(" Snake_Case,\n  ΑΣ! ", replace(SPEC, cleaning=cleaning)) == wanted


@given(text=WELL_FORMED)
def test_without_cleaning_a_text_stays_as_it_is(text: str) -> None:
    assert clean(text, SPEC) == text


@given(text=ANY, cleaning=st.sampled_from(CLEANINGS))
def test_cleaning_twice_is_cleaning_once(text: str, cleaning: Cleaning) -> None:
    spec = replace(SPEC, cleaning=cleaning)
    once = clean(text, spec)
    assert clean(once, spec) == once
    once.encode("utf-8")


@given(text=ANY, cleaning=st.sampled_from(["canonicalise", "canonicalise_words"]))
def test_a_canonical_text_has_no_punctuation_and_single_spaces(
    text: str, cleaning: Cleaning
) -> None:
    got = clean(text, replace(SPEC, cleaning=cleaning))
    assert not set(got) & set(string.punctuation)
    assert got == " ".join(got.split())


@settings(deadline=None)
@given(words=st.lists(st.sampled_from(["red", "cat", "😀", "x" * 30]), max_size=90))
def test_a_text_is_cut_at_its_end_and_framed_still(xlmr: Path, words: list[str]) -> None:
    whole = Tokens(replace(SPEC, tokenizer=xlmr, max_tokens=60_000)).of([" ".join(words)])[0]
    for most in (3, 16, 64):
        cut = Tokens(replace(SPEC, tokenizer=xlmr, max_tokens=most)).of([" ".join(words)])[0]
        kept = whole[:-1][: most - 1]
        assert cut == [*kept, 2]


@given(text=ANY)
@settings(deadline=None)
def test_any_text_becomes_tokens(xlmr: Path, text: str) -> None:
    ids = Tokens(replace(SPEC, tokenizer=xlmr)).of([text])[0]
    assert ids[0] == 0
    assert ids[-1] == 2
    assert len(ids) <= 64


@pytest.mark.parametrize("most", [1, 2])
def test_a_limit_that_leaves_no_room_for_a_text_is_refused(xlmr: Path, most: int) -> None:
    with pytest.raises(ModelError) as refused:
        Tokens(replace(SPEC, tokenizer=xlmr, max_tokens=most)).of(["red"])
    assert refused.value.message == (
        "tokenizer.json: its 2 special tokens leave no room for a text in the "
        f"{most} tokens that the model takes"
    )


@pytest.mark.parametrize(
    ("tokenizer", "code"),
    [(nllb_tokenizer(), "deu_Latn"), (siglip_tokenizer(), "fra_Latn")],
    ids=["a language it does not have", "a tokenizer of no languages"],
)
def test_a_language_without_a_place_is_refused(
    tmp_path: Path, tokenizer: object, code: str
) -> None:
    path = write(tmp_path, {"tokenizer.json": tokenizer}) / "tokenizer.json"
    with pytest.raises(ModelError, match=f"has no place for '{code}'"):
        Tokens(replace(SPEC, tokenizer=path, language_prefix=code)).of(["red"])
