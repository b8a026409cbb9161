"""Bytes → upright sRGB pixels, whatever the bytes."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pylibjxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from chalicelib import images
from chalicelib.copies import HASH_DIGITS, MAX_BITS, Marks, judge
from chalicelib.errors import Permanent, TooLarge, UnreadableImage
from tests.unit import raws
from tests.unit.heic import heic, heic_grid
from tests.unit.pictures import (
    FIRST_ROW_AND_COLUMN,
    QUARTERS,
    bmp,
    distance,
    encoded,
    exif,
    png,
    quarters,
    scene,
    stored_as,
    tiff,
)
from tests.unit.sentences import faults

SCENE = scene(96, 64)
OTHER = scene(96, 64, seed=9)


def opened(data: bytes) -> Image.Image:
    return images.open_upright(data).image


def attempt(data: bytes, **limits: int) -> Image.Image | Permanent:
    """The picture, or the error it is refused with; any other error fails the test."""
    try:
        return images.open_upright(data, **limits).image
    except Permanent as error:
        return error


def well_refused_or_read(data: bytes, **limits: int) -> bool:
    tried = attempt(data, **limits)
    return isinstance(tried, Image.Image) or faults(tried.message) == []


def refusal(data: bytes, **limits: int) -> Permanent:
    """The error that both ways in raise; a picture let through fails the test."""
    with pytest.raises(Permanent) as open_error:
        images.open_upright(data, **limits)
    assert faults(open_error.value.message) == []
    return open_error.value


# --- formats ----------------------------------------------------------------------------------

Maker = Callable[[Image.Image], bytes]


def _saved(format: str, **options: object) -> Maker:
    return lambda image: encoded(image, format, **options)


def _palette(image: Image.Image) -> bytes:
    return encoded(image.quantize(256), "PNG")


def inks(image: Image.Image) -> NDArray[np.uint8]:
    """`image` in cyan, magenta, yellow and as much black as goes: [H, W, 4]."""
    light = np.asarray(image).astype(np.float64)
    brightest = np.maximum(light.max(axis=2, keepdims=True), 1)
    colours = 255 - light * 255 / brightest
    return np.concatenate([colours, 255 - brightest], axis=2).round().astype(np.uint8)


def cmyk(image: Image.Image) -> bytes:
    """Of the polarity of Adobe's programs, as Pillow and they write it."""
    data = encoded(Image.frombytes("CMYK", image.size, inks(image).tobytes()), "JPEG", quality=95)
    assert b"Adobe" in data
    return data


def ycck(image: Image.Image) -> bytes:
    """The same with cyan, magenta and yellow turned into brightness and colour: what Adobe's
    programs write by default (Adobe Technical Note 5116, transform 2)."""
    stored = inks(image)
    turned = Image.fromarray(np.ascontiguousarray(stored[:, :, :3])).convert("YCbCr")
    planes = np.concatenate([np.asarray(turned), 255 - stored[:, :, 3:]], axis=2)
    raw = (255 - planes).tobytes()
    data = bytearray(encoded(Image.frombytes("CMYK", image.size, raw), "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def tiled_tiff(image: Image.Image) -> bytes:
    side = 32
    tiles = tuple(
        image.crop((x, y, x + side, y + side)).tobytes()
        for y in range(0, image.height, side)
        for x in range(0, image.width, side)
    )
    tags = raws.strip_preview(b"", image.size, compression=1) | {
        raws.PHOTOMETRIC: (raws.SHORT, [2]),
        0x142: (raws.SHORT, [side]),
        0x143: (raws.SHORT, [side]),
        0x144: raws.Blobs(tiles),
        0x145: (raws.LONG, [len(tile) for tile in tiles]),
    }
    for strips in (raws.STRIPS, raws.STRIP_BYTES, raws.ROWS, raws.SUBFILE):
        del tags[strips]
    return raws.tiff_of(tags)


def deep_tiff(image: Image.Image) -> bytes:
    """RGB of 16 bits a sample."""
    strip = (np.asarray(image).astype("<u2") * 257).tobytes()
    tags = raws.strip_preview(strip, image.size, compression=1)
    del tags[raws.SUBFILE]
    tags |= {raws.BITS: (raws.SHORT, [16] * 3), raws.PHOTOMETRIC: (raws.SHORT, [2])}
    return raws.tiff_of(tags)


def jxl(image: Image.Image, **options: Any) -> bytes:
    data: bytes = pylibjxl.encode(np.asarray(image), **options)
    return data


def jxl_of_jpeg(data: bytes) -> bytes:
    """A JPEG packed anew without loss, as libjxl does: EXIF and the way it is turned with it."""
    packed: bytes = pylibjxl.jpeg_to_jxl(data)
    return packed


FORMATS: dict[str, tuple[str, float, Maker]] = {
    "baseline JPEG": ("jpeg", 4, _saved("JPEG", quality=95)),
    "progressive JPEG": ("jpeg", 4, _saved("JPEG", quality=95, progressive=True)),
    "arithmetic-free grey JPEG": ("jpeg", 60, lambda i: encoded(i.convert("L"), "JPEG")),
    "CMYK JPEG": ("jpeg", 4, lambda i: encoded(i.convert("CMYK"), "JPEG", quality=95)),
    "CMYK JPEG with black": ("jpeg", 4, cmyk),
    "YCCK JPEG": ("jpeg", 6, ycck),
    "MPO": ("jpeg", 4, _saved("MPO", quality=95, save_all=True, append_images=[OTHER])),
    "PNG": ("png", 0, _saved("PNG")),
    "palette PNG": ("png", 8, _palette),
    "APNG": ("png", 0, _saved("PNG", save_all=True, append_images=[OTHER])),
    "lossless WebP": ("webp", 0, _saved("WEBP", lossless=True)),
    "lossy WebP": ("webp", 6, _saved("WEBP", quality=95)),
    "animated WebP": (
        "webp",
        0,
        _saved("WEBP", lossless=True, save_all=True, append_images=[OTHER]),
    ),
    "GIF": ("gif", 12, _saved("GIF")),
    "animated GIF": ("gif", 12, _saved("GIF", save_all=True, append_images=[OTHER])),
    "BMP": ("bmp", 0, _saved("BMP")),
    "TIFF": ("tiff", 0, _saved("TIFF")),
    "LZW TIFF": ("tiff", 0, _saved("TIFF", compression="tiff_lzw")),
    "deflated TIFF": ("tiff", 0, _saved("TIFF", compression="tiff_deflate")),
    "CMYK TIFF": ("tiff", 1, lambda i: encoded(i.convert("CMYK"), "TIFF")),
    "tiled TIFF": ("tiff", 0, tiled_tiff),
    "16-bit colour TIFF": ("tiff", 1, deep_tiff),
    "JPEG in TIFF": ("tiff", 6, _saved("TIFF", compression="jpeg", quality=95)),
    "multi-page TIFF": ("tiff", 0, _saved("TIFF", save_all=True, append_images=[OTHER])),
    "AVIF": ("avif", 8, _saved("AVIF", quality=95)),
    "animated AVIF": ("avif", 8, _saved("AVIF", quality=95, save_all=True, append_images=[OTHER])),
    "HEIC": ("heif", 6, heic),
    "HEIC of tiles": ("heif", 6, heic_grid),
    "JPEG XL": ("jxl", 8, jxl),
    "lossless JPEG XL": ("jxl", 0, lambda i: jxl(i, lossless=True)),
    "JPEG in JPEG XL": ("jxl", 4, lambda i: jxl_of_jpeg(encoded(i, "JPEG", quality=95))),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_opens_as_its_first_frame_in_rgb(name: str) -> None:
    kind, tolerance, make = FORMATS[name]
    picture = images.open_upright(make(SCENE))
    assert picture.format == kind
    assert picture.image.mode == "RGB"
    assert distance(picture.image, SCENE) <= tolerance
    assert distance(picture.image, OTHER) > distance(picture.image, SCENE)


@pytest.mark.parametrize("name", FORMATS)
def test_the_header_tells_format_and_size_of_every_format(name: str) -> None:
    kind, _, make = FORMATS[name]
    assert images.read_header(make(SCENE)) == images.Header(kind, 96, 64)


def test_a_heic_picture_keeps_every_grey_but_for_rounding() -> None:
    values = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    pixels = np.asarray(opened(heic(Image.fromarray(values).convert("RGB")))).astype(int)
    assert np.abs(pixels - values[:, :, None]).max() <= 1


def test_a_heic_of_ten_bits_keeps_every_grey_but_for_rounding() -> None:
    values = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    data = heic(Image.fromarray(values).convert("RGB"), depth=10)
    pixels = np.asarray(opened(data)).astype(int)
    assert np.abs(pixels - values[:, :, None]).max() <= 1


def test_a_heic_of_other_even_sizes_is_cut_to_what_it_says() -> None:
    image = scene(70, 50)
    assert distance(opened(heic(image)), image) < 8


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_the_brands_of_heif_are_one_format(brand: bytes) -> None:
    assert images.read_header(heic(SCENE, brand=brand)).format == "heif"


def test_sixteen_bit_grey_png_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    grey = np.asarray(opened(encoded(Image.fromarray(ramp), "PNG")))[:, :, 0]
    assert np.abs(grey.astype(int) - (ramp >> 8)).max() == 0


def test_sixteen_bit_grey_tiff_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    grey = np.asarray(opened(encoded(Image.fromarray(ramp), "TIFF")))[:, :, 0]
    assert np.abs(grey.astype(int) - (ramp >> 8)).max() == 0


def test_sixteen_bit_colour_png_is_scaled_not_clipped() -> None:
    row = b"\0" + struct.pack(">6H", 65535, 32768, 0, 257, 65535, 4096)
    pixels = np.asarray(opened(png(2, 1, 16, 2, row)))
    assert np.abs(pixels[0].astype(int) - [[255, 128, 0], [1, 255, 16]]).max() <= 1


def test_grey_of_32_bits_is_scaled_by_16_and_small_values_are_taken_as_they_are() -> None:
    wide = Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.int32))
    small = Image.fromarray(np.array([[0, 128, 255]], dtype=np.int32))
    for image in (wide, small):
        grey = np.asarray(opened(encoded(image, "TIFF")))[0, :, 0]
        assert grey.tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 127, 255]),
        ([0.0, 510.0, 1020.0], [0, 127, 255]),
        ([-5, 99, 9], [0, 99, 9]),
    ],
    ids=["0 to 1", "above 255", "0 to 255"],
)
def test_grey_of_floats_is_brought_to_eight_bits(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.float32))
    assert np.asarray(opened(encoded(image, "TIFF")))[0, :, 0].tolist() == expected


def test_floats_that_are_no_numbers_are_black() -> None:
    image = Image.fromarray(np.array([[np.nan, np.inf, -np.inf, 200]], dtype=np.float32))
    assert np.asarray(opened(encoded(image, "TIFF")))[0, :, 0].tolist() == [0, 0, 0, 200]


def test_one_bit_pictures_open_black_and_white() -> None:
    image = Image.new("1", (8, 8))
    image.paste(1, (4, 0, 8, 8))
    pixels = np.asarray(opened(encoded(image, "TIFF", compression="group4")))
    assert pixels[0, :, 0].tolist() == [0] * 4 + [255] * 4


# --- transparency -----------------------------------------------------------------------------


def _see_through() -> Image.Image:
    image = Image.new("RGBA", (4, 1), (200, 0, 0, 255))
    image.putpixel((1, 0), (200, 0, 0, 0))
    image.putpixel((2, 0), (0, 0, 0, 128))
    return image


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_transparency_falls_on_white(format: str) -> None:
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    pixels = np.asarray(opened(encoded(_see_through(), format, **options)))[0]
    assert np.abs(pixels.astype(int) - [[200, 0, 0], [255] * 3, [127] * 3, [200, 0, 0]]).max() <= 1


def test_grey_with_transparency_falls_on_white() -> None:
    image = Image.new("LA", (2, 1), (10, 255))
    image.putpixel((1, 0), (10, 0))
    pixels = np.asarray(opened(encoded(image, "PNG")))
    assert pixels[0].tolist() == [[10] * 3, [255] * 3]


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_a_transparent_palette_entry_falls_on_white(format: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 200, 0, 200, 0])
    image.putpixel((1, 0), 1)
    pixels = np.asarray(opened(encoded(image, format, transparency=1)))
    assert pixels[0].tolist() == [[0, 0, 200], [255] * 3]


def test_a_transparent_colour_of_an_rgb_png_falls_on_white() -> None:
    row = b"\0" + bytes((1, 2, 3, 200, 100, 50))
    data = png(2, 1, 8, 2, row, (b"tRNS", struct.pack(">3H", 1, 2, 3)))
    assert np.asarray(opened(data))[0].tolist() == [[255] * 3, [200, 100, 50]]


def test_a_transparent_grey_of_sixteen_bits_falls_on_white() -> None:
    row = b"\0" + struct.pack(">2H", 4660, 25600)
    data = png(2, 1, 16, 0, row, (b"tRNS", struct.pack(">H", 4660)))
    assert np.asarray(opened(data))[0].tolist() == [[255] * 3, [100] * 3]


# --- which way is up --------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", FIRST_ROW_AND_COLUMN)
@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 3),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("TIFF", {}, 0),
        ("AVIF", {"quality": 95}, 8),
    ],
)
def test_pictures_are_turned_upright(
    format: str, options: dict[str, object], tolerance: float, orientation: int
) -> None:
    stored = stored_as(quarters(), orientation)
    data = encoded(stored, format, exif=exif({0x0112: orientation}), **options)
    picture = opened(data)
    assert picture.size == (64, 48)
    assert distance(picture, quarters()) <= tolerance


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("mirror", [None, 0, 1])
def test_a_heic_is_turned_as_its_container_says(turn: int, mirror: int | None) -> None:
    values = np.rot90(np.asarray(quarters()), turn)
    if mirror is not None:
        values = values[::-1] if mirror == 0 else values[:, ::-1]
    expected = Image.fromarray(np.ascontiguousarray(values))
    assert distance(opened(heic(quarters(), turn=turn, mirror=mirror)), expected) < 2


def test_a_heic_is_not_turned_twice_when_exif_says_the_same() -> None:
    block = exif({0x0112: 6}).tobytes().removeprefix(b"Exif\0\0")
    expected = Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(quarters()), 3)))
    assert distance(opened(heic(quarters(), turn=3, exif=block)), expected) < 2


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_means_nothing_changes_nothing(orientation: int) -> None:
    data = encoded(quarters(), "PNG", exif=exif({0x0112: orientation}))
    assert distance(opened(data), quarters()) == 0


# --- colour profiles --------------------------------------------------------------------------


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_with_red_and_blue_changed_over() -> bytes:
    return (
        srgb_profile()
        .replace(b"rXYZ", b"????", 1)
        .replace(b"bXYZ", b"rXYZ", 1)
        .replace(b"????", b"bXYZ", 1)
    )


def linear_grey_profile() -> bytes:
    """ICC.1:2001-04: a header, a white point, and a straight line for a curve."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    offset = 128 + 4 + 2 * 12
    table = struct.pack(">I", 2) + b"".join(
        [
            b"wtpt" + struct.pack(">II", offset, len(white)),
            b"kTRC" + struct.pack(">II", offset + len(white), len(curve)),
        ]
    )
    size = offset + len(white) + len(curve)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + white + curve


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_colours_are_brought_to_srgb_by_the_profile(format: str) -> None:
    red = Image.new("RGB", (16, 16), (255, 0, 0))
    data = encoded(red, format, icc_profile=profile_with_red_and_blue_changed_over())
    pixel = np.asarray(opened(data))[8, 8].astype(int)
    assert np.abs(pixel - [0, 0, 255]).max() < 12


def test_a_grey_profile_is_applied_to_grey() -> None:
    half = Image.new("L", (8, 8), 128)
    pixel = np.asarray(opened(encoded(half, "PNG", icc_profile=linear_grey_profile())))[0, 0]
    assert np.abs(pixel.astype(int) - 188).max() <= 1


def test_an_srgb_profile_changes_nothing() -> None:
    data = encoded(SCENE, "PNG", icc_profile=srgb_profile())
    assert distance(opened(data), SCENE) <= 0.5


def test_transparency_survives_a_profile() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (255, 0, 0, 0))
    data = encoded(image, "PNG", icc_profile=profile_with_red_and_blue_changed_over())
    pixels = np.asarray(opened(data))[0].astype(int)
    assert np.abs(pixels - [[0, 0, 255], [255, 255, 255]]).max() <= 2


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile at all",
        srgb_profile()[:200],
        srgb_profile()[:128] + bytes(400),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
        linear_grey_profile(),
    ],
    ids=["text", "cut short", "zeros", "of LAB", "of grey"],
)
def test_a_profile_that_is_broken_or_unfit_is_ignored(profile: bytes) -> None:
    assert distance(opened(encoded(SCENE, "PNG", icc_profile=profile)), SCENE) == 0


def test_an_rgb_profile_in_a_cmyk_picture_is_ignored() -> None:
    plain = encoded(SCENE.convert("CMYK"), "JPEG", quality=95)
    profiled = encoded(SCENE.convert("CMYK"), "JPEG", quality=95, icc_profile=srgb_profile())
    assert distance(opened(plain), opened(profiled)) == 0


# --- limits -----------------------------------------------------------------------------------


def test_a_picture_of_exactly_the_limit_is_read_and_one_pixel_row_more_is_not() -> None:
    data = encoded(Image.new("RGB", (100, 100)), "PNG")
    assert images.open_upright(data, max_pixels=10_000).image.size == (100, 100)
    with pytest.raises(TooLarge):
        images.open_upright(data, max_pixels=9_999)
    with pytest.raises(TooLarge):
        images.read_header(data, max_pixels=9_999)


def _jpeg_that_claims(width: int, height: int) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _gif_that_claims(width: int, height: int) -> bytes:
    data = bytearray(encoded(Image.new("P", (16, 16)), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def _gif_whose_frame_claims(width: int, height: int) -> bytes:
    data = bytearray(encoded(Image.new("P", (16, 16)), "GIF"))
    at = data.rindex(b",\0\0\0\0\x10\0\x10\0")
    data[at + 5 : at + 9] = struct.pack("<HH", width, height)
    return bytes(data)


def _webp_that_claims(width: int, height: int) -> bytes:
    image = Image.new("RGBA", (16, 16))
    data = bytearray(encoded(image, "WEBP", save_all=True, append_images=[OTHER.resize((16, 16))]))
    at = data.index(b"VP8X") + 12
    data[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


BOMBS = {
    "PNG": png(60_000, 60_000, 8, 2, bytes(1000)),
    "JPEG": _jpeg_that_claims(65_500, 65_500),
    "GIF": _gif_that_claims(65_535, 65_535),
    "GIF frame": _gif_whose_frame_claims(65_535, 65_535),
    "BMP": bmp(60_000, 60_000, bytes(64)),
    "TIFF": tiff(60_000, 60_000, strip=bytes(64)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_claims_gigapixels_is_refused_by_its_header(name: str) -> None:
    for look in (images.read_header, images.open_upright):
        with pytest.raises(TooLarge) as caught:
            look(BOMBS[name])
        assert faults(caught.value.message) == []
        assert "64 megapixels" in caught.value.message


def test_a_webp_that_claims_gigapixels_is_refused() -> None:
    refusal(_webp_that_claims(16_000, 16_000))


def test_the_refusal_of_a_large_picture_says_its_size_and_the_limit() -> None:
    error = refusal(encoded(Image.new("L", (300, 200)), "PNG"), max_pixels=50_000)
    assert error.message == "The image has 300 x 200 pixels; the limit is 0.05 megapixels."


# --- what is no image -------------------------------------------------------------------------


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("cat.jpg", "not a cat")
    return out.getvalue()


NO_IMAGES = {
    "one byte": b"\0",
    "zeros": bytes(4096),
    "text": b"Dear reader,\n\nthis is a letter.\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "HTML": b"<!DOCTYPE html><html><body><img src=x onerror=alert(1)></body></html>",
    "PDF": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
    "ZIP": _zip(),
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(100),
    "MP4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100),
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "a JPEG's first bytes": b"\xff\xd8\xff",
    "a PNG's first bytes": b"\x89PNG\r\n\x1a\n",
    "a GIF's first bytes": b"GIF89a",
    "a TIFF's first bytes": b"II*\0\x08\0\0\0",
    "a WebP's first bytes": b"RIFF\x10\0\0\0WEBPVP8 ",
    "a HEIC's first bytes": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "an AVIF's first bytes": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_no_image_is_refused_with_a_reason(name: str) -> None:
    assert isinstance(refusal(NO_IMAGES[name]), UnreadableImage)


@pytest.mark.parametrize(
    "format", ["PPM", "TGA", "ICO", "PCX", "SGI", "JPEG2000", "DDS", "QOI", "EPS"]
)
def test_formats_that_pillow_reads_and_we_do_not_are_refused(format: str) -> None:
    error = refusal(encoded(SCENE, format))
    assert "format we read" in error.message


def test_an_empty_file_is_called_empty() -> None:
    assert refusal(b"").message == "The file is empty."


def test_a_picture_without_pixels_is_refused() -> None:
    refusal(png(0, 0, 8, 2, b""))


# --- damage -----------------------------------------------------------------------------------

FIRST_FRAME = {
    "MPO": "baseline JPEG",
    "APNG": "PNG",
    "animated WebP": "lossless WebP",
    "animated GIF": "GIF",
    "multi-page TIFF": "TIFF",
    "animated AVIF": "AVIF",
}
FILES = {name: make(SCENE) for name, (_, _, make) in FORMATS.items()}


@pytest.mark.parametrize("name", FILES)
def test_half_a_file_is_refused_with_a_reason(name: str) -> None:
    # What comes first must be cut: later frames, and what stands behind them, are not read.
    first = len(FILES[FIRST_FRAME.get(name, name)])
    assert isinstance(refusal(FILES[name][: first // 2]), UnreadableImage)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_refused_with_a_reason_or_read_in_full_size(name: str) -> None:
    whole = FILES[name]
    lengths = {*range(1, 40), *range(40, len(whole), max(1, len(whole) // 60)), len(whole) - 1}
    tries = [attempt(whole[:length]) for length in sorted(lengths)]
    refusals = [t.message for t in tries if isinstance(t, Permanent)]
    assert [faults(message) for message in refusals if faults(message)] == []
    assert {t.size for t in tries if isinstance(t, Image.Image)} <= {(96, 64)}
    assert len(refusals) >= 30


def test_a_truncated_jpeg_is_rejected_with_a_reason() -> None:
    whole = encoded(scene(300, 200), "JPEG")
    assert refusal(whole[:-2000]).message == "The image is incomplete: the file ends too early."


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=150)
def test_arbitrary_bytes_are_refused_or_read_and_nothing_else(data: bytes) -> None:
    assert well_refused_or_read(data)


_EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)),
    min_size=1,
    max_size=6,
)


@given(st.sampled_from(sorted(FILES)), _EDITS, st.floats(0, 1))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_are_refused_or_read_and_nothing_else(
    name: str, edits: list[tuple[float, bytes]], cut: float
) -> None:
    data = bytearray(FILES[name])
    for place, put in edits:
        # Most of what breaks a decoder stands near the front.
        at = int(place**3 * len(data))
        data[at : at + len(put)] = put
    if cut < 0.3:
        del data[int(len(data) * (0.2 + 2 * cut)) :]
    assert well_refused_or_read(bytes(data), max_pixels=250_000)


def test_a_png_whose_compressed_text_explodes_is_contained() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    data = png(1, 1, 8, 2, bytes(4), (b"zTXt", text))
    assert well_refused_or_read(data)


# --- placeholders -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (7, 7), (1, 1), (512, 1), (1, 512)])
def test_a_placeholder_is_a_picture_of_twelve_pixels_as_the_picture_stands(
    size: tuple[int, int],
) -> None:
    text = images.placeholder(Image.new("RGB", size, (10, 200, 30)), higher=size[1] > size[0])
    assert len(text) == 48
    assert base64.b64decode(text, validate=True) == bytes((10, 200, 30)) * 12


def test_each_pixel_of_a_placeholder_is_the_mean_of_its_part() -> None:
    wide = np.zeros((30, 40, 3), np.uint8)
    wide[0:10, 30:40] = 255, 100, 0
    wide[20:30:2, 0:10] = 0, 0, 200
    for pixels, shape in ((wide, (3, 4, 3)), (wide.transpose(1, 0, 2), (4, 3, 3))):
        data = base64.b64decode(images.placeholder(Image.fromarray(pixels), higher=shape[0] == 4))
        small = np.frombuffer(data, np.uint8).reshape(shape)
        if shape[0] == 4:
            small = small.transpose(1, 0, 2)
        assert small[0, 3].tolist() == [255, 100, 0]
        assert small[2, 0].tolist() == [0, 0, 100]
        assert np.count_nonzero(small.any(axis=2)) == 2


# --- thumbnails -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((2000, 1000), (512, 256)),
        ((1000, 2000), (256, 512)),
        ((513, 513), (512, 512)),
        ((512, 100), (512, 100)),
        ((40, 30), (40, 30)),
        ((1, 1), (1, 1)),
        ((20_000, 1), (512, 1)),
        ((1, 20_000), (1, 512)),
    ],
)
def test_a_thumbnail_keeps_its_shape_within_512_and_is_never_enlarged(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    image = Image.new("RGB", size, (10, 200, 30))
    with Image.open(io.BytesIO(images.thumbnail(image))) as small:
        assert (small.format, small.size) == ("JPEG", expected)
        assert distance(small.convert("RGB"), Image.new("RGB", expected, (10, 200, 30))) < 6


def test_a_thumbnail_leaves_the_picture_as_it_was() -> None:
    image = scene(1200, 800)
    images.thumbnail(image)
    assert image.size == (1200, 800)


def test_a_thumbnail_carries_no_facts_of_the_photo() -> None:
    block = exif({0x010F: "Canon"}, ifds={0x8825: {1: "N", 2: (48.0, 8.0, 0.0)}})
    picture = opened(encoded(scene(900, 600), "JPEG", exif=block, icc_profile=srgb_profile()))
    assert b"EXIF" not in images.thumbnail(picture)
    assert b"Canon" not in images.thumbnail(picture)


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (1, 1), (20_000, 3)])
def test_elongated_pictures_are_opened_and_hashed(size: tuple[int, int]) -> None:
    picture = opened(encoded(Image.new("RGB", size, (9, 9, 9)), "PNG"))
    assert picture.size == size
    assert len(images.perceptual_hash(picture)) == HASH_DIGITS


# --- perceptual hash --------------------------------------------------------------------------


def bits_apart(one: Image.Image, other: Image.Image) -> int:
    hashes = (int(images.perceptual_hash(picture), 16) for picture in (one, other))
    return (next(hashes) ^ next(hashes)).bit_count()


def of_file(picture: Image.Image) -> Marks:
    return Marks("", images.perceptual_hash(picture))


@pytest.mark.parametrize("seed", range(4))
def test_files_encoded_anew_or_made_smaller_are_near_copies(seed: int) -> None:
    original = scene(640, 480, seed=seed)
    others = [
        opened(encoded(original, "JPEG", quality=40)),
        opened(encoded(original, "WEBP", quality=40)),
        opened(encoded(original.convert("L").convert("RGB"), "PNG")),
        original.resize((320, 240)),
        original.resize((900, 675), Image.Resampling.LANCZOS),
    ]
    assert max(bits_apart(original, other) for other in others) <= MAX_BITS
    assert {judge(of_file(original), of_file(other))[0] for other in others} == {"near"}  # type: ignore[index]


def test_other_pictures_are_no_copies() -> None:
    pictures = [scene(640, 480, seed=seed) for seed in range(12)]
    pairs = [(a, b) for n, a in enumerate(pictures) for b in pictures[:n]]
    assert min(bits_apart(a, b) for a, b in pairs) >= 20
    assert {judge(of_file(a), of_file(b)) for a, b in pairs} == {None}


def flat_pictures() -> list[Image.Image]:
    """Pages, skies and shades, made alike and yet not the same."""
    across = Image.fromarray(np.tile(np.arange(0, 252, 4, dtype=np.uint8), (64, 1))).convert("RGB")
    dotted = Image.new("RGB", (800, 600), "white")
    dotted.paste((0, 0, 0), (100, 100, 140, 140))
    return [
        Image.new("RGB", (800, 600), "white"),
        Image.new("RGB", (800, 600), "black"),
        dotted,
        across,
        across.rotate(90, expand=True),
    ]


def test_flat_pictures_are_no_copies_of_each_other() -> None:
    pictures = flat_pictures()
    assert {judge(of_file(a), of_file(b)) for a in pictures for b in pictures} == {None}


def test_the_hash_tells_where_a_picture_grows_brighter() -> None:
    rising = Image.fromarray(np.tile(np.arange(0, 252, 4, dtype=np.uint8), (64, 1))).convert("RGB")
    falling = rising.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert images.perceptual_hash(rising) == "f" * 16 + "0" * 16
    assert images.perceptual_hash(falling) == "0" * 32
    assert images.perceptual_hash(falling.rotate(90, expand=True)) == "0" * 16 + "f" * 16


def test_the_test_picture_has_four_different_quarters() -> None:
    assert [quarters().getpixel(p) for p in ((0, 0), (63, 0), (0, 47), (63, 47))] == list(QUARTERS)
