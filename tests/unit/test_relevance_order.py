"""Rules of order that hold for any candidates."""

from __future__ import annotations

import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.relevance import (
    Candidate,
    Cut,
    Found,
    confidence,
    decide,
    floor_of,
    score_of,
    threshold_of,
)

MEANINGS = st.floats(-1.5, 2.5).map(lambda value: round(value, 3))


@st.composite
def founds(draw: st.DrawFn) -> Found | None:
    if draw(st.booleans()):
        return None
    every = draw(st.booleans())
    share = draw(st.floats(0, 1))
    return Found({"name": ("a",)}, share, every, draw(st.booleans()) and every)


@st.composite
def sets(draw: st.DrawFn) -> list[Candidate]:
    count = draw(st.integers(0, 30))
    return [Candidate(f"{number:03}", draw(MEANINGS), draw(founds())) for number in range(count)]


settled = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Nothing here is slow, but a busy machine may be."""

RANKED = st.integers(1, 40)
THRESHOLDS = st.floats(0.1, 1.8)


@settled
@given(sets(), THRESHOLDS, RANKED, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_in_which_candidates_come_does_not_matter(
    candidates: list[Candidate], threshold: float, ranked: int, closest: bool, chance: object
) -> None:
    cut = Cut(threshold, closest)
    shuffled = list(candidates)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(shuffled, cut, ranked) == decide(candidates, cut, ranked)


@settled
@given(sets(), THRESHOLDS, RANKED)
def test_scores_fall_and_equal_ones_go_by_id(
    candidates: list[Candidate], threshold: float, ranked: int
) -> None:
    for cut in (None, Cut(threshold)):
        kept = decide(candidates, cut, ranked).kept
        places = [(-one.score, one.id) for one in kept]
        assert places == sorted(places)
        assert all(one.score == score_of(one.meaning, one.found) for one in kept)


@settled
@given(sets(), THRESHOLDS, RANKED)
def test_the_closest_begin_with_what_is_kept_and_lack_nothing(
    candidates: list[Candidate], threshold: float, ranked: int
) -> None:
    cut = decide(candidates, Cut(threshold), ranked)
    closest = decide(candidates, Cut(threshold, closest=True), ranked)
    assert closest.kept[: len(cut.kept)] == cut.kept
    assert not any(one.within for one in closest.kept[len(cut.kept) :])
    assert len(closest.kept) == min(ranked, len(candidates)) == len(cut.kept) + cut.rest
    assert closest.matched == cut.matched == bool(cut.kept)


@settled
@given(sets(), THRESHOLDS)
def test_no_image_with_every_word_is_cut_off(candidates: list[Candidate], threshold: float) -> None:
    kept = {one.id for one in decide(candidates, Cut(threshold), len(candidates)).kept}
    worded = {one.id for one in candidates if one.found is not None and one.found.every}
    assert worded <= kept


@settled
@given(sets(), THRESHOLDS)
def test_the_very_name_comes_before_all_others(
    candidates: list[Candidate], threshold: float
) -> None:
    for cut in (None, Cut(threshold), Cut(threshold, closest=True)):
        kept = decide(candidates, cut, len(candidates)).kept
        exact = [one.found is not None and one.found.exact_name for one in kept]
        assert exact == sorted(exact, reverse=True)


@settled
@given(sets(), THRESHOLDS, st.floats(0, 0.5))
def test_a_higher_threshold_never_keeps_more(
    candidates: list[Candidate], threshold: float, more: float
) -> None:
    low = {one.id for one in decide(candidates, Cut(threshold), 100).kept}
    high = {one.id for one in decide(candidates, Cut(threshold + more), 100).kept}
    assert high <= low


@settled
@given(sets(), THRESHOLDS)
def test_of_two_with_the_same_words_the_one_that_means_more_is_kept_first(
    candidates: list[Candidate], threshold: float
) -> None:
    bare = [one for one in candidates if one.found is None]
    kept = decide(bare, Cut(threshold), 100).kept
    left = {one.id for one in bare} - {one.id for one in kept}
    least = min((one.meaning for one in kept), default=math.inf)
    assert all(one.meaning < least for one in bare if one.id in left)


@settled
@given(MEANINGS, MEANINGS, THRESHOLDS, founds())
def test_who_means_more_is_not_less_sure(
    one: float, other: float, threshold: float, found: Found | None
) -> None:
    low, high = sorted((one, other))
    assert confidence(low, threshold, found) <= confidence(high, threshold, found)
    assert confidence(low, threshold) <= confidence(low, threshold, found)


@settled
@given(THRESHOLDS, THRESHOLDS, st.floats(0, 1), st.floats(0.05, 1))
def test_a_mix_is_never_let_in_more_easily_than_its_easiest_part(
    texts: float, images: float, share: float, length: float
) -> None:
    least = min(texts, images)
    assert threshold_of(texts, images, share, length) >= least * (1 - 1e-9)


@settled
@given(THRESHOLDS, MEANINGS)
def test_the_best_is_kept_where_anything_matches(threshold: float, best: float) -> None:
    floor = floor_of(threshold, best)
    assert (floor <= best) == (best >= threshold)
