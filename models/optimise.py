"""`python -m models optimise FOLDER`: the deploy form of a model, checked against its source.

The form is an ordinary model folder in the layout of transformers.js, of the same fingerprint as
its source. docs/adr/0011-deploy-form.md says how its graphs were chosen.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chalicelib.clip.calibration import FILE as CALIBRATION
from chalicelib.clip.folder import read_folder
from chalicelib.clip.identity import fingerprint
from chalicelib.clip.spec import ModelFolder, read_json_if_any
from chalicelib.errors import ConfigurationError, ModelError
from models.optimise_forms import LADDERS, ROLES, Maker, Plan
from models.optimise_graph import probe_of, simple_graph
from models.smooth import smooth
from models.steps import step
from models.verify import (
    LEAST_COSINE,
    LEAST_OVERLAP,
    Figures,
    Sample,
    compare,
    vectors_of,
)

NOTE = "optimised.json"
"""Beside the graphs: how they were made and what was measured. Marks the folder as ours."""


_LOOKED_AT = 16
"""Pictures and texts by which channels are smoothed."""

_SCRATCH = ".optimising-"
"""Where a form is made, beside its place; the process's number follows."""


@dataclass(frozen=True, slots=True)
class Made:
    """What `optimise` did: the folder, the figures, bytes of each tower before and after."""

    out: Path
    figures: Figures
    plans: dict[str, Plan]
    before: dict[str, int]
    after: dict[str, int]

    def __str__(self) -> str:
        lines = [
            f"{role} tower: {_mib(self.before[role])} → {_mib(self.after[role])} "
            f"({self.plans[role].said})"
            for role in ROLES
        ]
        return "\n".join([*lines, str(self.figures), str(self.out)])


def optimise(source: Path, out: Path, sample: Sample, *, form: str = "int8") -> Made:
    """Write the form `form` of the model in `source` to `out`, whole or not at all.

    Of the ways to make it, the fastest first, the first is taken whose vectors are near enough
    to the source's on `sample`. Raises ConfigurationError where `out` is the source or holds
    something else, ModelError where the source is no fp32 model or no way is near enough.
    """
    folder = read_folder(source)
    _check(folder, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    _sweep(out.parent)
    prefix = f"{_SCRATCH}{os.getpid()}-"
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=prefix) as temporary:
        scratch = Path(temporary)
        fresh = scratch / "form" / out.name
        fresh.mkdir(parents=True)
        maker = _maker(folder, sample, scratch, form)
        _write_configs(folder, fresh, form, ready=not maker.convolves)
        plans, figures = _climb(maker, fresh, form)
        before, after = _bytes(folder), _bytes(read_folder(fresh))
        _write_note(fresh, form, plans, figures)
        _put(fresh, out, scratch / "old")
    return Made(out, figures, plans, before, after)


def _check(folder: ModelFolder, out: Path) -> None:
    if folder.form != "fp32":
        raise ModelError(
            f"{folder.path} holds {folder.form} weights; a form is made from the fp32 model."
        )
    if out.resolve() == folder.path.resolve():
        raise ConfigurationError("The form cannot take the place of its source.", field="out")
    theirs = out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / NOTE).is_file())
    if theirs:
        raise ConfigurationError(
            f"{out} holds something other than an optimised model; name another folder.",
            field="out",
        )


def _maker(folder: ModelFolder, sample: Sample, scratch: Path, form: str) -> Maker:
    simple = {}
    for role in ROLES:
        with step("optimise", f"simplifying the {role} graph"):
            graph = simple_graph(folder, role, scratch / role)
            if form == "int8":
                smooth(graph, probe_of(folder, role, graph, *sample.first(_LOOKED_AT)), scratch)
            simple[role] = graph
    with step("optimise", f"embedding {len(sample.pixels)} pictures and {len(sample.texts)} texts"):
        wanted = vectors_of(folder.path, sample)
    return Maker(folder, simple, sample, wanted, scratch)


def _climb(maker: Maker, fresh: Path, form: str) -> tuple[dict[str, Plan], Figures]:
    """Up the ladders until the form is good. Raises ModelError at their end."""
    ladders = LADDERS[form]
    rung = dict.fromkeys(ROLES, 0)
    changed: tuple[str, ...] = ROLES
    while True:
        plans = {role: ladders[role][rung[role]] for role in ROLES}
        for role in changed:
            with step("optimise", f"{role} tower: {plans[role].said}"):
                maker.make(role, plans[role], fresh / "onnx" / f"{role}_model_{form}.onnx")
        with step("optimise", "comparing"):
            figures = compare(maker.wanted, vectors_of(fresh, maker.sample))
        _say(str(figures))
        if figures.good:
            return plans, figures
        changed = _to_raise(figures, rung, {role: len(ladders[role]) for role in ROLES})
        if not changed:
            raise ModelError(_refusal(figures))


def _to_raise(figures: Figures, rung: dict[str, int], ends: dict[str, int]) -> tuple[str, ...]:
    """The tower that goes up a rung (`rung` is changed); none where none can."""
    order = ["text", "vision"]
    if figures.picture_cosine[0] < LEAST_COSINE or figures.by_picture < LEAST_OVERLAP:
        order = ["vision"]
    elif figures.text_cosine[0] < LEAST_COSINE:
        order = ["text"]
    elif figures.picture_cosine[1] < figures.text_cosine[1]:
        order = ["vision", "text"]
    for role in order:
        if rung[role] + 1 < ends[role]:
            rung[role] += 1
            return (role,)
    return ()


def _refusal(figures: Figures) -> str:
    return (
        f"The optimised form differs too much from its source: {figures}. Wanted are a cosine of "
        f"{LEAST_COSINE} and an overlap of {LEAST_OVERLAP}. Nothing was written; deploy the source."
    )


# --- the folder -------------------------------------------------------------------------------


def _write_configs(folder: ModelFolder, fresh: Path, form: str, *, ready: bool) -> None:
    kind = read_json_if_any(folder.path / "config.json").get("model_type")
    known = kind if kind in ("conse", "siglip", "siglip2", "jina_clip") else "clip"
    text = {name: value for name, value in asdict(folder.text).items() if name != "tokenizer"}
    template = text.pop("query_template")
    search = {
        "name": folder.name,
        "query_template": template,
        "source_fingerprint": fingerprint(folder),
        "form": form,
        "ready": ready,
        "text": text,
        "pixels": folder.pixels.to_json(),
    }
    _write_json(fresh / "config.json", {"model_type": known, "projection_dim": folder.dim})
    _write_json(fresh / "search_config.json", search)
    shutil.copyfile(folder.text.tokenizer, fresh / "tokenizer.json")
    preprocessor = folder.path / "preprocessor_config.json"
    for path in (preprocessor, folder.path / CALIBRATION):
        if path.is_file():
            shutil.copyfile(path, fresh / path.name)


def _write_note(fresh: Path, form: str, plans: dict[str, Plan], figures: Figures) -> None:
    import onnxruntime

    note = {
        "form": form,
        "onnxruntime": onnxruntime.__version__,
        "plans": {role: asdict(plan) for role, plan in plans.items()},
        "figures": asdict(figures),
    }
    _write_json(fresh / NOTE, note)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left here."""
    for left in folder.glob(f"{_SCRATCH}*-*"):
        pid = left.name.removeprefix(_SCRATCH).partition("-")[0]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (ValueError, PermissionError):
            continue


def _put(fresh: Path, out: Path, old: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        out.rename(old)
    fresh.rename(out)


def _bytes(folder: ModelFolder) -> dict[str, int]:
    towers = {"vision": folder.vision_tower, "text": folder.text_tower}
    return {
        role: sum(path.stat().st_size for path in (tower.onnx.path, *tower.onnx.external))
        for role, tower in towers.items()
    }


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


def _say(what: str) -> None:
    print(f"optimise: {what}", file=sys.stderr, flush=True)
