"""What belongs in an answer: words, thresholds, what is kept, how sure an answer is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chalicelib.relevance import (
    EXACT_NAME,
    KEPT_SHARE,
    MARGIN,
    NULL_PERCENTILE,
    WEIGHTS,
    WORDS_COUNT,
    Candidate,
    Cut,
    Decided,
    Field,
    Found,
    Wording,
    confidence,
    decide,
    floor_of,
    found_of,
    image_threshold,
    least_kept,
    score_of,
    threshold_above,
    threshold_of,
    weights_of,
)

EVERY = Found({"name": ("beach",)}, 1.0, True)
EXACT = Found({"name": ("beach",)}, 1.0, True, True)
HALF = Found({"name": ("beach",)}, 0.5)


def decided(*candidates: Candidate, threshold: float = 0.9, closest: bool = False) -> Decided:
    return decide(candidates, Cut(threshold, closest), 1000)


def ids(found: Decided) -> list[str]:
    return [one.id for one in found.kept]


# --- what is kept ---------------------------------------------------------------------------------


def test_nothing_matches_where_the_best_is_below_the_threshold() -> None:
    found = decided(Candidate("a", 0.89), Candidate("b", 0.5))
    assert (found.kept, found.matched, found.rest) == ([], False, 2)


def test_a_match_brings_those_that_are_nearly_as_good() -> None:
    found = decided(Candidate("a", 0.9), Candidate("b", 0.68), Candidate("c", 0.67))
    assert (ids(found), found.matched, found.rest) == (["a", "b"], True, 1)


def test_beside_a_very_good_match_the_middling_ones_are_not_kept() -> None:
    best = 1.4
    found = decided(Candidate("a", best), Candidate("b", KEPT_SHARE * best - 0.01))
    assert ids(found) == ["a"]


def test_without_a_cut_all_is_kept_and_nobody_knows_whether_it_matches() -> None:
    found = decide([Candidate("a", 0.1), Candidate("b", -0.2)], None, 1000)
    assert (ids(found), found.matched, found.rest) == (["a", "b"], None, 0)
    assert all(one.within for one in found.kept)


def test_an_image_that_has_every_word_is_kept_whatever_it_shows() -> None:
    found = decided(Candidate("a", 0.1, EVERY), Candidate("b", 0.5))
    assert (ids(found), found.matched, found.rest) == (["a"], True, 1)


def test_a_part_of_the_words_is_not_enough() -> None:
    assert decided(Candidate("a", 0.6, HALF)).kept == []


def test_the_closest_come_behind_what_is_within_and_say_that_they_are_not() -> None:
    found = decided(
        Candidate("a", 0.1, EVERY),
        Candidate("b", 0.85, Found({"name": ("old",)}, 0.9)),
        closest=True,
    )
    assert [(one.id, one.within) for one in found.kept] == [("a", True), ("b", False)]
    assert (found.matched, found.rest) == (True, 0)


def test_the_closest_of_a_search_that_nothing_matches_are_shown_as_such() -> None:
    found = decided(Candidate("a", 0.3), closest=True)
    assert ([one.within for one in found.kept], found.matched, found.rest) == ([False], False, 0)


def test_many_that_mean_a_little_do_not_displace_the_one_with_every_word() -> None:
    many = [Candidate(f"m{number:04}", 0.85) for number in range(30)]
    found = decide([*many, Candidate("a", 0.0, EVERY)], Cut(0.9), 10)
    assert (ids(found), found.rest) == (["a"], 9)


def test_the_very_name_comes_first_whatever_others_show() -> None:
    found = decided(Candidate("a", 2.5, EVERY), Candidate("b", -0.4, EXACT))
    assert ids(found) == ["b", "a"]
    assert found.kept[0].score == pytest.approx(EXACT_NAME - 0.4 + WORDS_COUNT)


def test_an_empty_library_matches_nothing() -> None:
    assert decided() == Decided([], False, 0)


def test_a_threshold_below_zero_keeps_at_least_the_best() -> None:
    assert ids(decided(Candidate("a", -0.2), Candidate("b", -0.5), threshold=-0.3)) == ["a"]


def test_an_endless_threshold_keeps_only_what_has_the_words() -> None:
    found = decided(Candidate("a", 3.0), Candidate("b", 0.0, EVERY), threshold=math.inf)
    assert ids(found) == ["b"]


def test_the_floor_never_lies_below_what_is_ever_kept() -> None:
    assert floor_of(0.8, 0.8) == pytest.approx(least_kept(0.8))
    assert floor_of(0.8, 0.79) == math.inf


# --- words ----------------------------------------------------------------------------------------


def places(**fields: str) -> dict[Field, frozenset[str]]:
    known: dict[Field, frozenset[str]] = {
        "name": frozenset(fields.get("name", "").split()),
        "collection": frozenset(fields.get("collection", "").split()),
        "camera": frozenset(fields.get("camera", "").split()),
        "text": frozenset(fields.get("text", "").split()),
    }
    return known


def test_rare_words_count_for_more() -> None:
    weights = weights_of(["the", "quokka"], {"the": 900, "quokka": 1}, 1000)
    assert weights["quokka"] > 5 * weights["the"] > 0
    assert weights_of(["new"], {}, 1000)["new"] == pytest.approx(math.log(1001))


def test_words_in_the_picture_count_for_less_than_words_in_the_name() -> None:
    wording = Wording(words=("invoice",))
    weights = {"invoice": 2.0}
    by_name = found_of(wording, places(name="invoice"), weights)
    by_text = found_of(wording, places(text="invoice"), weights)
    assert by_name is not None
    assert by_text is not None
    assert (by_name.share, by_text.share) == (1.0, WEIGHTS["text"])
    assert by_name.every
    assert by_text.every


def test_a_word_counts_once_by_the_field_that_counts_most() -> None:
    found = found_of(Wording(words=("a", "b")), places(name="a", text="a b"), {"a": 3.0, "b": 1.0})
    assert found is not None
    assert found.words == {"name": ("a",), "text": ("a", "b")}
    assert found.share == pytest.approx((3 + 0.7) / 4)
    assert found.every


def test_an_image_without_any_of_the_words_has_nothing_found() -> None:
    assert found_of(Wording(words=("a",)), places(name="b"), {"a": 1.0}) is None


def test_the_words_of_a_phrase_count_like_others() -> None:
    wording = Wording(words=("red",), phrases=(("old", "car"),))
    found = found_of(wording, places(text="old car"), {"red": 1.0, "old": 1.0, "car": 1.0})
    assert found is not None
    assert found.share == pytest.approx(2 * 0.7 / 3)
    assert not found.every


def test_scores_are_rounded_to_six_decimals_and_never_minus_zero() -> None:
    assert score_of(0.12345678, None) == 0.123457
    assert math.copysign(1, score_of(-1e-9, None)) == 1
    assert math.copysign(1, decide([Candidate("a", -1e-9)], None, 1).kept[0].score) == 1


# --- thresholds -----------------------------------------------------------------------------------


def test_the_threshold_lies_above_what_nearly_all_meaningless_queries_find() -> None:
    bests = np.random.default_rng(0).normal(0.5, 0.1, 250)
    expected = float(np.percentile(bests, NULL_PERCENTILE)) + MARGIN
    assert threshold_above(bests.tolist()) == pytest.approx(expected)
    assert threshold_above([0.4]) == pytest.approx(0.4 + MARGIN)


def test_a_library_in_which_nothing_is_found_has_no_threshold() -> None:
    assert threshold_above([]) == math.inf
    assert threshold_above([-math.inf, -math.inf]) == math.inf


def test_a_mixed_query_has_a_threshold_between_those_of_its_parts() -> None:
    assert threshold_of(0.8, 1.2, 0.0) == 0.8
    assert threshold_of(0.8, 1.2, 1.0) == pytest.approx(1.2)
    assert threshold_of(0.8, 1.2, 0.25) == pytest.approx(0.9)


def test_pictures_that_have_little_in_common_must_be_met_better() -> None:
    alone, mixed, texts = (
        threshold_of(0.9, 0.9, 1.0, 1.0),
        threshold_of(0.9, 0.9, 1.0, 0.7),
        threshold_of(0.9, 0.9, 0.0, 0.7),
    )
    assert mixed > alone == texts
    assert image_threshold(0.6) == pytest.approx(0.96)


# --- how sure an answer is ------------------------------------------------------------------------


def test_a_picture_at_the_threshold_is_a_guess_and_one_far_above_it_is_certain() -> None:
    assert 0.3 < confidence(0.9, 0.9) < 0.5
    assert confidence(1.5, 0.9) > 0.95
    assert confidence(0.4, 0.9) < 0.05


def test_the_very_name_is_certain_and_every_word_nearly_so() -> None:
    assert confidence(-1.0, 0.9, EXACT) == 1.0
    assert 0.9 <= confidence(0.1, 0.9, EVERY) < confidence(1.2, 0.9, EVERY) < 1.0
    assert confidence(0.5, 0.9, HALF) == confidence(0.5, 0.9)


def test_it_stays_between_nothing_and_certainty_for_any_numbers() -> None:
    for meaning in (-1e9, 0.0, 1e9):
        for threshold in (-5.0, 0.0, 0.9, math.inf):
            assert 0.0 <= confidence(meaning, threshold) <= 1.0
