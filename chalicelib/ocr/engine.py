"""rapidocr, held to what is wanted of it: no network, no output, one thread.

The models are those of its wheel, named by their paths: without paths it would download.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.errors import ConfigurationError
from chalicelib.ocr.identity import recognisers
from chalicelib.ocr.lines import Box

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_DETECTOR = "PP-OCRv6_det_small.onnx"
_RECOGNISER = "PP-OCRv6_rec_small.onnx"

_SETTINGS: dict[str, Any] = {
    "Global.log_level": "critical",
    # Pictures come in the size that is wanted.
    "Global.use_preprocess_img": False,
    "Det.limit_type": "max",
    "Det.limit_side_len": 1 << 20,
    # One picture a child: more threads only cost address space, as an arena does.
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "EngineConfig.onnxruntime.enable_cpu_mem_arena": False,
}
_FLAGS = {"use_det": False, "use_cls": False, "use_rec": False}
"""rapidocr remembers what a call was given, so each call is given all of them."""


class Engine:
    """Where lines of text are, and what one says. Loads each model when it is first used."""

    def __init__(self, folder: str = "") -> None:
        import cv2

        cv2.setNumThreads(1)
        models = _wheel_models()
        self._detector = _rapidocr(models / _DETECTOR, models / _RECOGNISER)
        self._recognisers = [
            self._detector,
            *(_rapidocr(models / _DETECTOR, model) for model in recognisers(folder)),
        ]

    def find(self, image: Image) -> list[Box]:
        """The lines of text in `image` (RGB), in no order."""
        result = self._detector(_bgr(image), **{**_FLAGS, "use_det": True})
        if result.boxes is None:
            return []
        return [Box(tuple((float(x), float(y)) for x, y in box)) for box in result.boxes]

    def read(self, image: Image, box: Box) -> tuple[str, float]:
        """What the line in `box` of `image` says, and how sure that is (0 to 1).

        With several recognisers, each of which knows other scripts, the surest counts.
        """
        line = _bgr(_cut_out(image, box))
        return max((_read(each, line) for each in self._recognisers), key=lambda said: said[1])


def _read(recogniser: Any, line: NDArray[np.uint8]) -> tuple[str, float]:
    result = recogniser(line, **{**_FLAGS, "use_rec": True})
    return (str(result.txts[0]), float(result.scores[0])) if result.txts else ("", 0.0)


def _rapidocr(detector: Path, recogniser: Path) -> Any:
    from rapidocr import RapidOCR

    dictionary = recogniser.with_suffix(".txt")
    paths = {"Det.model_path": str(detector), "Rec.model_path": str(recogniser)}
    if dictionary.exists():
        paths["Rec.rec_keys_path"] = str(dictionary)
    elif not _knows_its_characters(recogniser):
        # rapidocr would go and fetch some dictionary.
        raise ConfigurationError(
            f"{recogniser} names no characters. Put its dictionary beside it, as {dictionary.name}."
        )
    return RapidOCR(params={**_SETTINGS, **paths})


@functools.cache
def _wheel_models() -> Path:
    found = importlib.util.find_spec("rapidocr")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "models"


def _knows_its_characters(recogniser: Path) -> bool:
    """Whether the model carries its dictionary: metadata `character`, one a line."""
    if recogniser.parent == _wheel_models():
        return True
    from onnxruntime import InferenceSession

    session = InferenceSession(str(recogniser), providers=["CPUExecutionProvider"])
    return "character" in session.get_modelmeta().custom_metadata_map


def _cut_out(image: Image, box: Box) -> Image:
    """The line, lying straight; one that stands upright is laid down, its top to the left."""
    from PIL.Image import Resampling, Transform

    top_left, top_right, bottom_right, bottom_left = box.corners
    size = max(1, round(box.width)), max(1, round(box.height))
    quad = (*top_left, *bottom_left, *bottom_right, *top_right)
    line = image.transform(size, Transform.QUAD, quad, Resampling.BICUBIC)
    # As PP-OCR does: from half as high again as wide, letters stand one below the other or askew.
    return line.rotate(90, expand=True) if line.height >= 1.5 * line.width else line


def _bgr(image: Image) -> NDArray[np.uint8]:
    """uint8 [height, width, 3], blue first, as OpenCV has it."""
    import numpy as np

    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
