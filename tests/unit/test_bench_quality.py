"""Labelled photos and unanswerable queries, as the quality bench takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.quality_measure import Figures
from bench.quality_photos import Photo, labelled, words_of
from bench.quality_queries import ABSTRACT, OUTSIDE, nonsense, outside
from bench.quality_table import markdown
from chalicelib.errors import ConfigurationError
from models.calibrate_words import null_texts


def photo(name: str, *labels: str, doubtful: frozenset[str] = frozenset()) -> Photo:
    return Photo(Path(name), labels, doubtful)


def table(folder: Path, text: str) -> Path:
    path = folder / "photos.csv"
    path.write_text(text, encoding="utf-8")
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).touch()
    return path


def test_a_folder_of_folders_labels_photos_by_the_folder_they_are_in(tmp_path: Path) -> None:
    for name in ("red_fox/1.jpg", "red_fox/more/2.jpg", "boat/1.jpg", "boat/.hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [one.labels for one in labelled(tmp_path)] == [("boat",), ("red fox",), ("more",)]


def test_a_table_may_have_a_first_line_of_titles_and_labels_in_doubt(tmp_path: Path) -> None:
    source = table(tmp_path, "key,label,word\na.jpg,beagle,dog,?cat\n\nb.jpg,boat\n")
    assert labelled(source) == [
        photo(str(tmp_path / "a.jpg"), "beagle", "dog", doubtful=frozenset({"cat"})),
        photo(str(tmp_path / "b.jpg"), "boat"),
    ]


def test_general_words_come_from_a_file_of_their_own(tmp_path: Path) -> None:
    source = table(tmp_path, "a.jpg,beagle\nb.jpg,boat\n")
    words = tmp_path / "words.csv"
    words.write_text("beagle,dog,animal\n", encoding="utf-8")
    assert [one.labels for one in labelled(source, words)] == [
        ("beagle", "dog", "animal"),
        ("boat",),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [("a.jpg,x\nd.jpg,y\n", "line 2: there is no"), ("a.jpg\n", "has no label"), ("", "holds no")],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        labelled(table(tmp_path, text))


def test_words_are_specific_or_general_by_where_they_stand() -> None:
    specific, general = words_of(
        [
            photo("0", "beagle", "dog"),
            photo("1", "pug", "dog", "pet"),
            photo("2", "boat", doubtful=frozenset({"dog"})),
            photo("3", "dog"),
        ]
    )
    assert [(one.text, sorted(one.right), one.siblings) for one in specific] == [
        ("beagle", [0], True),
        ("boat", [2], False),
        ("pug", [1], True),
    ]
    assert [(one.text, sorted(one.right), sorted(one.doubtful)) for one in general] == [
        ("dog", [0, 1, 3], [2])
    ]


def test_no_query_of_the_bench_is_one_that_calibrations_are_made_with() -> None:
    known = {text.casefold() for text in null_texts()}
    assert known.isdisjoint(text.casefold() for text in (*ABSTRACT, *OUTSIDE, *nonsense()))


def test_queries_from_outside_share_no_word_with_a_label() -> None:
    assert "palm tree" in outside(["boat"])
    assert "palm tree" not in outside(["tree frog"])
    assert "crowd at a concert" in outside(["a boat at sea"])


def test_queries_from_outside_can_be_ones_own(tmp_path: Path) -> None:
    source = tmp_path / "outside.txt"
    source.write_text("a boat\n\nsnow\n", encoding="utf-8")
    assert outside(["boat"], source) == ["a boat", "snow"]


def test_the_table_has_a_column_for_each_model_and_dashes_for_what_it_lacks() -> None:
    one, other = Figures("one", 1200, 0.9), Figures("other", 1200)
    one.note("answered, nonsense", [True, False])
    one.note("R@1 raw", [1.0])
    other.note("R@1 raw", [0.0])
    text = markdown([one, other]).splitlines()
    assert text[0] == "|  | one | other |"
    assert "| photos | 1,200 | 1,200 |" in text
    assert "| answered: nonsense (2) | 50.0 % | – |" in text
    assert "| … by raw cosine | 1.000 | 0.000 |" in text
