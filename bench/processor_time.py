"""Which process of ours took how much processor time, as Linux counts it."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

NAMES = {
    "local.worker": "worker",
    "local.server": "S3 and SQS server",
    "chalicelib.decoding.child": "decoders",
}
TICK = os.sysconf("SC_CLK_TCK")


class ProcessorTime:
    """Within it, the time that this process and its descendants take; printed at the end, in
    milliseconds a photo."""

    def __init__(self, what: str, photos: int) -> None:
        self._what = what
        self._photos = photos
        self._before: dict[int, tuple[str, float]] = {}

    def __enter__(self) -> None:
        self._before = _seen()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        spent: dict[str, float] = {}
        for pid, (name, seconds) in _seen().items():
            earlier = self._before.get(pid, ("", 0.0))[1]
            spent[name] = spent.get(name, 0.0) + seconds - earlier
        rows = (f"{name} {s / self._photos * 1000:.1f}" for name, s in sorted(spent.items()))
        print(f"  processor ms a photo, {self._what}: {', '.join(rows)}", flush=True)


def family(pid: int) -> list[int]:
    """`pid`, its children, theirs, and so on."""
    return [pid, *(child for direct in _children(pid) for child in family(direct))]


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        texts = [(task / "children").read_text() for task in tasks]
    except OSError:
        return []
    return [int(number) for text in texts for number in text.split()]


def _seen() -> dict[int, tuple[str, float]]:
    """Process → (what it is, seconds of processor time so far)."""
    found = {}
    for pid in family(os.getpid()):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        name = next((n for module, n in NAMES.items() if module in command), "client and API")
        found[pid] = (name, (int(stat[11]) + int(stat[12])) / TICK)
    return found
