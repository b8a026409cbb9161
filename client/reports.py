"""What became of an upload."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something in a folder that is not sent, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """`code` is the API's, the store's or ours; "rejected" for what is there but no image."""

    path: Path
    code: str
    reason: str


@dataclass(slots=True)
class Report:
    """`ids` has the image of each file that is there, sent now or before."""

    ids: dict[Path, str] = field(default_factory=dict)
    sent: int = 0
    already: int = 0
    """Files that an earlier run had sent, and that are there still."""
    ready: int | None = None
    """Of those there, how many can be found; None where nobody waited for it."""
    bytes: int = 0
    """Of what was sent."""
    seconds: float = 0.0
    failed: list[Failed] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    not_tried: list[Path] = field(default_factory=list)
    stopped_by: str = ""
    """Why the rest was not tried: what would meet every file."""
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        return not (self.failed or self.not_tried or self.interrupted)

    def as_json(self) -> dict[str, Any]:
        return {
            "complete": self.complete,
            "sent": self.sent,
            "already": self.already,
            "ready": self.ready,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "failed": [
                {"path": _shown(f.path), "code": f.code, "reason": f.reason} for f in self.failed
            ],
            "left_out": [{"path": _shown(x.path), "reason": x.reason} for x in self.left_out],
            "not_tried": [_shown(path) for path in self.not_tried],
            "stopped_by": self.stopped_by,
            "interrupted": self.interrupted,
            "ids": {_shown(path): image for path, image in self.ids.items()},
        }


def _shown(path: Path) -> str:
    """Names need not be text; what is none becomes a question mark in a diamond."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
