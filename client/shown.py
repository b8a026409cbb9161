"""What the shell shows: results as lines, and nothing that a terminal would obey."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.models import Match
from client.reports import Report

MOST_REASONS = 50


def plain(text: object) -> str:
    """Names come from strangers, and a terminal does what control characters say."""
    decoded = str(text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in decoded)


def match_line(match: Match) -> str:
    image = match.image
    sure = "    " if match.confidence is None else f"{match.confidence:4.0%}"
    beyond = " (beyond the cut-off)" if match.within is False else ""
    taken = image.taken_at or image.uploaded_at
    day = f"{taken:%Y-%m-%d}" if taken else "          "
    return plain(f"{sure}  {image.id}  {day}  {image.collection}/{image.name}{beyond}")


def nothing(rest: int) -> str:
    more = f" --closest shows the {rest} that come nearest." if rest else ""
    return f"Nothing in the library is what was asked for.{more}"


def report_lines(report: Report, again: str) -> list[str]:
    """The end of an upload; `again` says how to go on."""
    rate = report.bytes / report.seconds / 1e6 if report.seconds else 0.0
    lines = [
        f"{report.sent} sent ({report.bytes / 1e6:.1f} MB, {rate:.1f} MB/s), "
        f"{report.already} there already, {len(report.failed)} failed"
        + (f", {report.ready} can be found" if report.ready is not None else "")
    ]
    lines += some([(f.path, f.reason) for f in report.failed], "failed")
    lines += some([(x.path, x.reason) for x in report.left_out], "left out")
    if report.stopped_by:
        lines.append(f"Stopped: {plain(report.stopped_by)}")
    if report.not_tried:
        lines.append(f"{len(report.not_tried)} not sent yet.")
    if not report.complete:
        lines.append(f"What is sent stays. To go on: {again}")
    return lines


def some(told: list[tuple[Path, str]], what: str) -> list[str]:
    """A heading and a line each, none for none."""
    if not told:
        return []
    lines = [f"{len(told)} {what}:"]
    lines += [f"  {plain(path)}: {plain(reason)}" for path, reason in told[:MOST_REASONS]]
    if len(told) > MOST_REASONS:
        lines.append(f"  … and {len(told) - MOST_REASONS} more; --json lists them all")
    return lines


def status_lines(stats: Mapping[str, Any], session: Mapping[str, Any]) -> list[str]:
    counts = ", ".join(f"{count:,} {state}" for state, count in stats["images"].items())
    lines = [f"Images: {counts}", f"Model: {stats['model']['name']}"]
    if queue := stats.get("queue"):
        lines.append(f"Queue: {queue['waiting']} waiting, {queue['in_flight']} being worked on")
    if letters := stats.get("dead_letters"):
        lines.append(f"Given up: {letters['waiting']}")
    who = session.get("name") or session.get("owner") or "nobody in particular"
    lines.append(f"Signed in: {who} (may {', '.join(session['scopes'])})")
    return [plain(line) for line in lines]
