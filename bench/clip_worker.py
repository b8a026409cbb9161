"""One competitor in a process of its own: `bench/clip.py` speaks JSON lines with it.

    python bench/clip_worker.py KIND FOLDER [--query TEXT]

With `--query` it writes that text's vector and ends, for the time a new process takes. Each kind
imports only what it needs, and runs in the environment that has it.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BATCH = 16
"""fastembed's own for pictures; transformers gets as many at a time."""

Rows = Any
"""float32 [N, D]"""


class Ours:
    """The product: texts one by one, pictures from bytes, all in one call."""

    def __init__(self, folder: Path, exact: bool | None = None) -> None:
        from chalicelib.clip.model import load_clip

        self._clip = load_clip(folder, device="cpu", exact=exact)

    def text(self, query: str) -> Rows:
        return self._clip.embed_texts([query])[0]

    def images(self, files: list[bytes]) -> Iterator[Rows]:
        yield from self._clip.embed_images(files)


class Plain:
    """ONNX Runtime as it comes, every text padded to 77 tokens: what tutorials do."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(77)
        self._tokenizer.enable_padding(length=77, pad_id=49407, pad_token="<|endoftext|>")
        providers = ["CPUExecutionProvider"]
        path = str(folder / "onnx" / "text_model.onnx")
        self._session = onnxruntime.InferenceSession(path, providers=providers)
        self._takes_mask = len(self._session.get_inputs()) > 1

    def text(self, query: str) -> Rows:
        import numpy as np

        encoded = self._tokenizer.encode(query)
        inputs = {"input_ids": np.asarray([encoded.ids], np.int64)}
        if self._takes_mask:
            inputs["attention_mask"] = np.asarray([encoded.attention_mask], np.int64)
        row = self._session.run(["text_embeds"], inputs)[0][0]
        return row / np.linalg.norm(row)

    def images(self, files: list[bytes]) -> Iterator[Rows]:
        raise NotImplementedError


class FastEmbed:
    """fastembed, from local folders that hold the same weights; each half loads when used."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._folder = folder
        self._threads = threads or cpus()
        self._text: Any = None
        self._vision: Any = None

    def text(self, query: str) -> Rows:
        if self._text is None:
            from fastembed import TextEmbedding  # type: ignore[import-not-found]

            self._text = TextEmbedding("Qdrant/clip-ViT-B-32-text", **self._options("text"))
        return next(iter(self._text.embed([query])))

    def images(self, files: list[bytes]) -> Iterator[Rows]:
        if self._vision is None:
            from fastembed import ImageEmbedding

            self._vision = ImageEmbedding("Qdrant/clip-ViT-B-32-vision", **self._options("vision"))
        yield from self._vision.embed([io.BytesIO(file) for file in files], batch_size=BATCH)

    def _options(self, half: str) -> dict[str, Any]:
        return {
            "specific_model_path": str(self._folder / half),
            "threads": self._threads,
            "cuda": False,
            "cache_dir": str(self._folder / "cache"),
        }


class FastEmbedProcesses:
    """As fastembed's `parallel`: a process of one thread for each CPU, but kept between calls."""

    def __init__(self, folder: Path) -> None:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(cpus(), context, _start_fastembed, (folder,))

    def text(self, query: str) -> Rows:
        raise NotImplementedError

    def images(self, files: list[bytes]) -> Iterator[Rows]:
        size = BATCH // 4
        parts = [files[at : at + size] for at in range(0, len(files), size)]
        for rows in self._pool.map(_run_fastembed, parts):
            yield from rows


_fastembed: list[FastEmbed] = []
"""Of a process of `FastEmbedProcesses`."""


def _start_fastembed(folder: Path) -> None:
    _fastembed.append(FastEmbed(folder, threads=1))


def _run_fastembed(files: list[bytes]) -> list[Rows]:
    return list(_fastembed[0].images(files))


class Torch:
    """transformers' CLIP on torch, in inference mode; each half loads when used."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._text: Any = None
        self._vision: Any = None

    def text(self, query: str) -> Rows:
        import torch  # type: ignore[import-not-found]

        if self._text is None:
            from transformers import (  # type: ignore[import-not-found]
                CLIPTextModelWithProjection,
                CLIPTokenizerFast,
            )

            torch.set_num_threads(cpus())
            self._tokenizer = CLIPTokenizerFast.from_pretrained(self._folder)
            self._text = CLIPTextModelWithProjection.from_pretrained(self._folder).eval()
        with torch.inference_mode():
            tokens = self._tokenizer([query], truncation=True, return_tensors="pt")
            return self._text(**tokens).text_embeds[0].numpy()

    def images(self, files: list[bytes]) -> Iterator[Rows]:
        import torch
        from PIL import Image

        if self._vision is None:
            from transformers import AutoImageProcessor, CLIPVisionModelWithProjection

            torch.set_num_threads(cpus())
            self._processor = AutoImageProcessor.from_pretrained(self._folder)
            self._vision = CLIPVisionModelWithProjection.from_pretrained(self._folder).eval()
        with torch.inference_mode():
            for at in range(0, len(files), BATCH):
                some = [Image.open(io.BytesIO(f)).convert("RGB") for f in files[at : at + BATCH]]
                pixels = self._processor(images=some, return_tensors="pt")
                yield from self._vision(**pixels).image_embeds.numpy()


def cpus() -> int:
    """CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


KINDS: dict[str, Any] = {
    "ours": Ours,
    "ours-inexact": lambda folder: Ours(folder, exact=False),
    "plain": Plain,
    "fastembed": FastEmbed,
    "fastembed-processes": FastEmbedProcesses,
    "torch": Torch,
}


def answer(one: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """What one line asks for."""
    if asked["do"] == "texts":
        return {"seconds": [_timed(one, text) for text in asked["texts"]]}
    if asked["do"] == "vectors":
        texts = [[float(x) for x in one.text(text)] for text in asked["texts"]]
        files = [Path(name).read_bytes() for name in asked["files"]]
        images = one.images(files) if files else []
        return {"texts": texts, "images": [[float(x) for x in row] for row in images]}
    if asked["do"] == "images":
        return {"seconds": _timed_images(one, asked["files"])}
    return {"peak": _peak()}


def _timed(one: Any, text: str) -> float:
    started = time.perf_counter()
    one.text(text)
    return time.perf_counter() - started


def _timed_images(one: Any, names: list[str]) -> float:
    files = [Path(name).read_bytes() for name in names]
    started = time.perf_counter()
    for _row in one.images(files):
        pass
    return time.perf_counter() - started


def _peak() -> int:
    """The most memory this process held, in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def main() -> int:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    one = KINDS[kind](folder)
    if sys.argv[3:4] == ["--query"]:
        print(json.dumps([float(x) for x in one.text(sys.argv[4])]), flush=True)
        return 0
    for line in sys.stdin:
        print(json.dumps(answer(one, json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
