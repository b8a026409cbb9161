"""The texts that a model is calibrated on: nouns that pictures show, and queries that none does."""

from __future__ import annotations

import random
from pathlib import Path

from chalicelib.errors import ModelError
from models.wheels import get_wheels, read_from_wheel

_LEMMAS = "timm/data/_info/imagenet_synset_to_lemma.txt"
_SYNSETS = "timm/data/_info/imagenet12k_synsets.txt"

_SEED = 31
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxz", "aeiou"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

_ABSTRACT = """\
ability absence advantage agreement ambiguity analogy anxiety apology appetite approval assumption
relevance autonomy awareness bankruptcy belief benefit bias blame brevity budget capability caution
certainty chance clarity coincidence commitment comparison compassion compromise concept concern
conclusion confidence conscience consensus consequence consent context contradiction copyright
criticism currency custom decision deficit definition delay desire dilemma diligence discipline
doubt duration efficiency effort emphasis equality essence ethics evidence excuse explanation fame
fate finance forgiveness frequency gossip guarantee habit heritage hypothesis identity ideology
ignorance imagination incentive independence inference influence insight instinct integrity
intention intuition judgment justification legacy liability logic loyalty maturity hindsight mercy
merit metaphor motivation necessity negligence obligation opinion optimism overtime pessimism
possibility precision prejudice principle privilege procedure purpose randomness reluctance
reputation satisfaction scarcity secrecy sincerity tendency tradition urgency validity warranty"""


def nouns(cache: Path, wheels: Path | None = None) -> list[str]:
    """About 11,000 names of things, each once: the first lemma of each WordNet synset that has
    pictures enough in ImageNet for timm to train on (its ImageNet-12k).

    They come from the pinned timm wheel in `wheels`, else in `cache`/wheels, where pip puts it.
    Raises as `get_wheels` does, ModelError where the wheel holds something else.
    """
    wheel = get_wheels(cache / "wheels", wheels, only=("timm",))["timm"]
    lemmas = read_from_wheel(wheel, _LEMMAS).decode("utf-8").splitlines()
    by_synset = dict(line.split("\t", 1) for line in lemmas if "\t" in line)
    synsets = read_from_wheel(wheel, _SYNSETS).decode("ascii").split()
    try:
        first = [by_synset[synset].split(",")[0].strip() for synset in synsets]
    except KeyError as error:
        raise ModelError(f"{wheel.name} has no name for the synset {error}") from error
    return list(dict.fromkeys(noun for noun in first if noun))


def null_texts() -> list[str]:
    """250 queries that no picture answers: random strings and abstract nouns, always the same."""
    abstract, rng = _ABSTRACT.split(), random.Random(_SEED)
    return [*(_random_string(rng) for _ in abstract), *abstract]


def _random_string(rng: random.Random) -> str:
    return " ".join(_random_word(rng) for _ in range(rng.choice((1, 1, 2, 3))))


def _random_word(rng: random.Random) -> str:
    """Letters as they come, syllables as in an unknown language, or letters and digits."""
    length, kind = rng.randint(3, 10), rng.random()
    if kind < 0.5:
        return "".join(rng.choice(_LETTERS) for _ in range(length))
    if kind < 0.85:
        return "".join(
            rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(length // 2 + 1)
        )
    return "".join(rng.choice(_LETTERS + "0123456789") for _ in range(length))
