"""What a look at the account found: each with how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

MARKS = {"fine": "✓", "advice": "!", "blocking": "✗"}


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was looked at, what it is, and what to do where it is not fine."""

    what: str
    level: Literal["fine", "advice", "blocking"]
    says: str
    remedy: str = ""


def fine(what: str, says: str) -> Finding:
    return Finding(what, "fine", says)


def advice(what: str, says: str, remedy: str) -> Finding:
    """It can be deployed all the same."""
    return Finding(what, "advice", says, remedy)


def blocked(what: str, says: str, remedy: str) -> Finding:
    """A deployment would fail, or do harm."""
    return Finding(what, "blocking", says, remedy)


def blocking(findings: Iterable[Finding]) -> bool:
    return any(finding.level == "blocking" for finding in findings)


def told(findings: Iterable[Finding]) -> Iterator[str]:
    """Lines for a person."""
    for finding in findings:
        yield f"{MARKS[finding.level]} {finding.what}: {finding.says}"
        if finding.remedy:
            yield f"    → {finding.remedy}"


def as_json(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [asdict(finding) for finding in findings]
