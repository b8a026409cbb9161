"""Where downloads and built models are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """INTELLISENSE_CACHE, else `.cache` beside the code."""
    return Path(os.environ.get("INTELLISENSE_CACHE") or Path(__file__).parent.parent / ".cache")
