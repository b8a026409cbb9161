"""How texts become tokens in a Hugging Face folder: by `model_type` and the tokenizer's files.

Sources: transformers' SiglipTokenizer and Siglip2Tokenizer (cleaning, padding id), Siglip2Processor
and google's conversion scripts (padding to `max_length` on the right, no attention mask).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chalicelib.clip.searchconfig import SearchConfig
from chalicelib.clip.spec import Cleaning, TextSpec, whole, wrong
from chalicelib.clip.tokenizerfile import MAX_LENGTH, TokenizerFile

CLIP_TOKENS, SIGLIP_TOKENS, JINA_TOKENS = 77, 64, 8192
"""What Hugging Face leaves out of config.json (CLIPTextConfig, SiglipTextConfig), and the length
Jina CLIP's text towers were trained to; they have no table of positions."""

_DEFAULT_TOKENS = {"siglip": SIGLIP_TOKENS, "siglip2": SIGLIP_TOKENS, "jina_clip": JINA_TOKENS}
_ROBERTA = ("roberta", "xlm-roberta", "camembert")
"""Their positions start after the padding token's id, 1: two rows of the table are not used."""

_CANONICALISE_BY = "SiglipTokenizer"
_LOWER_BY = ("GemmaTokenizer", "Siglip2Tokenizer")


def hf_text(folder: Path, config: dict[str, Any], search: SearchConfig) -> TextSpec:
    """The text rules. Raises ModelError naming file and field where they clash."""
    kind = config["model_type"]
    files = TokenizerFile(folder)
    padded = kind in ("siglip", "siglip2")
    cleaning: Cleaning = _siglip_cleaning(files) if padded else "none"
    default_pad = {"canonicalise": "</s>", "lower": "<pad>"}.get(cleaning, "<|endoftext|>")
    if padded:
        files.check_right_padding()
    if kind != "conse":
        files.check_frame(padded=padded)
    if search.language:
        files.check_language(search.language)
    return TextSpec(
        tokenizer=files.path,
        max_tokens=_length(config, files),
        pad_id=files.pad_id(default_pad),
        padded=padded,
        cleaning=cleaning,
        language_prefix=search.language,
    )


def _length(config: dict[str, Any], files: TokenizerFile) -> int:
    tower = config.get("text_config", {})
    if not isinstance(tower, dict):
        raise wrong("config.json", "text_config", "is not an object")
    field = "text_config.max_position_embeddings"
    positions = tower.get("max_position_embeddings")
    if positions is None:
        positions = _DEFAULT_TOKENS.get(config["model_type"], CLIP_TOKENS)
    elif tower.get("model_type") in _ROBERTA:
        positions = whole("config.json", field, positions, MAX_LENGTH) - 2
    most = whole("config.json", field, positions, MAX_LENGTH)
    return min(most, files.max_length() or most)


def _siglip_cleaning(files: TokenizerFile) -> Cleaning:
    """SigLIP's tokenizer drops punctuation in Python; SigLIP 2's, Gemma's, makes small letters.

    Both have model_type "siglip" where the resolution is fixed, so the tokenizer tells them apart.
    Where tokenizer.json does the same by itself, doing it twice changes nothing.
    """
    if files.named == _CANONICALISE_BY or (not files.named and files.kind == "Unigram"):
        if files.said("do_lower_case", True) is not True:
            raise wrong("tokenizer_config.json", "do_lower_case", "must be true for SigLIP")
        return "canonicalise"
    if files.named in _LOWER_BY or (not files.named and files.kind == "BPE"):
        return "lower"
    if files.kind in ("Unigram", "BPE"):
        return "canonicalise" if files.kind == "Unigram" else "lower"
    why = f"{files.kind!r} is neither SigLIP's (Unigram) nor SigLIP 2's (BPE)"
    raise wrong("tokenizer.json", "model.type", why)
