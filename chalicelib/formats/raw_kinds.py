"""Which camera RAW a file is, if any. Light: the API names uploads by it.

Most kinds are TIFFs whose first directory may be a picture of 160 pixels, so they must be known
before a TIFF is read as a TIFF. What tells them from plain ones is what they say of a sensor:
PhotometricInterpretation "colour filter array" (TIFF/EP, ISO 12234-2) or "linear raw" (DNG 1.7).
"""

from __future__ import annotations

from chalicelib.formats.raw_tiff import Ifd, directories

RAF_MAGIC = b"FUJIFILMCCD-RAW "
CR3_BRAND = b"crx "
PANASONIC_MAGIC = b"IIU\0"
OLYMPUS_MAGICS = (b"IIRO", b"IIRS", b"MMOR")

MAKE, PHOTOMETRIC, DNG_VERSION = 0x010F, 0x0106, 0xC612
_OF_A_SENSOR = (32803, 34892)

_BY_MAKER = {
    "nikon": "nef",
    "sony": "arw",
    "pentax": "pef",
    "ricoh": "pef",
    "olympus": "orf",
    "om digital": "orf",
    "panasonic": "rw2",
    "canon": "cr2",
}


def kind_of(data: bytes) -> str | None:
    """ "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf", "pef", "raw" (some other camera's);
    None for everything else."""
    if data.startswith(RAF_MAGIC):
        return "raf"
    if data[4:12] == b"ftyp" + CR3_BRAND:
        return "cr3"
    if data.startswith(PANASONIC_MAGIC):
        return "rw2"
    if data.startswith(OLYMPUS_MAGICS):
        return "orf"
    if not data.startswith((b"II*\0", b"MM\0*")):
        return None
    return "cr2" if data[8:10] == b"CR" else _kind_of_tiff(directories(data))


def _kind_of_tiff(ifds: list[Ifd]) -> str | None:
    if ifds and DNG_VERSION in ifds[0]:
        return "dng"
    if not any(is_of_a_sensor(ifd) for ifd in ifds):
        return None
    maker = next((text for ifd in ifds if (text := ifd.text(MAKE))), "").lower()
    return next((kind for name, kind in _BY_MAKER.items() if maker.startswith(name)), "raw")


def is_of_a_sensor(ifd: Ifd) -> bool:
    return ifd.number(PHOTOMETRIC) in _OF_A_SENSOR
