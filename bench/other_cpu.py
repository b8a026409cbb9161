"""A model's vectors on a processor without VNNI and AVX-512, beside those of this one.

    python -m bench.other_cpu FOLDER [--source FOLDER] [--cpu Haswell]

onnxruntime picks its kernels by what the processor says it can do, so the model is run a second
time under qemu-x86_64 (Debian: apt install qemu-user), which says it is a Haswell and executes
AVX2 alone. Prints the cosine of each vector with this processor's, and with the source's where
`--source` names it; fails where one is under 0.99. A ViT-B/32 takes less than a minute.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.clip import load_clip
from models.verify import LEAST_COSINE

TEXTS = ["a cat", "two dogs running on a beach at sunset"]


def vectors(folder: str) -> NDArray[np.float32]:
    """Rows of two texts and of two pictures: one of soft colours, one half white."""
    clip = load_clip(folder, device="cpu", threads=1)
    side = clip.pixel_spec.crop
    random = np.random.default_rng(0)
    soft = random.integers(0, 256, (2, 7, 7, 3)).repeat(-(-side // 7), 1).repeat(-(-side // 7), 2)
    pixels = soft[:, :side, :side] + random.integers(-20, 21, (2, side, side, 3))
    pixels[1, : side // 2] = 255
    rows = [clip.embed_texts(TEXTS), clip.embed_pixels(pixels.clip(0, 255).astype(np.uint8))]
    return np.concatenate(rows)


def elsewhere(folder: str, cpu: str) -> NDArray[np.float32]:
    """The same rows, computed under emulation."""
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        raise SystemExit("qemu-x86_64 is missing; on Debian and Ubuntu: apt install qemu-user")
    with tempfile.TemporaryDirectory() as temporary:
        out = str(Path(temporary) / "rows.npy")
        # The real interpreter, since qemu looks for its libraries beside it; paths of this one.
        program = (
            f"import sys; sys.path[:] = {sys.path!r}\n"
            "import numpy as np\nfrom bench.other_cpu import vectors\n"
            f"np.save({out!r}, vectors({folder!r}))"
        )
        python = str(Path(sys.executable).resolve())
        command = [emulator, "-cpu", cpu, python, "-W", "ignore", "-c", program]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        rows: NDArray[np.float32] = np.load(out)
        return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.other_cpu")
    parser.add_argument("folder")
    parser.add_argument("--source", help="the model that the folder was made from")
    parser.add_argument("--cpu", default="Haswell", help="a name of `qemu-x86_64 -cpu help`")
    given = parser.parse_args()
    other = elsewhere(str(Path(given.folder).resolve()), given.cpu)
    compared = {f"this processor and {given.cpu}": vectors(given.folder)}
    if given.source:
        compared[f"source here and {given.cpu}"] = vectors(given.source)
    worst = 1.0
    for name, rows in compared.items():
        cosines = (rows * other).sum(axis=1)
        worst = min(worst, float(cosines.min()))
        print(f"{name}: cosines {', '.join(f'{c:.5f}' for c in cosines)}")
    return int(worst < LEAST_COSINE)


if __name__ == "__main__":
    sys.exit(main())
