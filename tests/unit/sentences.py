"""Is this a sentence for a person, or has a programme's inside come through?"""

from __future__ import annotations

import re

_INSIDES = re.compile(
    r"[<>{}\\]|\b0x|\bb['\"]|Traceback|Exception|Error\b|\bNone|__|\.py\b|unpack"
    r"|\bobject (?:at|is|has|does)\b|\bstruct\b|\bself\b|\bnan\b|\berrno"
    r"|index out of range|subscriptable|invalid literal|/(home|tmp|usr|root|var|work)/",
    re.IGNORECASE,
)


def faults(message: str) -> list[str]:
    """What keeps `message` from being a sentence a person understands; empty when it is one."""
    found = []
    if not re.match(r"[A-Z]", message):
        found.append("does not begin with a capital letter")
    if not message.endswith("."):
        found.append("does not end with a full stop")
    if len(message) > 300:
        found.append("is too long")
    if len(message.split()) < 3:
        found.append("is too short")
    if not message.isprintable():
        found.append("has control characters")
    if inside := _INSIDES.search(message):
        found.append(f"speaks of the programme: {inside[0]!r}")
    return found
