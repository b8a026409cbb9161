"""What goes along with an upload: the metadata that the object keeps, and the fields of a form that
fix how it may come."""

from __future__ import annotations

import base64
from urllib.parse import quote


def image_metadata(name: str, owner: str, trace: str = "") -> dict[str, str]:
    """What is kept with the object itself, so that the index can be made again from the bucket.

    S3 metadata is ASCII, at most 2 KB in all, and a form POST expands "${filename}" in it, hence
    percent-encoding of all but letters, digits and "-._~". What does not fit is cut off.
    """
    metadata = {"name": _encoded(name, 1500)}
    if owner:
        metadata["owner"] = _encoded(owner, 400)
    if trace:
        metadata["trace"] = _encoded(trace, 100)
    return metadata


def _encoded(text: str, limit: int) -> str:
    """Percent-encoded, at most `limit` characters, cut between letters."""
    parts, room = [], limit
    for letter in text:
        part = quote(letter, safe="", errors="replace")
        room -= len(part)
        if room < 0:
            break
        parts.append(part)
    return "".join(parts)


def fixed_fields(content_type: str, metadata: dict[str, str], sha256: str = "") -> dict[str, str]:
    """The fields of a form POST that must be as they are here. By those of the digest (`sha256`,
    in hex) S3 itself compares what arrives
    (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html)."""
    fixed = {"Content-Type": content_type}
    fixed |= {f"x-amz-meta-{name}": value for name, value in metadata.items()}
    if sha256:
        digest = base64.b64encode(bytes.fromhex(sha256)).decode()
        fixed |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": digest}
    return fixed
