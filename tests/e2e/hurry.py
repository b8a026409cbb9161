"""A page whose own waits are short, for tests of what it does by itself after some time."""

from __future__ import annotations


def hurried(times: int) -> str:
    """A script to run first: timers take so many times less, but for that after which a request is
    given up: a slow machine needs it all."""
    wait = f"/abort/.test(f) ? ms : ms / {times}"
    return f"window.setTimeout = ((set) => (f, ms) => set(f, {wait}))(setTimeout);"
