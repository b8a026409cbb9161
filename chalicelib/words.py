"""Words, the same for every index: what a text consists of, and what a query asks of words.

Texts are folded (`chalicelib.letters`) and split at whatever is neither letter nor digit, and where
letters and digits meet: `IMG_1234.jpg` is img, 1234, jpg. Scripts that write no spaces give a
token a character, so that phrases find words there. What is written as one is indexed once more,
taken apart where its case changes: `MyBeach` is found by mybeach and by beach. Queries are not
taken apart, so that iPhone, iphone and IPHONE ask the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from chalicelib.errors import InvalidRequest
from chalicelib.letters import Folded, folded
from chalicelib.relevance import Wording

MAX_WORDS = 32
"""So many words of a query count; more would only wear an index out."""

MAX_PHRASES = 8
"""So many phrases may be asked for, and so many excluded."""

MAX_PHRASE_WORDS = 64
"""All phrases asked for may have so many words: each is looked for in four fields, and OpenSearch
takes 1,024 clauses in a query, filters included
(https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/search-settings/,
`indices.query.bool.max_clause_count`)."""

LONGEST = 64
"""A longer run of letters is several tokens of this length: OpenSearch's tokenizers cut at 255."""

BETWEEN = "‖"
"""Stands in `indexed` text where no phrase reaches across; no token contains it."""

JOINT = "‗"
"""Joins the tokens of a title into one word; no token contains it."""


class Token(NamedTuple):
    """`text` is folded; it was read from `start` to `end` of the text it is of."""

    text: str
    start: int
    end: int


def tokens(text: str) -> list[str]:
    """The tokens of `text`, in order."""
    return _texts(folded(text), _WHOLE)


def indexed(text: str) -> str:
    """`text` as indexes hold it: tokens between spaces, and where it is another, once more with
    everything taken apart where its case changes."""
    pieces = folded(text)
    whole = " ".join(_texts(pieces, _WHOLE))
    if not _CASE_CHANGES.search(pieces.kinds):
        return whole
    return f"{whole} {BETWEEN} {' '.join(_texts(pieces, _APART))}"


def titles(name: str) -> tuple[str, ...]:
    """What a query must be, its tokens joined by `JOINT`, to be this file name: with and without
    its ending, as it is written and taken apart."""
    found: dict[str, None] = {}
    for text in (name, _ENDING.sub("", name)):
        pieces = folded(text)
        found[JOINT.join(_texts(pieces, _WHOLE))] = None
        if _CASE_CHANGES.search(pieces.kinds):
            found[JOINT.join(_texts(pieces, _APART))] = None
    return tuple(title for title in found if title)


def title_of(whole: Sequence[str]) -> str:
    """The title that a whole query asks for: is it among `titles(name)`, then that is the name."""
    return JOINT.join(whole)


def stands_in(phrase: Sequence[str], held: Sequence[str]) -> bool:
    """Whether `phrase` stands in `held`, the tokens of an `indexed` text, one behind the other."""
    length = len(phrase)
    return any(
        held[place] == phrase[0] and tuple(held[place : place + length]) == tuple(phrase)
        for place in range(len(held) - length + 1)
    )


def marks(text: str, words: Collection[str]) -> list[tuple[int, int]]:
    """(start, end) of all that any of `words` found in `text`, in order, none overlapping."""
    pieces = folded(text)
    every = [*_cut(pieces, _WHOLE), *_cut(pieces, _APART)]
    joined: list[tuple[int, int]] = []
    for start, end in sorted({(one.start, one.end) for one in every if one.text in words}):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


class Parsed(NamedTuple):
    """What a query asks of words, and its text for the model: without quotes and exclusions, ""
    where nothing is left. `left_out` are the texts of the exclusions, for the model too."""

    wording: Wording
    text: str
    left_out: tuple[str, ...] = ()


def parse(query: str) -> Parsed:
    """Of `red "vintage car" -truck -"old town"` the words count, "vintage car" must be there as it
    is, and neither truck nor old town may. Quotes open where a word starts; a minus excludes
    there. Stop words count only within quotes or where there is nothing else.

    Raises `InvalidRequest` for more than `MAX_PHRASES` of either, and for longer ones than
    `MAX_PHRASE_WORDS`.
    """
    phrases: dict[tuple[str, ...], None] = {}
    without: dict[tuple[str, ...], str] = {}
    plain: list[str] = []
    rest: list[str] = []
    last = 0
    for part in _PARTS.finditer(query):
        found = tuple(tokens(_content(part)))
        if not found:
            continue
        between = query[last : part.start()]
        last = part.end()
        plain.append(between)
        rest.append(between)
        if part["minus"]:
            without[found] = _content(part)
            rest.append(" ")
        else:
            phrases[found] = None
            rest.append(_content(part))
    plain.append(query[last:])
    rest.append(query[last:])
    _check(phrases, without)
    text = " ".join("".join(rest).split())
    said = dict.fromkeys(tokens(" ".join(plain)))
    telling = [word for word in said if word not in STOP_WORDS]
    words = tuple(telling or (() if phrases else said))[:MAX_WORDS]
    wording = Wording(words, tuple(phrases), tuple(without), tuple(tokens(text)))
    return Parsed(wording, text, tuple(without.values()))


def _check(phrases: Collection[tuple[str, ...]], without: Collection[tuple[str, ...]]) -> None:
    for those, what in ((phrases, "quoted phrases"), (without, "exclusions")):
        if len(those) > MAX_PHRASES:
            raise InvalidRequest(
                f"A search may have at most {MAX_PHRASES} {what}; this one has {len(those)}.",
                field="text",
            )
    count = sum(len(phrase) for phrase in phrases)
    if count > MAX_PHRASE_WORDS:
        raise InvalidRequest(
            f"The quoted phrases of a search may have at most {MAX_PHRASE_WORDS} words; these "
            f"have {count}. Leave the quotes away to search for what they mean.",
            field="text",
        )


def _content(part: re.Match[str]) -> str:
    return next(text for name, text in part.groupdict().items() if name != "minus" and text)


_PARTS = re.compile(
    r"(?<!\S)(?P<minus>[-\u2212\uff0d])(?:"
    r"\"(?P<a>[^\"]+)\"|[“„](?P<b>[^“”]+)[“”]|«(?P<c>[^»]+)»|「(?P<d>[^」]+)」|(?P<e>\S+))"
    r"|(?<![0-9A-Za-z])\"(?P<f>[^\"]+)\"|[“„](?P<g>[^“”]+)[“”]|«(?P<h>[^»]+)»|「(?P<i>[^」]+)」"
)

_ENDING = re.compile(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{1,4}$", re.DOTALL)


_WHOLE = re.compile(rf"d{{1,{LONGEST}}}|[lu]{{1,{LONGEST}}}|s")
_APART = re.compile(
    rf"d{{1,{LONGEST}}}|u{{1,{LONGEST}}}(?!l)|ul{{1,{LONGEST - 1}}}|[lu]l{{0,{LONGEST - 1}}}|s"
)


_CASE_CHANGES = re.compile("lu|uul")
"""Without any, a text taken apart is the same."""


def _texts(text: Folded, pattern: re.Pattern[str]) -> list[str]:
    places = (found.span() for found in pattern.finditer(text.kinds))
    if isinstance(text.pieces, str):
        return [text.pieces[a:b] for a, b in places]
    return ["".join(text.pieces[a:b]) for a, b in places]


def _cut(text: Folded, pattern: re.Pattern[str]) -> list[Token]:
    return [
        Token("".join(text.pieces[a:b]), text.starts[a], text.ends[b - 1])
        for a, b in (found.span() for found in pattern.finditer(text.kinds))
    ]


_STOP_WORDS = """
a an and are as at be by for from has have he her his i in is it its me my no not of on or our she
so that the their them there these they this those to was we were with you your s t
am auf aus bei das dem den der des die ein eine einem einen einer eines fur im ist mit oder sich
sind und unter vom von vor wie zu zum zur
au aux avec ce ces dans de des du elle en est et il ils la le les leur l d ou par pas pour qui sa
ses sous sur un une
al che con da dal das del della delle dei di do dos e el em gli il las lo los na nas nel nella nos
o os para per por que sin su sua sus um uma uno y
av det een en ett het med naar of och og op pa som te van voor
"""  # English; German; French; Spanish, Portuguese, Italian; Dutch and Scandinavian

STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that tell no picture from another in the language they are of, folded. Kept few: what is
one in one language may be the very word that is looked for in another."""
