"""The text in a picture: whether it may hold any, and what it says.

Importing this loads neither rapidocr nor onnxruntime, numpy or Pillow: only `TextReader`, in a
decoding child, loads them, at the first picture that may hold text.
"""

from chalicelib.ocr.identity import check_reading, text_model
from chalicelib.ocr.lines import MOST_CHARACTERS

__all__ = ["MOST_CHARACTERS", "check_reading", "text_model"]
