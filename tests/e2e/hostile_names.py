"""Names that are written to be anything but a name, and photos that carry them."""

from __future__ import annotations

import io
import re

from PIL import ExifTags, Image

from tests.unit.pictures import exif

RAN = "window.ran=1"

NAMES = {
    "an element": f"<img src=x onerror={RAN}>",
    "a script": f"</title></script><script>{RAN}</script>",
    "a drawing": f"<svg/onload={RAN}>",
    "a frame": "<iframe srcdoc='<b>in</b>'>",
    "a style": "<style>*{display:none}</style>",
    "a template": "<template><b id=grid></b></template>",
    "an end of an attribute": f'" onmouseover="{RAN}" x="',
    "an end of another attribute": f"' autofocus onfocus='{RAN}",
    "an end of a comment": f"--><b onclick={RAN}>",
    "an address that runs": f"javascript:{RAN}//",
    "an address that is a page": f"data:text/html,<script>{RAN}</script>",
    "a template of a string": f"${{{RAN}}}",
    "a template of a page": "{{constructor.constructor('return 1')()}}",
    "entities": "&lt;b&gt; &amp; &#x202e; &quot;",
    "SQL": "'; DROP TABLE images; --",
    "a shell": "$(touch /tmp/ran); `id` | sh",
    "a format": "%s%n%x %(name)s {0} {name!r}",
    "a path upwards": "../../../../etc/passwd",
    "a path of Windows": "C:\\Windows\\System32\\..\\cmd.exe",
    "percents": "%2e%2e%2f%00%0d%0aSet-Cookie:a=1",
    "an order turned round": "holiday\u202egnp.exe",
    "isolates that never end": "\u2066\u2067\u2068trip",
    "an ending that is Arabic": "صورة 12",
    "letters that look like others": "\u0440\u0430ypal.\u0441om",
    "nothing to be seen": "\u200b\u2060\ufeff\u00ad",
    "control characters": "bell\u0007 back\u0008 esc\u001b[31m null\u0000 line\r\nend",
    "marks without end": "Z" + "\u0351\u0300\u0489" * 60,
    "very long without a break": "W" * 600,
    "people and flags": "👩‍👩‍👧‍👦🏳️‍🌈🇦🇶 𝔥𝔢𝔩𝔩𝔬",
    "half a character and none": "\ufffe\uffff\ufdd0",
    "a key of every object": "__proto__",
    "a field of the page": "constructor",
}
"""What it is → the name."""


def seen(text: str) -> str:
    """As the page shows it: what is no character, or turns the order of others, as a mark."""
    return re.sub("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\ufffd", text)


def photo(said: str, number: int) -> bytes:
    """A small JPEG, no two alike, whose camera and lens are called that."""
    color = (40 + 5 * number, 250 - 7 * number, (number * 53) % 256)
    picture = Image.new("RGB", (64, 48), color)
    picture.putpixel((number, number), (0, 0, 0))
    lens = {ExifTags.Base.LensModel: said}
    tags = exif({ExifTags.Base.Model: said}, ifds={ExifTags.IFD.Exif: lens})
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=tags, quality=90)
    return file.getvalue()
