"""Files of images, back onto this machine."""

from __future__ import annotations

import hashlib
import itertools
import re
import secrets
from pathlib import Path

import requests

from client.errors import StoreRefused, Unreachable
from client.models import Image
from client.sending import PIECE, TIMEOUT, store_error
from client.transport import Transport, is_final, why

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
"""In names of files, on one system or another."""


def download(transport: Transport, image: Image, folder: Path) -> Path:
    """The image's file in `folder`, under its own name, with a number where that is taken; there
    when it is whole. Raises `StoreRefused`, `Unreachable`, `ApiError`."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{secrets.token_hex(8)}.part"
    patience = transport.patience()
    try:
        while True:
            try:
                digest = _fetch(transport, transport.redirect(image.url), part)
            except requests.RequestException as error:
                if is_final(error) or not patience.pause():
                    raise Unreachable(f"The bucket does not answer: {why(error)}.") from error
            except StoreRefused as error:
                if not error.passing or not patience.pause(error.retry_after):
                    raise
            else:
                if not image.sha256 or digest == image.sha256:
                    return _named(part, folder, image)
                if not patience.pause():
                    raise Unreachable(f"{image.name} comes as other bytes than were indexed.")
    finally:
        part.unlink(missing_ok=True)


def _fetch(transport: Transport, address: str, to: Path) -> str:
    digest = hashlib.sha256()
    with transport.session.get(address, timeout=TIMEOUT, stream=True) as answer:
        if not answer.ok:
            raise store_error(answer)
        with to.open("wb") as file:
            for piece in answer.iter_content(PIECE):
                digest.update(piece)
                file.write(piece)
    return digest.hexdigest()


def _named(part: Path, folder: Path, image: Image) -> Path:
    """Without ever writing over another file."""
    name = safe_name(image.name) or f"{image.id}.{image.format or 'bin'}"
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (name, "")
    for number in itertools.count(1):
        to = folder / (name if number == 1 else f"{stem} ({number}){ending}")
        try:
            to.hardlink_to(part)
            return to
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links
            if not to.exists():
                return part.replace(to)
    raise AssertionError("unreachable")


def safe_name(name: str) -> str:
    """A file name that stays in its folder, is not hidden and has no odd characters."""
    last = re.split(r"[/\\]", name)[-1]
    return _UNSAFE.sub("_", last).strip(" .")[:200]
