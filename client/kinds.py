"""Which files are images, by their names."""

from __future__ import annotations

IMAGE_TYPES = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "image/png": ("png", "apng"),
    "image/webp": ("webp",),
    "image/gif": ("gif",),
    "image/bmp": ("bmp", "dib"),
    "image/tiff": ("tif", "tiff"),
    "image/heic": ("heic",),
    "image/heif": ("heif", "hif"),
    "image/avif": ("avif",),
    "image/jxl": ("jxl",),
    "image/x-adobe-dng": ("dng",),
    "image/x-canon-cr2": ("cr2",),
    "image/x-canon-cr3": ("cr3",),
    "image/x-nikon-nef": ("nef", "nrw"),
    "image/x-sony-arw": ("arw", "sr2", "srf"),
    "image/x-olympus-orf": ("orf",),
    "image/x-panasonic-rw2": ("rw2",),
    "image/x-fuji-raf": ("raf",),
    "image/x-pentax-pef": ("pef",),
    "image/x-dcraw": ("srw", "3fr", "erf", "mef"),
}
"""As the API has them; a test holds the two to each other."""

_BY_ENDING = {ending: kind for kind, endings in IMAGE_TYPES.items() for ending in endings}


def image_type(name: str) -> str | None:
    """The type of a file of this name; None where it is no image."""
    return _BY_ENDING.get(name.rpartition(".")[2].lower()) if "." in name else None
