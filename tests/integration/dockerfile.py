"""Dockerfiles read: instructions, their flags and words, and the stages they make.

As much of https://docs.docker.com/reference/dockerfile/ as ours use; all else is refused.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = ("FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD")

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_FLAG = re.compile(r"--([a-z-]+)=(\S+)\s*")


@dataclass(frozen=True)
class Instruction:
    """`text` is what follows name and flags, variables as they are written."""

    name: str
    text: str
    flags: dict[str, str]
    line: int

    def words(self, known: Mapping[str, str]) -> list[str]:
        """A JSON array's parts as they are, else the words with `known` variables put in."""
        if self.text.startswith("["):
            parts: list[str] = json.loads(self.text)
            return parts
        return shlex.split(expanded(self.text, known))


@dataclass(frozen=True)
class Stage:
    name: str
    base: str
    steps: list[Instruction] = field(default_factory=list)


def read_instructions(path: Path) -> list[Instruction]:
    """Raises ValueError for an instruction that is not `KNOWN`."""
    found: list[Instruction] = []
    begun, at = "", 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        at = at if begun else number
        begun += line.strip()
        if begun.endswith("\\"):
            begun = begun[:-1] + " "
            continue
        found.append(_instruction(begun, at))
        begun = ""
    if begun:
        raise ValueError(f"line {at} goes on beyond the file's end")
    return found


def _instruction(whole: str, line: int) -> Instruction:
    name, _, text = whole.partition(" ")
    if name not in KNOWN:
        raise ValueError(f"line {line}: {name} is not read here")
    flags = {}
    text = text.strip()
    while found := _FLAG.match(text):
        flags[found[1]] = found[2]
        text = text[found.end() :]
    return Instruction(name, text, flags, line)


def read_stages(path: Path) -> dict[str, Stage]:
    """By name, in the file's order."""
    stages: dict[str, Stage] = {}
    for instruction in read_instructions(path):
        if instruction.name == "FROM":
            base, _, name = instruction.text.partition(" AS ")
            if not name or name in stages:
                raise ValueError(f"line {instruction.line}: each stage needs a name of its own")
            stages[name] = Stage(name, base)
        else:
            list(stages.values())[-1].steps.append(instruction)
    return stages


def expanded(text: str, known: Mapping[str, str]) -> str:
    """`text` with variables put in. Raises KeyError for one that nothing has set."""
    return _VARIABLE.sub(lambda found: known[found[1] or found[2]], text)
