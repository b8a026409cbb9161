"""What the index of a model is called, in every store."""

from __future__ import annotations

import hashlib
import re

PREFIX = "images-"

_LONGEST = 60
"""Of the name; with the rest it stays far below what stores take (OpenSearch: 255 bytes)."""


def index_name(name: str, fingerprint: str) -> str:
    """`images-<name>-<fingerprint>` for the model called `name`: lower-case letters, digits and
    "._-". A name that has to be changed for that gets a mark of its own, so that two models never
    share an index; `fingerprint` must be letters and digits."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower())[:_LONGEST]
    if plain != name:
        plain += "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{PREFIX}{plain}-{fingerprint}"


def fingerprint_in(index: str) -> str:
    """The fingerprint of the model whose index is called `index`."""
    return index.rpartition("-")[2]
