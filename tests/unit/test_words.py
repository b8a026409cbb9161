"""What texts consist of, and what queries ask of words."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidRequest
from chalicelib.words import (
    BETWEEN,
    JOINT,
    LONGEST,
    MAX_PHRASE_WORDS,
    MAX_PHRASES,
    MAX_WORDS,
    indexed,
    marks,
    parse,
    stands_in,
    title_of,
    titles,
    tokens,
)

SCRIPTS = "aZé ßÆ_-.\"'3٣½海ｶﾞがกำहिन्दी한ก็İ🏖️\u200d\u0301\ufb01\U0001d538™"
TEXTS = st.text(max_size=40) | st.text(st.sampled_from(SCRIPTS), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IMG_1234Beach.jpg", "img 1234 beach jpg"),
        ("Él Niño, ŁÓDŹ & Straße", "el nino lodz strasse"),
        ("don't l'été", "don t l ete"),
        ("海滩 日落sunset2", "海 滩 日 落 sunset 2"),
        ("ｶﾞｷﾞ ガ", "ガ ギ ガ"),
        ("한국어", "한 국 어"),
        ("นำ", "น ำ"),
        ("हिन्दी", "हिन्दी"),
        ("ﬁrst ㎏ ½", "first kg 1 2"),
        ("٣٤ ３", "34 3"),
        ("Brand™ 🏖️🇯🇵", "brand 🏖 🇯 🇵"),
        ("İstanbul ISTANBUL ısı", "istanbul istanbul isi"),
        ("\ud800_a\x00b", "a b"),
        ("…", ""),
    ],
)
def test_texts_are_folded_and_split(text: str, expected: str) -> None:
    assert " ".join(tokens(text)) == expected


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("iPhone 15", "i phone 15"),
        ("WhatsApp HTMLParser", "whats app html parser"),
        ("ÉtéÀParis", "ete a paris"),
        ("ÆgirÆON", "aegir aeon"),
    ],
)
def test_what_is_written_as_one_is_indexed_whole_and_apart(text: str, apart: str) -> None:
    assert indexed(text) == " ".join([*tokens(text), BETWEEN, *apart.split()])


def test_what_has_no_change_of_case_is_indexed_once() -> None:
    assert indexed("Beach IMG 海 " + "a" * 200) == " ".join(tokens("beach img 海 " + "a" * 200))


def test_long_runs_are_several_tokens() -> None:
    assert [len(token) for token in tokens("a" * (2 * LONGEST + 1))] == [LONGEST, LONGEST, 1]


@given(TEXTS)
def test_tokens_stay_what_they_are(text: str) -> None:
    found = tokens(text)
    assert tokens(" ".join(found)) == found
    assert all(token and not token.isspace() for token in found)
    held = indexed(text).split(" ")
    assert [token for token in held if token] == indexed(text).split()
    assert found == [] or stands_in(found, held)


@given(TEXTS)
def test_tokens_hold_only_what_both_indexes_leave_alone(text: str) -> None:
    """FTS5's "ascii" tokenizer splits at ASCII punctuation, OpenSearch's "whitespace" at spaces."""
    for token in tokens(text):
        assert not any(c.isascii() and not (c.islower() or c.isdigit()) for c in token)
        assert len(token.split()) == 1
        assert BETWEEN not in token
        assert JOINT not in token
        token.encode()


@given(TEXTS)
def test_composed_and_decomposed_texts_are_the_same(text: str) -> None:
    assert tokens(unicodedata.normalize("NFC", text)) == tokens(unicodedata.normalize("NFD", text))


@given(TEXTS)
def test_marks_are_where_the_words_are(text: str) -> None:
    words = set(indexed(text).split()) - {BETWEEN}
    found = marks(text, words)
    assert found == sorted(found)
    assert all(0 <= start < end <= len(text) for start, end in found)
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    assert bool(found) == bool(words)
    for start, end in found:
        assert set(tokens(text[start:end])) & words
    assert marks(text, set()) == []


def test_marks_are_of_the_text_as_it_is_written() -> None:
    assert marks("iPhone15_Beach.jpg", {"iphone", "beach"}) == [(0, 6), (9, 14)]
    assert marks("Cafe\u0301, CAFÉ!", {"cafe"}) == [(0, 5), (7, 11)]
    assert marks("iPhone", {"i", "phone"}) == [(0, 1), (1, 6)]


def test_a_file_is_called_by_its_name_with_or_without_its_ending() -> None:
    for query in ("img_1234", "IMG 1234.JPG", '"IMG_1234.jpg"'):
        assert title_of(parse(query).wording.whole) in titles("IMG_1234.jpg")
    for query in ("1234", "img 1234 jpg 5", "the img 1234"):
        assert title_of(parse(query).wording.whole) not in titles("IMG_1234.jpg")
    assert title_of(parse("my beach").wording.whole) in titles("MyBeach.heic")
    assert title_of(parse("mybeach").wording.whole) in titles("MyBeach.heic")
    assert titles("Dr. No 1.25") == (f"dr{JOINT}no{JOINT}1{JOINT}25",)
    assert titles(".jpg") == ("jpg",)
    assert titles("…") == ()


@pytest.mark.parametrize(
    ("query", "words", "phrases", "without", "text"),
    [
        ("a red car", "red car", [], [], "a red car"),
        (
            'red "Vintage Car" -truck -"old town"',
            "red", ["vintage car"], ["truck", "old town"], "red Vintage Car",
        ),
        ("state-of-the-art - 5", "state art 5", [], [], "state-of-the-art - 5"),
        ('5" x 7" print', "5 x 7 print", [], [], '5" x 7" print'),
        ("“été” «a b» 海滩「日落」", "海 滩", ["ete", "a b", "日 落"], [], "été a b 海滩日落"),
        ('"an unclosed', "unclosed", [], [], '"an unclosed'),
        ("the of", "the of", [], [], "the of"),
        ('the "of"', "", ["of"], [], "the of"),
        ("-dog", "", [], ["dog"], ""),
        ("dog dog -IMG_1 dog", "dog", [], ["img 1"], "dog dog dog"),
        ('"..." -... …', "", [], [], '"..." -... …'),
        ('\u2212"x" -- y', "y", [], ["x"], "-- y"),
    ],
)  # fmt: skip
def test_queries_are_read(
    query: str, words: str, phrases: list[str], without: list[str], text: str
) -> None:
    wording, left, _ = parse(query)
    assert " ".join(wording.words) == words
    assert [" ".join(phrase) for phrase in wording.phrases] == phrases
    assert [" ".join(phrase) for phrase in wording.without] == without
    assert left == text
    assert list(wording.whole) == tokens(text)


@given(TEXTS)
def test_any_query_can_be_read(query: str) -> None:
    wording, text, _ = parse(query)
    said = tokens(query)
    for part in (wording.words, *wording.phrases, *wording.without):
        assert set(part) <= set(said)
    assert wording.words or wording.phrases or not wording.whole
    assert text == text.strip()


def test_only_so_many_words_and_phrases_are_taken() -> None:
    assert len(parse(" ".join(f"w{'x' * n}" for n in range(100))).wording.words) == MAX_WORDS
    many = [f'"p{"x" * n}"' for n in range(MAX_PHRASES + 1)]
    assert len(parse(" ".join(many[1:])).wording.phrases) == MAX_PHRASES
    with pytest.raises(InvalidRequest, match="at most 8 quoted phrases; this one has 9"):
        parse(" ".join(many))
    with pytest.raises(InvalidRequest, match="at most 8 exclusions"):
        parse(" ".join(f"-{phrase}" for phrase in many))
    long = " ".join("海" * MAX_PHRASE_WORDS)
    assert len(parse(f'"{long}"').wording.phrases[0]) == MAX_PHRASE_WORDS
    with pytest.raises(InvalidRequest, match="at most 64 words; these have 66"):
        parse(f'"{long}" "two more"')


def test_a_phrase_stands_where_its_tokens_follow_each_other() -> None:
    held = ["my", "beach", BETWEEN, "a", "b"]
    assert stands_in(("my", "beach"), held)
    assert stands_in(("b",), held)
    assert not stands_in(("beach", "a"), held)
    assert not stands_in(("b", "c"), held)
    assert not stands_in(("a",), [])
