"""CLIP's own tokenizer.json, from the list of merges that OpenAI published."""

from __future__ import annotations

import json
from pathlib import Path

from models.cache import cache_folder
from models.clip_bpe import read_merges, tokenizer_json
from models.wheels import get_wheels, read_from_wheel


def write_tokenizer(folder: Path) -> None:
    """Write `folder`/tokenizer.json; the merges come from the wheel of open_clip_torch."""
    wheel = get_wheels(cache_folder() / "wheels")["open-clip-torch"]
    merges = read_merges(read_from_wheel(wheel, "open_clip/bpe_simple_vocab_16e6.txt.gz"))
    known = tokenizer_json(merges)
    # As the published file has them; the newer way takes 3.6 MB instead of 2.2.
    known["model"]["merges"] = [" ".join(merge) for merge in merges]
    text = json.dumps(known, ensure_ascii=False, indent=2)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
