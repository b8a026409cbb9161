"""What a person sees while a model is fetched, on stderr: a bar on a terminal, else lines."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm

from models.fetch_plan import Remote


def size_words(size: int) -> str:
    """Bytes for a reader: "606 MB", "1.5 GB"; powers of ten, as hubs count."""
    if size >= 10**9:
        return f"{size / 10**9:.1f} GB"
    if size >= 10**6:
        return f"{size / 10**6:.0f} MB"
    return f"{max(round(size / 1000), 1)} kB"


class Progress:
    """All files of one download: bytes so far of bytes in all, and which file is under way."""

    def __init__(self, total: int, there: int) -> None:
        self._bar = tqdm(
            total=total,
            initial=there,
            unit="B",
            unit_scale=True,
            file=sys.stderr,
            disable=None,
            dynamic_ncols=True,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def begin(self, remote: Remote) -> None:
        self._bar.set_description(remote.path[-32:])

    def advance(self, size: int) -> None:
        self._bar.update(size)

    def note(self, what: str) -> None:
        tqdm.write(f"  {what}", file=sys.stderr)

    def end(self, remote: Remote) -> None:
        if self._bar.disable:
            print(f"  {remote.path} ({size_words(remote.size)})", file=sys.stderr, flush=True)
