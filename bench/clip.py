"""Ours beside fastembed and transformers, on one CLIP of ViT-B/32's size, in one run.

    make bench-clip [TORCH=1] [ARGS='--quick --json FILE']

The weights are random (time and memory do not depend on them) and the same for everyone. Every
competitor is a process of its own; they take turns in every round, and each figure is the median
of the rounds. Prints Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

from bench.clip_peers import ROOT, Peer, Worker, fastembed_folders, first_vector
from bench.clip_photos import photos
from bench.clip_table import Results, cosines, machine, markdown, versions
from bench.random_clip import SIZES, build
from models.cache import cache_folder

PASSES = 3
"""Over the queries in one round, so that what stood in the caches before counts for little."""

QUERIES = [
    "a cat",
    "red car",
    "dog on a beach",
    "mountains at sunset",
    "a plate of pasta",
    "children playing football",
    "a man reading a book",
    "blue sky over the sea",
    "birthday cake with candles",
    "an old bicycle against a wall",
    "snow on a village church",
    "two people dancing in the rain",
    "a cup of coffee and a newspaper",
    "my sister's wedding in the old garden",
]
"""Two to eight words, as people search."""

T = TypeVar("T")

PLAIN = "ONNX Runtime, fp32, padded to 77 tokens"
OURS, SCALED = "ours, fp32 (exact)", "ours, fp32, decoded to scale"
DEPLOYED = "ours, deploy form"
FASTEMBED, PROCESSES = "fastembed", "fastembed, a process per CPU"
TORCH = "transformers on torch"

ENVIRONMENTS = ROOT / ".cache" / "bench"
"""Where `make bench-clip` installs what is measured beside ours."""

LONGEST = 75.0
"""Seconds after which a measurement of at least three rounds begins no other."""


@dataclass(frozen=True, slots=True)
class Rounds:
    texts: int
    cold: int
    images: int


FULL, QUICK = Rounds(texts=11, cold=7, images=5), Rounds(texts=3, cold=2, images=1)


def say(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", file=sys.stderr, flush=True)


# --- who takes part ---------------------------------------------------------------------------


def gather(here: Path, size: str, torch: bool) -> list[Peer]:
    """Those whose environment is there; what they need is made in `here`."""
    say("the model …")
    model = build(here / size, size=size, torch=torch)
    own = Path(sys.executable)
    peers = [
        Peer(PLAIN, "plain", own, model, images=False),
        Peer(OURS, "ours", own, model),
        Peer(SCALED, "ours-inexact", own, model, texts=False),
    ]
    deployed = deploy_form(model, here)
    if deployed is not None:
        peers.append(Peer(DEPLOYED, "ours", own, deployed))
    folder = fastembed_folders(model, here / f"{size}-fastembed")
    python = ENVIRONMENTS / "venv" / "bin" / "python"
    peers.append(Peer(FASTEMBED, "fastembed", python, folder))
    many = Peer(PROCESSES, "fastembed-processes", python, folder, texts=False, family=True)
    peers.append(many)
    if torch:
        python = ENVIRONMENTS / "venv-torch" / "bin" / "python"
        peers.append(Peer(TORCH, "torch", python, model))
    return peers


def deploy_form(model: Path, here: Path) -> Path | None:
    """What `python -m models optimise` makes of the model; None where it refuses to.

    It is made anew where the model or the code that makes it is another than the last time.
    """
    code = sorted((ROOT / "models").glob("*.py"))
    parts = b"".join(file.read_bytes() for file in [model / "random.json", *code])
    out = here / f"{model.name}-deployed-{hashlib.sha256(parts).hexdigest()[:8]}"
    if not out.exists():
        for old in here.glob(f"{model.name}-deployed-*/"):
            shutil.rmtree(old)
        say("the deploy form …")
        command = [sys.executable, "-m", "models", "optimise", str(model), "--out", str(out)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            say("the deploy form cannot be had; it is left out")
            return None
        # Its last line is the folder; the others say how it was made and how near it is.
        said = ". ".join(done.stdout.splitlines()[:-1])
        out.with_suffix(".txt").write_text(said, encoding="utf-8")
    return out


# --- the four measurements --------------------------------------------------------------------


def in_turns(peers: list[T], rounds: int, what: str, once: Callable[[T], None]) -> None:
    """Each peer once a round, another first each time, with a pause so that threads sleep."""
    began = time.monotonic()
    for number in range(rounds):
        if number >= 3 and time.monotonic() - began > LONGEST:
            say(f"{what}: {number} rounds must do, the machine is slow")
            break
        say(f"{what}: round {number + 1} of {rounds}")
        start = number % max(1, len(peers))
        for peer in peers[start:] + peers[:start]:
            time.sleep(0.2)
            once(peer)


def measure_texts(peers: list[Peer], rounds: int, results: Results) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(peer)) for peer in peers if peer.texts]
        for worker in workers:
            worker.texts(QUERIES)
            vectors = worker.vectors(QUERIES, [])["texts"]
            results.vectors.setdefault(worker.peer.name, {})["texts"] = vectors

        def once(worker: Worker) -> None:
            results.add("query", worker.peer.name, median(worker.texts(QUERIES * PASSES)))

        in_turns(workers, rounds, "queries", once)


def measure_cold(peers: list[Peer], rounds: int, results: Results) -> None:
    peers = [peer for peer in peers if peer.texts]
    for peer in peers:
        first_vector(peer, QUERIES[0])

    def once(peer: Peer) -> None:
        results.add("cold", peer.name, first_vector(peer, QUERIES[0]))

    in_turns(peers, rounds, "new processes", once)


def measure_images(
    peers: list[Peer], rounds: int, files: dict[str, list[Path]], results: Results
) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(peer)) for peer in peers if peer.images]
        for worker in workers:
            say(f"pictures: {worker.peer.name} starts")
            both = [file for some in files.values() for file in some[:8]]
            vectors = worker.vectors([], both)["images"]
            results.vectors.setdefault(worker.peer.name, {})["images"] = vectors

        for size, some in files.items():

            def once(worker: Worker, size: str = size, some: list[Path] = some) -> None:
                results.add(size, worker.peer.name, worker.rate(some))

            in_turns(workers, rounds, f"pictures of {size}", once)
        for worker in workers:
            results.add("peak", worker.peer.name, float(worker.peak()))


def footer(peers: list[Peer], files: dict[str, list[Path]]) -> list[str]:
    """On what was measured: the machine, the photos, and what the deploy form is."""
    lines = [f"Machine: {machine()}. {versions([peer.python for peer in peers])}."]
    for size, some in files.items():
        average = sum(file.stat().st_size for file in some) / len(some) / 1e6
        lines.append(f"Photos: {len(some)} JPEG files of {size}, {average:.2g} MB on average.")
    for peer in peers:
        if peer.name == DEPLOYED:
            said = peer.folder.with_suffix(".txt").read_text(encoding="utf-8")
            lines.append(f"The deploy form: {said}.")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.clip", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, for development")
    parser.add_argument("--size", choices=sorted(SIZES), default="vit-b-32")
    parser.add_argument("--torch", action="store_true", help="transformers on torch, too")
    parser.add_argument("--json", type=Path, help="write every figure of every round here")
    given = parser.parse_args()
    rounds = QUICK if given.quick else FULL
    started = time.monotonic()
    cache = cache_folder()
    peers = gather(cache / "bench", given.size, given.torch)
    say("the photos …")
    files = photos(cache)
    results = Results([peer.name for peer in peers])
    measure_texts(peers, rounds.texts, results)
    measure_cold(peers, rounds.cold, results)
    measure_images(peers, rounds.images, {**files, "500 px": files["500 px"] * 2}, results)
    say(f"done in {time.monotonic() - started:.0f} s")
    print(markdown(results, OURS, footer(peers, files)))
    if given.json:
        value = {"rounds": results.figures, "cosines": cosines(results, OURS)}
        given.json.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
