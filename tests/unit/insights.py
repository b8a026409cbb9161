"""CloudWatch Logs Insights, as much of its language as our queries use
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html): comments, fields,
filter, stats with by, sort, limit. What it does not know it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"[^"]*")|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>@?[A-Za-z_][\w.]*)'
    r"|(?P<sign>!=|<=|>=|[=<>(),*\[\]|]))"
)
_RESERVED = {"as", "by", "and", "or", "not", "in", "asc", "desc", "like"}

_REPORT = re.compile(
    r"REPORT RequestId: (?P<requestId>\S+)\s+Duration: (?P<duration>[\d.]+) ms"
    r"(?:.*?Init Duration: (?P<initDuration>[\d.]+) ms)?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Event:
    """A line in a log group, at a time."""

    group: str
    at: int
    text: str

    def fields(self) -> Row:
        """What is discovered in it
        (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html)."""
        found: Row = {"@timestamp": self.at, "@log": self.group, "@message": self.text}
        if report := _REPORT.match(self.text):
            found["@type"] = "REPORT"
            known = {k: v for k, v in report.groupdict().items() if v is not None}
            found |= {f"@{k}": v if k == "requestId" else float(v) for k, v in known.items()}
        try:
            document = json.loads(self.text)
        except ValueError:
            return found
        return found | (dict(_flat(document)) if isinstance(document, dict) else {})


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Nested fields are named by their way; null is no field."""
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for name, part in parts:
            yield from _flat(part, f"{path}.{name}" if path else str(name))
    elif value is not None:
        yield path, value


class Query:
    """A query that was read; `asked` are the fields of the log that it speaks of."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        self.question = lines[0].removeprefix("# ") if lines[0].startswith("# ") else ""
        self._tokens = list(_tokens("\n".join(x for x in lines if not x.startswith("#"))))
        self._place = 0
        self._made: set[str] = set()
        self.asked: set[str] = set()
        self.steps: list[tuple[str, Callable[[list[Row]], list[Row]]]] = [self._command()]
        while self._place < len(self._tokens):
            self._want("|")
            self.steps.append(self._command())

    def run(self, events: Sequence[Event]) -> list[Row]:
        rows = [event.fields() for event in events]
        for _, step in self.steps:
            rows = step(rows)
        return rows

    def filtered(self, events: Sequence[Event]) -> list[Row]:
        """What its filters leave, whole."""
        rows = [event.fields() for event in events]
        for name, step in self.steps:
            rows = step(rows) if name == "filter" else rows
        return rows

    # --- reading ------------------------------------------------------------------------------

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._place += 1
        return token

    def _want(self, token: str) -> None:
        got = self._next()
        assert got == token, f"{token} is wanted in place of {got!r}"

    def _take(self, token: str) -> bool:
        taken = self._peek() == token
        self._place += taken
        return taken

    def _field(self) -> str:
        name = self._next()
        assert re.fullmatch(r"@?[A-Za-z_][\w.]*", name), f"{name!r} is no field"
        assert name not in _RESERVED, f"{name} is a word of the language"
        if name not in self._made:
            self.asked.add(name)
        return name

    def _number(self) -> float:
        return float(self._next())

    def _list(self, read: Callable[[], Any]) -> list[Any]:
        found = [read()]
        while self._take(","):
            found.append(read())
        return found

    def _command(self) -> tuple[str, Callable[[list[Row]], list[Row]]]:
        name = self._next()
        known = {
            "fields": self._fields,
            "filter": self._filter,
            "stats": self._stats,
            "sort": self._sort,
            "limit": self._limit,
        }
        assert name in known, f"there is no command {name!r} here"
        return name, known[name]()

    def _fields(self) -> Callable[[list[Row]], list[Row]]:
        names = self._list(self._field)
        return lambda rows: [{name: row.get(name) for name in names} for row in rows]

    def _limit(self) -> Callable[[list[Row]], list[Row]]:
        most = int(self._number())
        return lambda rows: rows[:most]

    def _sort(self) -> Callable[[list[Row]], list[Row]]:
        name = self._field()
        downwards = self._next()
        assert downwards in ("asc", "desc")

        def step(rows: list[Row]) -> list[Row]:
            there = [row for row in rows if row.get(name) is not None]
            rest = [row for row in rows if row.get(name) is None]
            return sorted(there, key=lambda row: row[name], reverse=downwards == "desc") + rest

        return step

    def _filter(self) -> Callable[[list[Row]], list[Row]]:
        holds = self._either()
        return lambda rows: [row for row in rows if holds(row)]

    def _either(self) -> Callable[[Row], bool]:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return lambda row: any(part(row) for part in parts)

    def _both(self) -> Callable[[Row], bool]:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return lambda row: all(part(row) for part in parts)

    def _one(self) -> Callable[[Row], bool]:
        if self._take("not"):
            inner = self._one()
            return lambda row: not inner(row)
        if self._take("("):
            inner = self._either()
            self._want(")")
            return inner
        if self._take("ispresent"):
            self._want("(")
            name = self._field()
            self._want(")")
            return lambda row: row.get(name) is not None
        return self._comparison()

    def _comparison(self) -> Callable[[Row], bool]:
        name, sign = self._field(), self._next()
        if sign == "in":
            self._want("[")
            values = self._list(self._value)
            self._want("]")
            return lambda row: row.get(name) in values
        value = self._value()
        compare: dict[str, Callable[[Any], bool]] = {
            "=": lambda x: x == value,
            "!=": lambda x: x != value,
            "<": lambda x: x < value,
            ">": lambda x: x > value,
            "<=": lambda x: x <= value,
            ">=": lambda x: x >= value,
        }
        holds = compare[sign]
        return lambda row: row.get(name) is not None and holds(row[name])

    def _value(self) -> Any:
        token = self._next()
        return token[1:-1] if token.startswith('"') else float(token)

    def _stats(self) -> Callable[[list[Row]], list[Row]]:
        parts = self._list(self._aggregate)
        by = self._list(self._field) if self._take("by") else []
        self._made |= {name for name, _ in parts}

        def step(rows: list[Row]) -> list[Row]:
            groups: dict[tuple[Any, ...], list[Row]] = {}
            for row in rows:
                groups.setdefault(tuple(row.get(name) for name in by), []).append(row)
            return [
                dict(zip(by, values, strict=True)) | {name: made(held) for name, made in parts}
                for values, held in groups.items()
            ]

        return step

    def _aggregate(self) -> tuple[str, Callable[[list[Row]], Any]]:
        kind = self._next()
        self._want("(")
        if kind == "count":
            self._want("*")
            made: Callable[[list[Row]], Any] = len
        else:
            name = self._field()
            share = self._number() if self._take(",") else 0.0
            made = _over(kind, name, share)
        self._want(")")
        self._want("as")
        return self._next(), made


def _over(kind: str, name: str, share: float) -> Callable[[list[Row]], Any]:
    def made(rows: list[Row]) -> Any:
        values = sorted(row[name] for row in rows if row.get(name) is not None)
        if not values:
            return None
        if kind == "pct":
            return values[min(len(values) - 1, int(len(values) * share / 100))]
        whole = {"sum": sum(values), "avg": sum(values) / len(values)} if kind[0] != "m" else {}
        return (whole | {"min": values[0], "max": values[-1]})[kind]

    return made


def _tokens(text: str) -> Iterator[str]:
    place, text = 0, text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        assert found, f"cannot be read: {text[place : place + 30]!r}"
        place = found.end()
        yield found[0].strip()
