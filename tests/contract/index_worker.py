"""What the other process does in test_embedded_processes.py: one line in, one line out."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from index_helpers import DIM, name_of, put, random_units, ready

from chalicelib.index.base import Write
from chalicelib.index.embedded import EmbeddedIndex

BATCH = 5


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def batch(round_: int, number: int) -> list[Write]:
    """Batch `number` of a stream: five records that stand or fall together."""
    first = round_ * 1_000_000 + number * BATCH
    rows = random_units(BATCH, seed=first)
    text = f"{round_} {number}"
    return [Write(ready(first + i, row, text=text), None) for i, row in enumerate(rows)]


def obey(index: EmbeddedIndex) -> None:
    """put N | read N | write TEXT (over what was read) | note TEXT: says what came of it."""
    number, version = 0, None
    for line in sys.stdin:
        verb, value = line.split()
        answer = "done"
        if verb == "put":
            put(index, ready(int(value)))
        elif verb == "read":
            number = int(value)
            held = index.read([name_of(number)])
            version = held[name_of(number)].version if held else None
        elif verb == "note":
            index.keep_note("other", value)
        elif verb == "write":
            answer = index.write([Write(ready(number, text=value), version)])[0]
        say(answer)


def stream(index: EmbeddedIndex, round_: int) -> None:
    """Writes without end, saying the number of each batch once it is acknowledged."""
    for number in itertools.count():
        assert set(index.write(batch(round_, number))) == {"written"}
        say(number)


def main() -> None:
    verb, folder, *rest = sys.argv[1:]
    index = EmbeddedIndex(Path(folder), dim=DIM, model="tiny")
    index.ensure()
    if verb == "stream":
        stream(index, int(rest[0]))
    else:
        say("ready")
        obey(index)
    index.close()


if __name__ == "__main__":
    main()
