"""Pictures a second on an NVIDIA device beside the processor, and how alike their vectors are.

    python -m bench.gpu [FOLDER …] [--device auto|cpu|cuda] [--batches 32 64 128 256] [--json FILE]

The first folder is the one whose vectors on the processor the others are held against. Without
folders, a CLIP of random weights is made, in fp32 and in fp16. Three figures for each form, device
and batch: the graph alone, from pixels that `to_pixels` made, and from JPEG files, decoded by child
processes while the device is at work. It needs no network.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from bench.random_clip import SIZES, build
from chalicelib.clip import Clip
from chalicelib.clip.cpus import available_cpus
from chalicelib.clip.devices import CPU, CUDA, Place, place_of
from chalicelib.clip.folder import read_folder
from chalicelib.clip.pixels import normalise
from chalicelib.clip.session import Session
from chalicelib.decoding import DecoderPool
from chalicelib.errors import IntellisenseError
from models.cache import cache_folder

DISTINCT = 64
"""Files that differ; the rest repeats them."""

ALIKE = 0.999
"""The least cosine of a picture's vectors here and there."""


@dataclass(slots=True)
class Row:
    """One form on one device: pictures a second, of each round."""

    form: str
    device: str
    batch: int
    cosine: float
    graph: list[float] = field(default_factory=list)
    pixels: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)


class Runner:
    """One form on one device, in batches of one size."""

    def __init__(self, folder: Path, place: Place, threads: int | None) -> None:
        spec = read_folder(folder)
        self.batch = place.batch
        self.clip = Clip(spec, threads=threads, device=place)
        self._tower = spec.vision_tower
        self._session = Session(spec.vision_tower, spec.dim, threads, place)

    def taken(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """What the graph takes of `pixels`."""
        return pixels if self._tower.takes_pixels else normalise(pixels, self.clip.pixel_spec)

    def run_graph(self, taken: NDArray[np.generic], count: int) -> None:
        for _ in range(0, count, self.batch):
            self._session.run({self._tower.input: taken})

    def run_pixels(self, pixels: NDArray[np.uint8], count: int) -> None:
        for _ in range(0, count, self.batch):
            self.clip.embed_pixels(pixels)

    def run_files(self, files: list[bytes], decoders: DecoderPool) -> None:
        spec = self.clip.pixel_spec
        with ThreadPoolExecutor(2 * decoders.size) as pool:
            jobs = [pool.submit(decoders.prepare, f, spec, thumbnail=False) for f in files]
            for start in range(0, len(files), self.batch):
                part = jobs[start : start + self.batch]
                self.clip.embed_pixels(np.stack([job.result().pixels for job in part]))


def photos(count: int) -> list[bytes]:
    """JPEG files of 500 × 375 pixels, made of coarse and fine noise."""
    chance = np.random.default_rng(0)
    made = []
    for _ in range(min(count, DISTINCT)):
        coarse = Image.fromarray(chance.integers(0, 256, (6, 8, 3)).astype(np.uint8))
        large = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), np.float32)
        grainy = np.clip(large + chance.normal(0, 9, large.shape), 0, 255).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(grainy).save(out, "JPEG", quality=88)
        made.append(out.getvalue())
    return [made[n % len(made)] for n in range(count)]


def in_half(folder: Path, out: Path) -> Path:
    """`folder` with weights and arithmetic in fp16, inputs and outputs as they were."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    (out / "onnx").mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        (out / path.name).write_bytes(path.read_bytes())
    for kind in ("vision", "text"):
        model = onnx.load(str(folder / "onnx" / f"{kind}_model.onnx"))
        half = convert_float_to_float16(model, keep_io_types=True)
        onnx.save(half, str(out / "onnx" / f"{kind}_model_fp16.onnx"))
    return out


def alike(runner: Runner, pixels: NDArray[np.uint8], wanted: NDArray[np.float32]) -> float:
    """The least cosine to `wanted`."""
    return float((runner.clip.embed_pixels(pixels) * wanted).sum(axis=1).min())


def rate(work: Callable[[], None], count: int) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def measure(folders: list[Path], places: list[Place], given: argparse.Namespace) -> list[Row]:
    files = photos(given.images)
    rows: list[tuple[Row, Runner]] = []
    with closing(DecoderPool(given.decoders)) as decoders:
        reference = Runner(folders[0], CPU, given.threads)
        spec = reference.clip.pixel_spec
        with ThreadPoolExecutor(2 * decoders.size) as pool:  # all of the children are started
            seen = pool.map(lambda f: decoders.prepare(f, spec, thumbnail=False), files[:DISTINCT])
            sample = np.stack([prepared.pixels for prepared in seen])
        wanted = reference.clip.embed_pixels(sample)
        for folder in folders:
            for place in places:
                for batch in given.batches:
                    runner = Runner(folder, replace(place, batch=batch), given.threads)
                    cosine = alike(runner, sample, wanted)
                    rows.append((Row(runner.clip.form, place.name, batch, cosine), runner))
        for number in range(given.rounds):
            print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
            for row, runner in rows:
                one_round(row, runner, sample, files, decoders)
    return [row for row, _ in rows]


def one_round(
    row: Row, runner: Runner, sample: NDArray[np.uint8], files: list[bytes], decoders: DecoderPool
) -> None:
    pixels = np.resize(sample, (row.batch, *sample.shape[1:]))
    count = -(-len(files) // row.batch) * row.batch
    taken = runner.taken(pixels)
    runner.run_graph(taken, row.batch)
    runner.run_pixels(pixels, row.batch)
    row.graph.append(rate(lambda: runner.run_graph(taken, count), count))
    row.pixels.append(rate(lambda: runner.run_pixels(pixels, count), count))
    row.files.append(rate(lambda: runner.run_files(files, decoders), len(files)))


def machine() -> str:
    """The processor, how many of it, and the NVIDIA devices with their driver."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    cpu = f"{names[0] if names else platform.machine()}, {available_cpus()} of {os.cpu_count()}"
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        said = "no NVIDIA device"
    return f"{cpu}; {'; '.join(said.split(chr(10))).strip('; ')}; ort {onnxruntime.__version__}"


def table(rows: list[Row]) -> str:
    first = median(rows[0].graph)
    lines = [
        "| form | device | batch | graph, img/s | ratio | from pixels | from JPEG | cosine |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        graph, pixels, files = (median(part) for part in (row.graph, row.pixels, row.files))
        lines.append(
            f"| {row.form} | {row.device} | {row.batch} | {graph:.1f} | {graph / first:.2f} "
            f"| {pixels:.1f} | {files:.1f} | {row.cosine:.6f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--images", type=int, default=1024, help="files in one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--decoders", type=int, default=available_cpus(), help="child processes")
    parser.add_argument("--threads", type=int, help="for the processor; all, if not given")
    parser.add_argument("--size", choices=sorted(SIZES), default="vit-b-32")
    parser.add_argument("--json", type=Path, help="write every figure of every round here")
    given = parser.parse_args()
    folders = given.folders
    if not folders:
        cache = cache_folder() / "bench"
        whole = build(cache / given.size, size=given.size)
        folders = [whole, in_half(whole, cache / f"{given.size}-fp16")]
    try:
        place = place_of(given.device)
        rows = measure(folders, [CPU] if place == CPU else [CPU, CUDA], given)
    except IntellisenseError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    print(f"{machine()}; {given.decoders} decoders, medians of {given.rounds} rounds\n")
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
    unlike = [row for row in rows if not row.cosine >= ALIKE]
    for row in unlike:
        said = f"{row.form} on {row.device}, batch {row.batch}: cosine {row.cosine:.6f}"
        print(f"error: {said} is under {ALIKE}", file=sys.stderr)
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
