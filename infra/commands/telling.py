"""What a person is told (stderr) and asked. Results go to stdout, and none are printed here."""

from __future__ import annotations

import sys
from typing import TextIO

from chalicelib.errors import ConfigurationError


class Teller:
    """`yes` answers every question that has no answer but yes or no."""

    def __init__(
        self, *, yes: bool = False, out: TextIO | None = None, answers: TextIO | None = None
    ) -> None:
        self._yes = yes
        self._out = out or sys.stderr
        self._answers = answers or sys.stdin

    def say(self, text: str) -> None:
        self._put(f"{text}\n")

    def agreed(self, question: str) -> bool:
        """Whether the answer begins with y. Raises ConfigurationError where nobody can answer."""
        if self._yes:
            return True
        return self.answer(f"{question} [y/N]", instead="--yes").lower().startswith("y")

    def answer(self, question: str, *, instead: str) -> str:
        """One line. Raises ConfigurationError where nobody can answer, naming what to give
        `instead`."""
        if not self._answers.isatty():
            raise ConfigurationError(f"Nobody can be asked ({question}): give {instead} instead.")
        self._put(f"{question} ")
        return self._answers.readline().strip()

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
