"""What every index promises (chalicelib/index/base.py): to find images by their words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from index_helpers import (
    ANY,
    QUERY,
    bare,
    close_to,
    ids,
    name_of,
    put,
    ready,
    tombstone,
    toward,
    walk_on,
)

from chalicelib.index.base import Index
from chalicelib.index.narrowed import narrowed
from chalicelib.records import Filters, Hit
from chalicelib.relevance import EXACT_NAME, WORDS_COUNT, Found
from chalicelib.words import parse


def asked(index: Index, text: str, filters: Filters = ANY, **options: Any) -> list[Hit]:
    wording = parse(text).wording
    options = {"limit": 100, "ranked": 100} | options
    return index.search(QUERY, filters, wording=wording, **options).hits


def found_in(hits: list[Hit]) -> dict[str, Found | None]:
    return {hit.record.id: hit.found for hit in hits}


def weight(images: int, frequency: int) -> float:
    return math.log(1 + images / (1 + frequency))


def test_a_word_in_a_name_comes_before_what_looks_a_little_more_like_it(
    index: Index, tolerance: float
) -> None:
    put(index, ready(1, toward(0.5), name="x.jpg"), ready(2, toward(0.2), name="my beach.jpg"))
    hits = asked(index, "beach")
    assert ids(hits) == [name_of(2), name_of(1)]
    assert [hit.score for hit in hits] == close_to([0.2 + WORDS_COUNT, 0.5], tolerance)
    assert [hit.meaning for hit in hits] == close_to([0.2, 0.5], tolerance)
    assert [hit.within for hit in hits] == [True, True]
    assert hits[0].found == Found({"name": ("beach",)}, 1.0, True)
    assert hits[1].found is None


def test_without_words_nothing_is_found_in_them(index: Index) -> None:
    put(index, ready(1, toward(0.5), name="beach"))
    assert index.search(QUERY, ANY, limit=5, ranked=5).hits[0].found is None
    assert asked(index, "…")[0].found is None


def test_each_field_is_looked_at_and_the_text_in_a_picture_counts_less(index: Index) -> None:
    put(
        index,
        ready(1, name="dusk", collection="a", camera=""),
        ready(2, collection="Dusk & Dawn"),
        ready(3, camera="DUSK 3000"),
        ready(4, text="at\ndusk, dusk"),
        ready(5, text="dusk", name="Dusk.png"),
        ready(6, owner="dusk", key="dusk/dusk.jpg", name="no"),
    )
    found = found_in(asked(index, "dusk"))
    assert found[name_of(1)] == Found({"name": ("dusk",)}, 1.0, True, True)
    assert found[name_of(2)] == Found({"collection": ("dusk",)}, 1.0, True)
    assert found[name_of(3)] == Found({"camera": ("dusk",)}, 1.0, True)
    assert found[name_of(4)] == Found({"text": ("dusk",)}, 0.7, True)
    assert found[name_of(5)] == Found({"name": ("dusk",), "text": ("dusk",)}, 1.0, True, True)
    assert found[name_of(6)] is None


def test_rare_words_count_for_more(index: Index, tolerance: float) -> None:
    put(
        index,
        ready(1, toward(0), name="red boat"),
        ready(2, toward(0), name="red car", text="red"),
        ready(3, toward(0), name="car", text="red red"),
        ready(4, toward(0), name="nothing"),
        bare(5, name="red boat"),
        tombstone(6, name="boat"),
    )
    red, boat = weight(4, 3), weight(4, 1)
    found = found_in(asked(index, "red boat boat"))
    shares = {name: one.share if one else 0 for name, one in found.items()}
    assert shares == pytest.approx(
        {
            name_of(1): 1.0,
            name_of(2): red / (red + boat),
            name_of(3): 0.7 * red / (red + boat),
            name_of(4): 0.0,
        },
        abs=max(1e-6, tolerance),
    )
    assert [one.every for one in found.values() if one] == [True, False, False]


def test_how_rare_a_word_is_is_counted_over_what_the_filter_admits(index: Index) -> None:
    put(
        index,
        *(ready(n, toward(0), name="red", owner="ben") for n in range(10, 30)),
        ready(1, toward(0), name="red", owner="ann"),
        ready(2, toward(0), name="boat", owner="ann"),
    )
    for some in (
        asked(index, "red boat", Filters(owner="ann")),
        asked(narrowed(index, Filters(owner="ann")), "red boat"),  # type: ignore[arg-type]
    ):
        shares = {hit.record.id: hit.found.share for hit in some if hit.found}
        assert shares == pytest.approx({name_of(1): 0.5, name_of(2): 0.5}, abs=2e-6)
    left = asked(index, "red boat", Filters(owner="ann"), leave_out=frozenset([name_of(1)]))
    assert [hit.found.share for hit in left if hit.found] == pytest.approx([0.5], abs=2e-6)


def test_who_may_not_see_an_image_does_not_find_its_words(index: Index) -> None:
    put(index, ready(1, name="secret", owner="ann"), ready(2, name="dull", owner="ben"))
    mine = narrowed(index, Filters(owner="ben"))
    found = mine.search(QUERY, ANY, limit=5, ranked=5, wording=parse("secret").wording)
    assert found_in(found.hits) == {name_of(2): None}
    quoted = mine.search(QUERY, ANY, limit=5, ranked=5, wording=parse('"secret"').wording)
    assert (quoted.hits, quoted.total) == ([], 0)


@pytest.mark.parametrize("query", ["img_0007.jpg", "IMG 0007", '"IMG_0007.JPG"', "img 7"])
def test_the_very_name_comes_first(index: Index, query: str, tolerance: float) -> None:
    put(
        index,
        ready(1, toward(0.9), name="IMG_0007 edited.jpg", text="img 0007 jpg 7"),
        ready(2, toward(-0.9), name="IMG_0007.jpg"),
        ready(3, toward(1), name="img 7 7.png"),
        ready(4, toward(-1), name="img-7.png"),
    )
    first = asked(index, query)[0]
    assert first.record.id == name_of(4 if query == "img 7" else 2)
    assert first.found is not None
    assert first.found.exact_name
    assert first.score == pytest.approx(
        EXACT_NAME + first.meaning + WORDS_COUNT, rel=0, abs=max(tolerance, 1e-6)
    )


def test_words_are_the_same_however_they_are_written(index: Index) -> None:
    put(
        index,
        ready(1, name="WhatsApp Image"),
        ready(2, name="whatsapp image"),
        ready(3, name="Café"),
        ready(4, name="海滩日落"),
        ready(5, name="MyBeachPhoto"),
    )

    def having(text: str) -> set[str]:
        return {name for name, found in found_in(asked(index, text)).items() if found}

    assert having("whatsapp") == having("WhatsApp") == {name_of(1), name_of(2)}
    assert having("CAFE\u0301") == {name_of(3)}
    assert having("日") == having('"海滩"') == {name_of(4)}
    assert having("beach") == having("mybeachphoto") == {name_of(5)}


def test_phrases_must_stand_as_they_are_in_one_field(index: Index) -> None:
    put(
        index,
        ready(1, name="the old town.jpg", collection="x"),
        ready(2, name="town old", collection="x"),
        ready(3, name="old", collection="town"),
        ready(4, text="a\nOLD,\ntown!", name="x"),
        ready(5, name="OldTown", collection="x"),
        ready(6, name="older town", collection="x"),
    )
    assert set(ids(asked(index, '"old town"'))) == {name_of(1), name_of(4), name_of(5)}
    assert set(ids(asked(index, '"old town" "the"'))) == {name_of(1)}
    assert set(ids(asked(index, '"town old" -x'))) == set()
    assert set(ids(asked(index, '"old" -x'))) == {name_of(3)}
    found = asked(index, '"old town" jpg')[0].found
    assert found == Found({"name": ("jpg", "old", "town")}, 1.0, True)


def test_what_is_excluded_stands_nowhere(index: Index) -> None:
    put(
        index,
        ready(1, toward(0.9), name="dog"),
        ready(2, toward(0.8), text="a dog"),
        ready(3, toward(0.7), camera="Dog"),
        ready(4, toward(0.6), collection="dogs"),
        ready(5, toward(0.5), name="old town", text="town"),
    )
    assert ids(asked(index, "cat -dog")) == [name_of(4), name_of(5)]
    assert ids(asked(index, '-dog -"old town"')) == [name_of(4)]
    assert ids(asked(index, '-"town old"')) == [name_of(n) for n in (1, 2, 3, 4, 5)]
    assert ids(asked(index, "-dog", Filters(collection="trips"))) == [name_of(5)]


def test_phrases_and_exclusions_go_with_filters_and_an_image_left_out(index: Index) -> None:
    put(index, *(ready(n, name=f"red {n}", collection="ab"[n % 2]) for n in range(10)))
    hits = asked(index, '"red" -3', Filters(collection="b"), leave_out=frozenset([name_of(5)]))
    assert set(ids(hits)) == {name_of(1), name_of(7), name_of(9)}


def test_what_words_find_is_found_beyond_what_was_ranked_by_meaning(
    index: Index, tolerance: float
) -> None:
    put(
        index,
        *(ready(n, toward(0.9 - n / 1000), name=f"photo {n}") for n in range(400)),
        ready(1000, toward(-0.7), name="a lighthouse"),
        ready(1001, toward(-0.8), text="light house"),
        ready(1002, toward(-0.9), text="lighthouse"),
    )
    found = index.search(QUERY, ANY, limit=20, ranked=5, wording=parse("lighthouse").wording)
    assert found.total == 5
    assert name_of(1000) not in ids(found.hits)
    put(index, ready(1003, toward(0.5), text="Lighthouse"))
    found = index.search(QUERY, ANY, limit=20, ranked=5, wording=parse("lighthouse").wording)
    assert ids(found.hits) == [name_of(n) for n in (0, 1, 2, 3, 4)]
    put(index, ready(1004, toward(0.6), name="Lighthouse 2"))
    found = index.search(QUERY, ANY, limit=20, ranked=5, wording=parse("lighthouse").wording)
    assert ids(found.hits) == [name_of(n) for n in (1004, 0, 1, 2, 3)]
    assert found.hits[0].meaning == pytest.approx(0.6, rel=0, abs=max(tolerance, 1e-6))
    named = index.search(QUERY, ANY, limit=1, ranked=5, wording=parse("a lighthouse").wording)
    assert ids(named.hits) == [name_of(1000)]
    assert named.hits[0].meaning == pytest.approx(-0.7, rel=0, abs=max(tolerance, 1e-6))


def test_of_many_that_have_a_word_the_best_by_words_and_the_best_by_meaning_are_ranked(
    index: Index,
) -> None:
    put(
        index,
        *(ready(n, toward(0.5 - n / 1000), name="red") for n in range(100)),
        *(ready(n, toward(0.9 - n / 1000), name="red boat 1") for n in range(200, 203)),
        *(ready(n, toward(0.7 - n / 1000), text="red boat") for n in range(300, 310)),
        ready(400, toward(-0.9), name="boat red.gif"),
        ready(500, toward(0.95), name="blue"),
    )
    found = index.search(QUERY, ANY, limit=20, ranked=5, wording=parse("boat red").wording)
    assert ids(found.hits) == [name_of(n) for n in (400, 200, 201, 202, 500)]
    assert found.total == 5
    every = walk_on(index, wording=parse("boat red").wording, limit=2, ranked=5)
    assert ids(every) == ids(found.hits)


def test_pages_of_a_search_with_words_give_every_image_once(index: Index) -> None:
    names = ["red boat", "red", "boat", "", "red boat 3"]
    put(index, *(ready(n, toward((n % 7) / 10), name=names[n % 5]) for n in range(60)))
    whole = asked(index, "red boat")
    for limit in (1, 7, 60, 61):
        pages = walk_on(index, wording=parse("red boat").wording, limit=limit)
        assert pages == whole
    assert [(-hit.score, hit.record.id) for hit in whole] == sorted(
        (-hit.score, hit.record.id) for hit in whole
    )


def test_words_go_with_their_images(index: Index) -> None:
    put(index, ready(1, name="dog"), ready(2, name="dog"), ready(3, name="dog"))
    put(index, ready(1, name="cat"), tombstone(2, name="dog"), bare(3, name="dog"))
    assert found_in(asked(index, "dog")) == {name_of(1): None}
    assert ids(asked(index, '"cat"')) == [name_of(1)]
    put(index, ready(3, name="dog again"))
    assert ids(asked(index, '"dog"')) == [name_of(3)]
    assert index.purge(ready(1).indexed_at) == 0


@pytest.mark.parametrize(
    "name",
    [
        "quo\"te's * NEAR(a b) OR name:x ^y {z} w- (",
        "null\x00byte \u2028 \ufeff zero\u200bwidth",
        "‖ ‗ \U0010ffff \ue000 𝕏",
        "👩‍👩‍👧 שלום \u202ereversed\u202c",
        "a" * 900,
        "AND OR NOT",
    ],
)
def test_odd_names_are_found_by_themselves(index: Index, name: str) -> None:
    put(index, ready(1, toward(-1), name=name), ready(2, name="other"))
    first = asked(index, name)[0]
    assert first.record.id == name_of(1)
    assert first.found is not None
    assert first.found.exact_name
    plain = name.replace('"', " ")
    assert ids(asked(index, f'"{plain}"')) == [name_of(1)]
