"""The competitors of `bench/clip.py`: who they are, and talking to their processes."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORKER = Path(__file__).with_name("clip_worker.py")


@dataclass(frozen=True, slots=True)
class Peer:
    """One competitor: its name in the table, the worker's kind, its environment and its folder."""

    name: str
    kind: str
    python: Path
    folder: Path
    texts: bool = True
    images: bool = True
    family: bool = False
    """Whether it starts processes whose memory is its own, too."""

    def command(self, *more: str) -> list[str]:
        return [str(self.python), str(WORKER), self.kind, str(self.folder), *more]


def environment() -> dict[str, str]:
    """The code on the path, and nobody asking a server."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TQDM_DISABLE": "1"}
    return {**os.environ, **offline, "PYTHONPATH": str(ROOT)}


class Worker:
    """A running worker. Raises RuntimeError with what it said where it fails."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by __exit__)
        self._process = subprocess.Popen(
            peer.command(),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        self._family = Family(self._process.pid) if peer.family else None

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._family:
            self._family.stop()
        if error is not None:
            self._process.kill()
        self._process.communicate()
        self._said.close()

    def ask(self, do: str, **more: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            self._said.seek(0)
            said = self._said.read()[-2000:]
            raise RuntimeError(f"{self.peer.name} failed:\n{said}") from error

    def texts(self, texts: list[str]) -> list[float]:
        """Seconds of each text, run one by one."""
        return [float(s) for s in self.ask("texts", texts=texts)["seconds"]]

    def rate(self, files: list[Path]) -> float:
        """Pictures a second, from their files' bytes to vectors."""
        names = [str(file) for file in files]
        return len(files) / float(self.ask("images", files=names)["seconds"])

    def vectors(self, texts: list[str], files: list[Path]) -> dict[str, list[list[float]]]:
        answer: dict[str, list[list[float]]] = self.ask(
            "vectors", texts=texts, files=[str(file) for file in files]
        )
        return answer

    def peak(self) -> int:
        """The most memory held so far, in bytes, with that of the processes it started."""
        return max(int(self.ask("peak")["peak"]), self._family.peak if self._family else 0)


class Family:
    """Watches the memory of a process and all it starts: proportional set sizes, Linux only."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            self.peak = max(self.peak, sum(map(_memory, _descendants(self._pid))))


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def _memory(pid: int) -> int:
    try:
        rolled = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    shares = [line.split()[1] for line in rolled.splitlines() if line.startswith("Pss:")]
    return sum(map(int, shares)) * 1024


def first_vector(peer: Peer, query: str) -> float:
    """Seconds from starting a process to having the vector of its first query."""
    started = time.perf_counter()
    with subprocess.Popen(
        peer.command("--query", query),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
    if not line.startswith("["):
        raise RuntimeError(f"{peer.name} gives no vector; run {' '.join(peer.command())}")
    return seconds


def fastembed_folders(model: Path, out: Path) -> Path:
    """The halves of a model folder as fastembed wants them: `out`/text and `out`/vision."""
    for half, graph in (("text", "text_model.onnx"), ("vision", "vision_model.onnx")):
        folder = out / half
        folder.mkdir(parents=True, exist_ok=True)
        files = {file.name: file for file in model.glob("*.json")}
        files["model.onnx"] = model / "onnx" / graph
        for name, file in files.items():
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(file.resolve())
    return out
