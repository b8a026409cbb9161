"""Queries that a set of photos has no answer to."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from chalicelib.words import STOP_WORDS, tokens


def _listed(text: str) -> tuple[str, ...]:
    return tuple(" ".join(text.split()).split(", "))


ABSTRACT = _listed(
    """
justice, inflation, democracy, the theory of relativity, honesty, economic growth, yesterday,
philosophy, irony, nostalgia, bureaucracy, probability, grammar, the meaning of life,
capitalism, rumour, patience, interest rates, metaphysics, wisdom, causality, solidarity,
ambition, inheritance tax, trust, jealousy, algorithm, sovereignty, mathematics, truth,
infinity, guilt, the future, anarchy, free will, serendipity
"""
)
"""What nobody photographs. None is among the queries that a calibration is made with
(`models.calibrate_words.null_texts`), as a test holds."""

OUTSIDE = _listed(
    """
x-ray, ballet dancers, birthday party, newborn baby, fireworks, passport, credit card, snowman,
skateboarder, tattoo, cave painting, rainbow, lightning in the sky, the Milky Way, surgeon,
police officer, waterfall, bamboo forest, sand castle, bonfire, chess board, banknote, kiss,
crowd at a concert, handshake, world map, spreadsheet, bar chart, circuit diagram, mermaid,
dragon, robot, windmill, sushi, wedding cake, giraffe, dolphin, tulip field, cactus, palm tree,
staircase, tunnel, highway at night, yoga class, hair braid, ring on a finger, ultrasound scan,
fingerprint, graffiti, pyramid, igloo, ferris wheel, roller coaster, surfer, hospital ward,
classroom, tennis match, bamboo flute, graduation, portrait of an old man
"""
)
"""Things to see that few sets of labels have. Those that share a word with a label are not asked;
`--outside FILE` brings others."""

NONSENSE = 200

_SEED = 1
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def nonsense() -> list[str]:
    """200 times one to three strings of 4 to 10 random letters, always the same."""
    chance = random.Random(_SEED)
    return [
        " ".join(
            "".join(chance.choice(_LETTERS) for _ in range(chance.randint(4, 10)))
            for _ in range(chance.randint(1, 3))
        )
        for _ in range(NONSENSE)
    ]


def outside(labels: Iterable[str], source: Path | None = None) -> list[str]:
    """What is asked though no photo shows it: the lines of `source`, else those of `OUTSIDE` that
    share no word with any of `labels`."""
    if source is not None:
        lines = source.read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip()]
    known = {token for label in labels for token in tokens(label)} - STOP_WORDS
    return [query for query in OUTSIDE if known.isdisjoint(tokens(query))]
