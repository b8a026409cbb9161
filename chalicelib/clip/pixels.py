"""From an upright picture to the numbers a vision tower takes.

Child processes that decode import this module, so it needs Pillow and numpy only.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from chalicelib.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Mode = Literal["shortest", "squash"]
Halving = Literal["floor", "even"]
Interpolation = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]

INTERPOLATIONS: tuple[Interpolation, ...] = (
    "nearest",
    "lanczos",
    "bilinear",
    "bicubic",
    "box",
    "hamming",
)
"""In the order of Pillow's `Image.Resampling` numbers, which `resample` in HF's JSON holds."""

MAX_SIDE = 2048
"""No published CLIP takes more than 1,024 pixels a side; a larger number is a broken file."""

WHOLE_RESIZE_UP_TO = 50
"""Pictures longer than this many times their width are cut before they are resized, since the
resized whole (20,000 × 1 gives 4,480,000 × 224) would take gigabytes. Up to it the whole is
resized, as the reference does; cutting first may differ by one level in rare pixels."""

_REACH = 4
"""Source pixels, times the scale, a filter may look beyond the cut; Lanczos reaches 3."""


PIXELS_AT_A_TIME = 96_000_000
PIXELS_A_WORKER = 16_000_000


@dataclass(frozen=True, slots=True)
class PixelSpec:
    """How a model wants its pictures.

    `mode` "shortest" brings the shorter side to `size` pixels, "squash" both sides; then the
    middle `crop` × `crop` pixels are kept. `mean` and `std` are per channel, of values in 0 to 1.
    `halving` says where the middle starts when an odd number of pixels is left over: "floor" at
    `(side − crop) // 2` (Hugging Face's processors), "even" at the even one of the two halves
    (Python's `round`, in torchvision's CenterCrop, and so in open_clip).
    """

    mode: Mode
    size: int
    crop: int
    interpolation: Interpolation
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    halving: Halving = "floor"

    def __post_init__(self) -> None:
        if self.mode not in ("shortest", "squash"):
            raise ModelError(f"mode {self.mode!r} is neither 'shortest' nor 'squash'", field="mode")
        if self.halving not in ("floor", "even"):
            raise ModelError(
                f"halving {self.halving!r} is neither 'floor' nor 'even'", field="halving"
            )
        if self.interpolation not in INTERPOLATIONS:
            known = ", ".join(INTERPOLATIONS)
            raise ModelError(
                f"interpolation {self.interpolation!r} is not one of {known}", field="interpolation"
            )
        if not 1 <= self.crop <= self.size <= MAX_SIDE:
            raise ModelError(
                f"crop {self.crop} and size {self.size} must be 1 to {MAX_SIDE} pixels, "
                "and crop no larger than size",
                field="crop",
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(math.isfinite(v) for v in values):
                raise ModelError(f"{name} must be three finite numbers", field=name)
        if min(self.std) <= 0:
            raise ModelError("std must be above 0", field="std")

    def to_json(self) -> dict[str, Any]:
        """A dict that `json.dumps` takes and `from_json` gives back as an equal PixelSpec."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> PixelSpec:
        """The PixelSpec that `to_json` made this dict of; raises ModelError on any other."""
        try:
            return cls(
                mode=value["mode"],
                size=int(value["size"]),
                crop=int(value["crop"]),
                interpolation=value["interpolation"],
                mean=_three(value["mean"]),
                std=_three(value["std"]),
                halving=value.get("halving", "floor"),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(f"not a pixel specification: {error!r}") from error


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


class Whole(NamedTuple):
    """The picture that a smaller image was made of: its width and height in pixels, and the box
    (left, top, right, bottom) that it fills in the image, not always to its last pixels."""

    width: int
    height: int
    box: tuple[float, float, float, float]


def pixel_budget(workers: int) -> int:
    """Pixels that so many workers may hold decoded at a time, at four bytes or more each: some
    photos of a telephone, or one of the largest pictures."""
    return max(PIXELS_AT_A_TIME, PIXELS_A_WORKER * workers)


def to_pixels(image: Image, spec: PixelSpec, whole: Whole | None = None) -> NDArray[np.uint8]:
    """Resize and crop an RGB picture: uint8 of shape [crop, crop, 3].

    The same pixels as Hugging Face's CLIPImageProcessor (the PIL one) and torchvision's Resize and
    CenterCrop (on PIL pictures) make: in both the longer side is `int(size × long / short)`; the
    crop starts as `PixelSpec.halving` says. With `whole` sizes are reckoned from it, and only the
    crop is resized, which is faster and may differ by one level in rare pixels.
    """
    import numpy as np
    from PIL.Image import Resampling

    if image.mode != "RGB":
        raise ValueError(f"to_pixels takes RGB pictures, not {image.mode}")
    method = Resampling(INTERPOLATIONS.index(spec.interpolation))
    given = whole or Whole(image.width, image.height, (0, 0, image.width, image.height))
    width, height = _resized(given.width, given.height, spec)
    left, top = _start(width, spec), _start(height, spec)
    if whole is None and max(width, height) <= WHOLE_RESIZE_UP_TO * min(width, height):
        resized = image.resize((width, height), method)
        cut = resized.crop((left, top, left + spec.crop, top + spec.crop))
    else:
        from_left, from_top, to_right, to_bottom = given.box
        x = from_left, (to_right - from_left) / width
        y = from_top, (to_bottom - from_top) / height
        x0, x1, from_x, to_x = _source_span(image.width, *x, left, spec.crop)
        y0, y1, from_y, to_y = _source_span(image.height, *y, top, spec.crop)
        part = image.crop((x0, y0, x1, y1))
        cut = part.resize((spec.crop, spec.crop), method, box=(from_x, from_y, to_x, to_y))
    return np.array(cut, dtype=np.uint8)


def _resized(width: int, height: int, spec: PixelSpec) -> tuple[int, int]:
    if spec.mode == "squash":
        return spec.size, spec.size
    short, long = sorted((width, height))
    longer = int(spec.size * long / short)
    return (spec.size, longer) if width <= height else (longer, spec.size)


def _start(side: int, spec: PixelSpec) -> int:
    over = side - spec.crop
    return over // 2 if spec.halving == "floor" else round(over / 2)


def _source_span(
    source: int, origin: float, scale: float, start: int, crop: int
) -> tuple[int, int, float, float]:
    """Which source pixels make resized pixels `start` to `start + crop`, along one side.

    The side has `source` pixels; the first resized one starts at `origin` and is `scale` long.
    Gives the span to cut, with room for the filter to look beyond, and the exact span within
    the cut. Counting from the cut keeps the numbers small: Pillow holds a box in 32-bit floats.
    """
    first, last = origin + start * scale, origin + (start + crop) * scale
    reach = math.ceil(_REACH * max(scale, 1.0))
    cut_first = max(0, math.floor(first) - reach)
    cut_last = min(source, math.ceil(last) + reach)
    return cut_first, cut_last, first - cut_first, min(last, source) - cut_first


def normalise(pixels: NDArray[np.uint8], spec: PixelSpec) -> NDArray[np.float32]:
    """What the vision tower takes: uint8 [N, H, W, 3] → float32 [N, 3, H, W].

    (value / 255 − mean) / std, computed in float32 as the reference does, once for each of the
    256 values.
    """
    import numpy as np

    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
        raise ValueError(f"pixels must be uint8 [N, H, W, 3], not {pixels.dtype} {pixels.shape}")
    values = (np.arange(256) / 255).astype(np.float32)
    out = np.empty((len(pixels), 3, *pixels.shape[1:3]), np.float32)
    for channel in range(3):
        mean, std = np.float32(spec.mean[channel]), np.float32(spec.std[channel])
        np.take((values - mean) / std, pixels[..., channel], out=out[:, channel], mode="clip")
    return out
