"""What `bench/quality.py` measured, as Markdown: a row for each figure, a column for each model."""

from __future__ import annotations

from collections.abc import Callable

from bench.quality_measure import Figures

MISSING = "–"


def _share(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _ms(value: float) -> str:
    return f"{1000 * value:.2f} ms"


ROWS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("R@1, specific words", "R@1", _share),
    ("… by raw cosine", "R@1 raw", _share),
    ("R@10, specific words", "R@10", _share),
    ("… by raw cosine", "R@10 raw", _share),
    ("said to match nothing, specific words", "missed, specific", _percent),
    ("said to match nothing, general words", "missed, general", _percent),
    ("precision of the kept set, specific", "precision, specific", _share),
    ("recall of the kept set, specific", "recall, specific", _share),
    ("precision of the kept set, general", "precision, general", _share),
    ("recall of the kept set, general", "recall, general", _share),
    ("answered: nonsense", "answered, nonsense", _percent),
    ("answered: abstract", "answered, abstract", _percent),
    ("answered: outside", "answered, outside", _percent),
    ("answered: removed category", "answered, removed category", _percent),
    ("answered: absent sibling", "answered, absent sibling", _percent),
    ("confidence of kept pictures, off by", "confidence off by", _share),
    ("a query in the index, raw cosine", "query, raw", _ms),
    ("… calibrated and cut off, added", "query, added", _ms),
    ("an image, decoded and embedded", "image", _ms),
    ("… calibrated, added", "image, added", _ms),
)
"""(what is said, the figure's name, how it is written)"""


def markdown(found: list[Figures]) -> str:
    """The table; in brackets how many queries a figure is the mean of, where that is known."""
    lines = [["", *(one.model for one in found)], ["---"] * (1 + len(found))]
    lines.append(["photos", *(f"{one.photos:,}" for one in found)])
    lines.append(["threshold of texts", *(_cell(one.threshold, _share) for one in found)])
    for title, name, write in ROWS:
        asked = next((one.asked[name] for one in found if name in one.asked), None)
        note = "" if asked is None or name.endswith("raw") else f" ({asked:,})"
        lines.append([title + note, *(_cell(one.figures.get(name), write) for one in found)])
    lines.append(
        [
            "… the query, times",
            *(_cell(_ratio(one, "query", "query, raw"), _times) for one in found),
        ]
    )
    lines.append(["… the image, times", *(_cell(_added(one), _times) for one in found)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: float | None, write: Callable[[float], str]) -> str:
    return MISSING if value is None else write(value)


def _times(value: float) -> str:
    return f"{value:.2f} ×"


def _ratio(one: Figures, name: str, other: str) -> float | None:
    a, b = one.figures.get(name), one.figures.get(other)
    return a / b if a is not None and b else None


def _added(one: Figures) -> float | None:
    added = _ratio(one, "image, added", "image")
    return None if added is None else 1 + added
