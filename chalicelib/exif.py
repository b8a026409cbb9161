"""What EXIF says of a picture: which way is up, when, where and with what it was taken.

EXIF is decoration, written by anything: whatever is wrong with it, the picture is still good.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone
from typing import Any

from PIL import ExifTags, Image

from chalicelib.facts import Exposure, Location


def read(opened: Image.Image) -> Image.Exif | None:
    """The EXIF of `opened`; None where there is none that can be read."""
    try:
        return opened.getexif() or None
    except Exception:
        return None


def parse(block: bytes, *, taken: bytes = b"", place: bytes = b"") -> Image.Exif | None:
    """The EXIF in `block`, a TIFF; None where nothing in it can be read. `taken` and `place` are
    TIFFs of their own for what stands in the parts EXIF and GPS, where a file keeps them apart."""
    made = Image.Exif()
    try:
        made.load(block)
        for tag, part in ((ExifTags.IFD.Exif, taken), (ExifTags.IFD.GPSInfo, place)):
            if part and (found := parse(part)):
                made.get_ifd(tag).update({known: _tag(found, known) for known in found})
        return made or None
    except Exception:
        return None


def without_orientation(exif: Image.Exif | None) -> Image.Exif | None:
    """For a picture that stands upright whatever its EXIF says of it."""
    if exif is not None and ExifTags.Base.Orientation in exif:
        del exif[ExifTags.Base.Orientation]
    return exif


def _tag(exif: Image.Exif, tag: int) -> object:
    """Pillow decodes a tag when it is asked for, and raises all manner of things."""
    try:
        return exif.get(tag)
    except Exception:
        return None


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)
"""Orientations that swap width and height."""


def orientation(exif: Image.Exif | None) -> int:
    """1 to 8, as EXIF counts them; 1 is upright."""
    found = _tag(exif, ExifTags.Base.Orientation) if exif else None
    return found if isinstance(found, int) and found in _TURNS else 1


def upright(image: Image.Image, exif: Image.Exif | None) -> Image.Image:
    """`image` turned as EXIF says.

    Not `ImageOps.exif_transpose`: that writes the EXIF anew, and fails where it is broken.
    """
    turn = _TURNS.get(orientation(exif))
    return image if turn is None else image.transpose(turn)


def upright_box(
    box: tuple[float, float, float, float], size: tuple[int, int], exif: Image.Exif | None
) -> tuple[float, float, float, float]:
    """Where `upright` takes the (left, top, right, bottom) `box` of an image of that `size`."""
    left, top, right, bottom = box
    width, height = size
    number = orientation(exif)
    if number in SIDEWAYS:
        left, top, right, bottom, width, height = top, left, bottom, right, height, width
    if number in (2, 3, 6, 7):
        left, right = width - right, width - left
    if number in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return left, top, right, bottom


def _ifd(exif: Image.Exif, tag: int) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(tag))
    except Exception:
        return {}


def taken_at(exif: Image.Exif | None) -> datetime | None:
    """When the picture was taken, with the offset the camera wrote; else as if it were UTC."""
    if exif is None:
        return None
    details = _ifd(exif, ExifTags.IFD.Exif)
    for stamp, offset in (
        (details.get(ExifTags.Base.DateTimeOriginal), ExifTags.Base.OffsetTimeOriginal),
        (details.get(ExifTags.Base.DateTimeDigitized), ExifTags.Base.OffsetTimeDigitized),
        (_tag(exif, ExifTags.Base.DateTime), ExifTags.Base.OffsetTime),
    ):
        moment = _parse_stamp(stamp, details.get(offset))
        if moment is not None:
            return moment
    return None


def _parse_stamp(stamp: object, offset: object) -> datetime | None:
    """ "2019:05:04 12:30:00" and "+02:00"; without an offset the time is taken as UTC."""
    try:
        moment = datetime.strptime(str(stamp).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    text = str(offset or "").strip("\0 ")
    zone = timezone.utc
    if parts := re.fullmatch(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])", text):
        shift = timedelta(hours=int(parts[2]), minutes=int(parts[3]))
        zone = timezone(-shift if parts[1] == "-" else shift)
    return moment.replace(tzinfo=zone) if 1 < moment.year < 9999 else None


def camera(exif: Image.Exif | None) -> str:
    """Maker and model, the maker once: "Canon" and "Canon EOS 80D" are one name."""
    if exif is None:
        return ""
    make, model = (_words(_tag(exif, tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    if make and model.lower().startswith(make.lower().split()[0]):
        return model
    return f"{make} {model}".strip()


def _words(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(c for c in text if c.isprintable()).strip()[:100]


def lens(exif: Image.Exif | None) -> str:
    """The lens by its name, or by what it can do: "24-70mm f/2.8"; "" where neither is said."""
    details = _ifd(exif, ExifTags.IFD.Exif) if exif else {}
    named = _words(details.get(ExifTags.Base.LensModel))
    return named or _lens_by_reach(details.get(ExifTags.Base.LensSpecification))


def _lens_by_reach(parts: object) -> str:
    """Shortest and longest focal length, and the widest openings at these; 0/0 is "unknown"."""
    if not isinstance(parts, tuple) or len(parts) != 4:
        return ""
    short, long, wide, narrow = (
        _number(part, most) for part, most in zip(parts, _LENS_MOST, strict=True)
    )
    if short is None:
        return ""
    reach = f"{short:g}mm" if long in (None, short) else f"{short:g}-{long:g}mm"
    if wide is None:
        return reach
    return f"{reach} f/{wide:g}" if narrow in (None, wide) else f"{reach} f/{wide:g}-{narrow:g}"


_MOST_SECONDS, _MOST_F_NUMBER, _MOST_ISO, _MOST_FOCAL_MM = 86_400.0, 1000.0, 10_000_000, 10_000.0
_LENS_MOST = (_MOST_FOCAL_MM, _MOST_FOCAL_MM, _MOST_F_NUMBER, _MOST_F_NUMBER)
"""What lies above is a fault of the file, not a photograph."""

_ISO_TOO_HIGH_TO_SAY = 65_535
_ISO_TAGS = (
    ExifTags.Base.ISOSpeedRatings,
    ExifTags.Base.RecommendedExposureIndex,
    ExifTags.Base.ISOSpeed,
)
"""The first has 16 bits; where these do not do, the others tell (EXIF 2.32, 4.6.5)."""


def exposure(exif: Image.Exif | None) -> Exposure | None:
    """How the picture was exposed; None where the file says nothing of it that can be."""
    details = _ifd(exif, ExifTags.IFD.Exif) if exif else {}
    said = Exposure(
        seconds=_number(details.get(ExifTags.Base.ExposureTime), _MOST_SECONDS),
        f_number=_number(details.get(ExifTags.Base.FNumber), _MOST_F_NUMBER),
        iso=next((n for tag in _ISO_TAGS if (n := _iso(details.get(tag)))), None),
        focal_mm=_number(details.get(ExifTags.Base.FocalLength), _MOST_FOCAL_MM),
    )
    return None if said == Exposure() else said


def _iso(value: object) -> int | None:
    """Some cameras write the number twice."""
    number = _number(value[0] if isinstance(value, tuple) and value else value, _MOST_ISO)
    return None if number in (None, _ISO_TOO_HIGH_TO_SAY) else round(number or 0) or None


def _number(value: object, most: float) -> float | None:
    """`value` to six digits where it is above 0 and at most `most`."""
    try:
        number = float(f"{float(value):.6g}")  # type: ignore[arg-type]
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if 0 < number <= most else None


def location(exif: Image.Exif | None) -> Location | None:
    """Where the picture was taken; None where that is unknown, impossible or 0, 0."""
    if exif is None:
        return None
    gps = _ifd(exif, ExifTags.IFD.GPSInfo)
    lat = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "S")
    lon = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "W")
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180 or (lat == 0 and lon == 0):
        return None
    return Location(round(lat, 6), round(lon, 6))


def _degrees(parts: object, ref: object, negative: str) -> float | None:
    try:
        degrees, minutes, seconds = (float(p) for p in parts)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ArithmeticError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value):
        return None
    return -value if str(ref).strip("\0 ").upper() == negative else value
