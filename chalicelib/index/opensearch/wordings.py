"""What a wording asks, as queries, and what its answers say. No requests.

A query for a word in a field has a name, which the answer gives back with each image that has it
(https://docs.opensearch.org/latest/query-dsl/, `_name` and `matched_queries`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.index.opensearch import bodies
from chalicelib.index.opensearch.documents import Query
from chalicelib.index.opensearch.schema import WORDS
from chalicelib.relevance import (
    FIELDS,
    WEIGHTS,
    Field,
    Found,
    Wording,
    found_of,
    weights_of,
    words_of,
)
from chalicelib.words import title_of

PARTS = 1 << 20
"""All words of a query, found in a name, score so much. Lucene adds up float32 numbers, which are
exact as long as they are whole and below 2 ** 24."""

OF_THE_NAME = 1 << 22
"""Having the very name asked for scores more than any words."""

_TITLE = "title"


class Numbers(NamedTuple):
    """How many images have each word, how many the very name, and what each word weighs."""

    frequencies: dict[str, int]
    named: int
    weights: dict[str, float]


class Asked:
    """The words, phrases and title of `wording`, which asks for at least one word."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self.words = words_of(wording)
        self._known: dict[frozenset[str], Found | None] = {}

    def told(self) -> list[Query]:
        """Clauses that say what is found of it and score nothing."""
        words = [_named(f, word, n, 0) for n, word in enumerate(self.words) for f in FIELDS]
        return [*words, *self._title(0)]

    def counted(self, admitted: Query | None) -> list[Query]:
        """What `numbers` wants the counts of: "ready" images that `admitted` lets through, all,
        those of the very name, and those that have each word. Only "ready" images have words."""
        named = self._title(0) or [{"match_none": {}}]
        words: list[Query] = [{"term": {WORDS: word}} for word in self.words]
        return [
            bodies.ready(admitted),
            *(bodies.every(admitted, query) if admitted else query for query in (*named, *words)),
        ]

    def numbers(self, counts: Sequence[int]) -> Numbers:
        images, named, *having = counts
        frequencies = dict(zip(self.words, having, strict=True))
        return Numbers(frequencies, named, weights_of(self.words, frequencies, images))

    def having(self, numbers: Numbers, *, but: Collection[str]) -> Query | None:
        """Lets through what has any of the words, other than `but`, or the very name; None where
        nothing does."""
        words = [word for word in self.words if numbers.frequencies[word] and word not in but]
        ways: list[Query] = [{"terms": {WORDS: words}}] if words else []
        ways += self._title(0) if numbers.named else []
        return {"bool": {"should": ways, "minimum_should_match": 1}} if ways else None

    def common(self, hits: Iterable[Iterable[str]]) -> set[str]:
        """The words that each of the hits with these names has where words count most."""
        best = [field for field in FIELDS if WEIGHTS[field] == max(WEIGHTS.values())]
        common = set(self.words)
        for names in {frozenset(names) for names in hits}:
            common = {
                word
                for n, word in enumerate(self.words)
                if word in common and any(f"{field} {n}" in names for field in best)
            }
        return common

    def by_share(self, weights: Mapping[str, float]) -> Query:
        """Scores whole numbers that put images in the order of their words."""
        total = sum(weights[word] for word in self.words)
        found: list[Query] = []
        for number, word in enumerate(self.words):
            parts = PARTS * weights[word] / total
            fields = [_named(f, word, number, round(parts * WEIGHTS[f])) for f in FIELDS]
            found.append({"dis_max": {"queries": fields}})
        found += self._title(OF_THE_NAME)
        return {"bool": {"should": found, "minimum_should_match": 1}}

    def found(self, matched: Iterable[str], weights: Mapping[str, float]) -> Found | None:
        """What an image has of which an answer gave these names, always with the same
        `weights`."""
        names = frozenset(matched)
        if names not in self._known:
            places: dict[Field, set[str]] = {
                field: {word for n, word in enumerate(self.words) if f"{field} {n}" in names}
                for field in FIELDS
            }
            title = _TITLE in names
            self._known[names] = found_of(self._wording, places, weights, exact_name=title)
        return self._known[names]

    def _title(self, score: int) -> list[Query]:
        if not self._wording.whole:
            return []
        return [_scored({"term": {"titles": title_of(self._wording.whole)}}, score, _TITLE)]


def taking_part(admitted: Query | None, wording: Wording) -> Query | None:
    """What `admitted` lets through and `wording` neither excludes nor misses a phrase in."""
    if not wording.phrases and not wording.without:
        return admitted
    parts = [*([admitted] if admitted else []), *(_phrase(words) for words in wording.phrases)]
    return {"bool": {"filter": parts, "must_not": [_phrase(words) for words in wording.without]}}


def _phrase(words: tuple[str, ...]) -> Query:
    return {"match_phrase": {WORDS: " ".join(words)}}


def _named(field: Field, word: str, number: int, score: int) -> Query:
    return _scored({"term": {f"{field}_words": word}}, score, f"{field} {number}")


def _scored(query: Query, score: int, name: str) -> dict[str, Any]:
    return {"constant_score": {"filter": query, "boost": score, "_name": name}}
