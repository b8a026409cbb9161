"""Why an image is in an answer: its meaning, and its words as they stand there."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import words
from chalicelib.reasons import SNIPPET, Reason, marks, reasons
from chalicelib.records import Hit
from chalicelib.relevance import FIELDS, Field, Found, least_kept
from tests.unit.test_search import record

LONG = " ".join(f"word{n}" for n in range(400))


def hit(meaning: float = 1.0, found: Found | None = None, **fields: Any) -> Hit:
    return Hit(record(1, **fields), meaning, meaning=meaning, found=found)


def found(exact_name: bool = False, every: bool = False, **words: tuple[str, ...]) -> Found:
    by_field: dict[Field, tuple[str, ...]] = {f: words[f] for f in FIELDS if f in words}
    return Found(by_field, share=0.5, every=every, exact_name=exact_name)


def why(hit: Hit, threshold: float | None) -> list[Reason]:
    return reasons(hit, threshold).why


def shown_text(hit: Hit) -> str:
    return reasons(hit, 0.9).text


def certainty(hit: Hit, threshold: float | None) -> float | None:
    return reasons(hit, threshold).confidence


def test_what_is_found_without_words_is_found_by_its_meaning() -> None:
    assert why(hit(), 0.9) == ["meaning"]
    assert why(hit(0.1), 0.9) == ["meaning"], "the closest that there is"


def test_what_is_found_by_words_says_where_they_stand() -> None:
    said = found(text=("invoice",), name=("beach",))
    both = hit(1.0, said, name="Beach.png", text="An invoice")
    assert why(both, 0.9) == ["meaning", "name", "text"]
    words_only = hit(least_kept(0.9) - 0.01, said, name="Beach.png", text="An invoice")
    assert why(words_only, 0.9) == ["name", "text"]


def test_without_a_calibration_meaning_always_counts() -> None:
    said = hit(0.2, found(name=("beach",)), name="Beach.png")
    assert why(said, None) == ["meaning", "name"]
    assert certainty(said, None) is None


def test_words_are_given_as_they_stand_each_once() -> None:
    said = found(name=("beach", "1234"), camera=("canon",), text=("cafe", "rechnung"))
    shown = hit(
        1.0,
        said,
        name="IMG_1234_MyBeach BEACH.jpg",
        camera="Canon EOS 80D",
        text="Café »RECHNUNG« Rechnung café Café",
    )
    assert reasons(shown, 0.9).words == {
        "name": ["1234", "Beach", "BEACH"],
        "camera": ["Canon"],
        "text": ["Café", "RECHNUNG", "Rechnung", "café"],
    }


def test_the_very_name_is_marked_also_where_its_words_do_not_count() -> None:
    shown = hit(0.0, found(exact_name=True), name="The Of.png")
    assert reasons(shown, 0.9).words == {"name": ["The Of.png"]}
    assert why(shown, 0.9) == ["name"]


def test_certainty_grows_with_meaning_and_with_words_that_all_match() -> None:
    said = [certainty(hit(meaning), 0.9) for meaning in (-1.0, 0.5, 0.9, 1.2, 5.0)]
    assert said == sorted(said, key=lambda number: number or 0)
    assert all(number is not None and 0 <= number <= 1 for number in said)
    assert (certainty(hit(0.1, found(every=True, name=("png",))), 0.9) or 0) >= 0.9
    assert certainty(hit(0.1, found(exact_name=True, name=("png",))), 0.9) == 1
    assert certainty(hit(0.1, found(name=("png",))), 0.9) == certainty(hit(0.1), 0.9)


def test_a_short_text_is_shown_whole_on_one_line() -> None:
    assert shown_text(hit(text="")) == ""
    assert shown_text(hit(text="Total\n  12.50 €")) == "Total 12.50 €"


def test_a_long_text_is_shown_from_its_start_where_no_word_was_found() -> None:
    shown = shown_text(hit(text=LONG))
    assert shown.startswith("word0 word1 ")
    assert shown.endswith("…")
    assert LONG.startswith(shown[:-1])


def test_a_long_text_is_shown_around_the_first_word_found() -> None:
    said = found(text=("needle",))
    shown = shown_text(hit(1.0, said, text=f"{LONG} Needle {LONG} needle"))
    assert "Needle" in shown
    assert shown[0] == shown[-1] == "…"
    assert 20 < shown.index("Needle") <= 62
    assert shown[1:-1] in f"{LONG} Needle {LONG} needle", "cut between words"
    assert shown[1:].startswith("word")


def test_a_long_text_is_shown_where_most_of_the_words_stand_together() -> None:
    said = found(text=("total", "12", "50"))
    shown = shown_text(hit(1.0, said, text=f"{LONG} total {LONG} Total 12,50 {LONG}"))
    assert "Total 12,50" in shown


def test_the_end_of_a_text_is_shown_as_an_end() -> None:
    shown = shown_text(hit(1.0, found(text=("needle",)), text=f"{LONG} needle."))
    assert shown.startswith("…")
    assert shown.endswith(" needle.")


def test_a_text_without_gaps_is_cut_anywhere() -> None:
    said = found(text=("needle",))
    shown = shown_text(hit(1.0, said, text=f"{'海' * 500}needle{'滩' * 500}"))
    assert len(shown) <= SNIPPET
    assert "needle" in shown


@given(
    st.lists(st.sampled_from(["a", "needle", "\n", "海滩", "x" * 90, "é", "-"]), max_size=60),
    st.booleans(),
)
def test_any_snippet_is_short_and_holds_the_first_word_found(
    parts: list[str], together: bool
) -> None:
    text = ("" if together else " ").join(parts)
    shown = shown_text(hit(1.0, found(text=("needle",)), text=text))
    assert len(shown) <= SNIPPET
    assert "\n" not in shown
    if not together and "needle" in parts:
        assert "needle" in shown


PIECES = (
    *("Beach", "IMG_1234", "beach", "Strand-", "Größe", "ø", "é", "e\u0301", "海滩", "12", "\n"),
    *("\u0301x", "ﬁne", "x" * 70, "ARE", "\u2028", "ﾊﾞ", "SS", "ß", "\x1f"),
)
ASKED = (("beach", "12"), ("grosse", "e", "海"), ("fine", "ss"), ("img", "1234", "x" * 64))


@given(
    st.lists(st.sampled_from(PIECES), max_size=12),
    st.sampled_from(ASKED),
    st.sampled_from(["", " ", "\u00a0", "\t"]),
)
def test_words_are_found_as_if_the_whole_text_were_taken_apart(
    parts: list[str], asked: tuple[str, ...], gap: str
) -> None:
    text = gap.join(parts)
    assert marks(text, asked) == words.marks(text, asked)
