"""Decoding in child processes that may die without harm: `DecoderPool`."""

from chalicelib.decoding.pool import DecoderPool, Prepared
from chalicelib.decoding.process import Limits
from chalicelib.gate import Gate

DECODER_VERSION = 2
"""Raised when `images.py` starts to read what it rejected before; reconcile then tries again."""

__all__ = ["DECODER_VERSION", "DecoderPool", "Gate", "Limits", "Prepared"]
