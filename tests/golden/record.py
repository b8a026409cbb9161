"""`make golden`: record the golden data anew, into this folder."""

from __future__ import annotations

import lzma
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from local.samples import sample_photos
from models.cache import cache_folder
from tests.golden import clip_tokens, huggingface, openclip, pictures
from tests.golden.folders import Reference, record, write_json

HERE = Path(__file__).parent

FOLDERS: dict[str, Callable[[Path], Reference]] = {
    "clip-hf": huggingface.clip,
    "siglip-hf": huggingface.siglip,
    "siglip2-hf": huggingface.siglip2,
    "clip-immich": openclip.clip,
    "siglip-immich": openclip.siglip,
    "xlmr-immich": openclip.xlmr,
    "nllb-immich": openclip.nllb,
    "mclip-immich": openclip.mclip,
}


def main(chosen: list[str]) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    files = _pictures()
    sets: dict[str, np.ndarray[Any, Any]] = {}
    for name, make in FOLDERS.items():
        if chosen and name not in chosen:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            made = Path(temporary) / name
            made.mkdir()
            reference = make(made)
            pixels = record(made, reference, files)
            shutil.rmtree(HERE / "folders" / name, ignore_errors=True)
            shutil.move(made, HERE / "folders" / name)
        assert np.array_equal(sets.setdefault(reference.pixels, pixels), pixels)
        _say(HERE / "folders" / name)
    if not chosen:
        _write_pixels(files, sets)
        for fact, value in clip_tokens.record(HERE / "clip_tokens.json.gz").items():
            sys.stderr.write(f"{fact}: {value}\n")


def _pictures() -> dict[str, bytes]:
    """Those in git, drawn only where there are none (encoders change), and the photos."""
    pictures.FOLDER.mkdir(exist_ok=True)
    for name, data in pictures.draw_all().items():
        path = pictures.FOLDER / name
        if not path.exists():
            path.write_bytes(data)
    drawn = {path.name: path.read_bytes() for path in sorted(pictures.FOLDER.iterdir())}
    photos = sample_photos(cache_folder())
    return drawn | {name: (photos / name).read_bytes() for name in pictures.PHOTOS}


def _write_pixels(files: dict[str, bytes], sets: dict[str, np.ndarray[Any, Any]]) -> None:
    """All sets in one file: they have much in common, which one compression finds.

    uint8 [sets, pictures, rows, columns, 3], each column as its difference from the one before.
    """
    write_json(HERE / "pixels.json", {"sets": list(sets), "pictures": list(files)})
    stacked = np.stack(list(sets.values()))
    steps = np.diff(stacked, axis=3, prepend=np.uint8(0))
    packed = lzma.compress(steps.tobytes(), preset=9)
    (HERE / "pixels.xz").write_bytes(packed)


def _say(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    sys.stderr.write(f"{folder.name}: {size // 1000} kB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
