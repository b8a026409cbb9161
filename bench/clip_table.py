"""What `bench/clip.py` measured, as Markdown for the README."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

PACKAGES = ("onnxruntime", "fastembed", "transformers", "torch", "tokenizers", "pillow", "numpy")

MISSING = "–"


@dataclass(slots=True)
class Results:
    """Figures by what was measured, then by competitor: one of each round, in the rounds' order.

    "query" and "cold" are seconds, "500 px" and "12 MP" pictures a second, "peak" is bytes.
    `vectors` are each competitor's, of "texts" and "images".
    """

    names: list[str]
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    vectors: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)

    def add(self, what: str, name: str, figure: float) -> None:
        self.figures.setdefault(what, {}).setdefault(name, []).append(figure)

    def middle(self, what: str, name: str) -> float | None:
        values = self.figures.get(what, {}).get(name)
        return median(values) if values else None

    def ratio(self, what: str, name: str, other: str) -> float | None:
        """The median of the rounds' ratios, `name` to `other`."""
        both = self.figures.get(what, {})
        if name not in both or other not in both:
            return None
        return median(a / b for a, b in zip(both[name], both[other], strict=True))


def markdown(results: Results, ours: str, footer: list[str]) -> str:
    """The table, what ours comes to beside the others, how alike the vectors are, the footer.

    `ours` is whose vectors the others' are compared with.
    """
    parts = [_table(results), "Ours beside the others (medians of the rounds' ratios):"]
    parts += ["\n".join(_ratios(results, name) for name in results.names if _is_ours(name))]
    parts += [f"Cosine to the vectors of “{ours}”, the lowest of all texts and pictures:"]
    return "\n\n".join([*parts, _parity(cosines(results, ours)), "\n".join(footer)])


def _table(results: Results) -> str:
    head = ["", "query → vector", "new process → first vector"]
    head += ["images/s, 500 px", "images/s, 12 MP", "peak memory, pictures"]
    lines = [head, ["---", *["---:"] * 5]]
    for name in results.names:
        middle = [results.middle(w, name) for w in ("query", "cold", "500 px", "12 MP", "peak")]
        forms = (_milliseconds, _milliseconds, _per_second, _per_second, _memory)
        cells = [MISSING if m is None else form(m) for m, form in zip(middle, forms, strict=True)]
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


MEASURED = {
    "query": "query → vector:",
    "cold": "new process → first vector:",
    "500 px": "images/s, 500 px:",
    "12 MP": "images/s, 12 MP:",
    "peak": "peak memory:",
}


def _is_ours(name: str) -> bool:
    return name.startswith("ours")


def _ratios(results: Results, name: str) -> str:
    lines = []
    for what, title in MEASURED.items():
        beside = [
            f"{_times(ratio)} {other}"
            for other in results.names
            if not _is_ours(other) and (ratio := results.ratio(what, name, other)) is not None
        ]
        if beside:
            lines.append(f"- {name}; {title} {'; '.join(beside)}")
    return "\n".join(lines)


def _times(ratio: float) -> str:
    return f"{ratio:.2f} ×" if ratio > 0.5 else f"1/{1 / ratio:.1f} of"


def cosines(results: Results, ours: str) -> dict[str, dict[str, float]]:
    """The lowest cosine to our fp32 vectors, by competitor and by "texts" and "images"."""
    found: dict[str, dict[str, float]] = {}
    for name, kinds in results.vectors.items():
        for kind, rows in kinds.items():
            reference = results.vectors[ours].get(kind)
            if reference is not None and name != ours:
                product = np.sum(_unit(rows) * _unit(reference), axis=1)
                found.setdefault(name, {})[kind] = float(product.min())
    return found


def _unit(rows: list[list[float]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    array = np.asarray(rows, np.float64)
    return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True))


def _parity(found: dict[str, dict[str, float]]) -> str:
    return "\n".join(
        f"- {name}: {', '.join(f'{kind} {cosine:.6f}' for kind, cosine in kinds.items())}"
        for name, kinds in found.items()
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds * 1000:,.0f} ms"


def _per_second(rate: float) -> str:
    return f"{rate:.3g}"


def _memory(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"


def machine() -> str:
    """Processor, CPUs this process may use, system."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [s for s in info.read_text().splitlines() if s.startswith("model name")]
        name = models[0].partition(":")[2].strip() if models else name
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name} ({platform.machine()}), {cpus} CPUs, {platform.system()}"


def versions(pythons: list[Path]) -> str:
    """What is installed in the environments, each package once a version."""
    found: dict[str, list[str]] = {"Python": [platform.python_version()]}
    code = (
        "import json; from importlib.metadata import distributions as d; "
        "print(json.dumps({p.name.lower(): p.version for p in d()}))"
    )
    for python in dict.fromkeys(pythons):
        said = subprocess.run([python, "-c", code], capture_output=True, check=True).stdout
        installed = json.loads(said)
        for package in PACKAGES:
            version = installed.get(package)
            if version and version not in found.setdefault(package, []):
                found[package].append(version)
    return ", ".join(f"{name} {' and '.join(v)}" for name, v in found.items() if v)
