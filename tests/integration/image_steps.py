"""A Dockerfile's steps performed without Docker, in folders that stand for the images.

Every FROM of an image gets an empty folder and an empty virtual environment, for the Python that
the image brings. RUN lines are run as they are written; only an absolute path in the file means the
place below that folder, and pip finds its wheels in a folder in place of PyPI, by their hashes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.integration.dockerfile import Instruction, Stage, expanded, read_stages

_ABSOLUTE = re.compile(r"(?<![\w./:-])/(?=[a-z])")


@dataclass(frozen=True)
class Image:
    """What a stage has come to. `variables` are those of ENV; `root` stands for its `/`."""

    root: Path
    python: Path
    variables: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: Path = Path("/")
    user: str = "root"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """All that a process in the image sees: nothing of this one's."""
        path = f"{self.python.parent}:/usr/bin:/bin"
        return {"PATH": path, "LANG": "C.UTF-8", **self.variables, **(more or {})}

    def run(self, *arguments: str) -> list[str]:
        """The command line of a container started with `arguments` in place of CMD."""
        return [*self.entrypoint, *(arguments or self.command)]

    def script(self, text: str, **more: str) -> str:
        """What a Python script prints, run in the image."""
        done = subprocess.run(
            ["python3", "-c", text], cwd=self.workdir, env=self.environment(more),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass(frozen=True)
class Ground:
    """What images are built from. `wheels` is where pip looks, `python` what `python_base` made.

    `layers` are stages that took nothing from another stage: as in Docker, another with the very
    same steps and arguments has them ready."""

    context: Path
    wheels: Path
    python: Path
    layers: dict[str, Image] = field(default_factory=dict)


def build(
    dockerfile: Path, target: str, ground: Ground, place: Path, arguments: Mapping[str, str]
) -> Image:
    """The stage `target`, and those before it that it needs, in folders below `place`."""
    return _Builder(ground, place, dict(arguments), read_stages(dockerfile)).built(target)


def python_base(folder: Path) -> Path:
    """An empty virtual environment with pip, of the Python under this one; returns `folder`."""
    subprocess.run([sys.executable, "-I", "-m", "venv", str(folder)], check=True)
    return folder


@dataclass
class _Builder:
    ground: Ground
    place: Path
    given: dict[str, str]
    stages: dict[str, Stage]
    done: dict[str, Image] = field(default_factory=dict)

    def built(self, name: str) -> Image:
        if name not in self.done:
            stage = self.stages[name]
            alone = stage.base not in self.stages and not any(s.flags for s in stage.steps)
            same = repr(([(s.name, s.text) for s in stage.steps], self.given))
            self.done[name] = (alone and self.ground.layers.get(same)) or self._made(stage)
            if alone:
                self.ground.layers[same] = self.done[name]
        return self.done[name]

    def _made(self, stage: Stage) -> Image:
        derived = stage.base in self.stages
        image = self.built(stage.base) if derived else self._base(stage.name)
        for step in stage.steps:
            assert not (derived and step.name in ("COPY", "RUN")), "it would change its base"
            image = getattr(self, f"_{step.name.lower()}")(image, step)
        return image

    def _base(self, name: str) -> Image:
        root = self.place / name / "root"
        root.mkdir(parents=True)
        python = self.place / name / "python"
        shutil.copytree(self.ground.python, python, symlinks=True)
        return Image(root.resolve(), python.resolve() / "bin" / "python3", workdir=root)

    def _arg(self, image: Image, step: Instruction) -> Image:
        name, _, default = step.text.partition("=")
        value = self.given.get(name, default)
        return replace(image, arguments={**image.arguments, name: value})

    def _env(self, image: Image, step: Instruction) -> Image:
        pairs = (word.partition("=") for word in step.words(_known(image)))
        new = {name: _rooted(value, image.root) for name, _, value in pairs}
        return replace(image, variables={**image.variables, **new})

    def _workdir(self, image: Image, step: Instruction) -> Image:
        place = self._place(image, expanded(step.text, _known(image)))
        place.mkdir(parents=True, exist_ok=True)
        return replace(image, workdir=place)

    def _user(self, image: Image, step: Instruction) -> Image:
        return replace(image, user=step.text)

    def _entrypoint(self, image: Image, step: Instruction) -> Image:
        return replace(image, entrypoint=tuple(step.words({})), command=())

    def _cmd(self, image: Image, step: Instruction) -> Image:
        return replace(image, command=tuple(step.words({})))

    def _copy(self, image: Image, step: Instruction) -> Image:
        assert set(step.flags) <= {"from"}, f"line {step.line}: a flag that is not read here"
        *sources, target = step.words(_known(image))
        where = self.built(step.flags["from"]).root if "from" in step.flags else self.ground.context
        for source in sources:
            assert ".." not in Path(source).parts
            _copied(where / source.lstrip("/"), self._place(image, target), target)
        return image

    def _run(self, image: Image, step: Instruction) -> Image:
        assert not step.flags, f"line {step.line}: a flag that is not read here"
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.ground.wheels)}
        done = subprocess.run(
            ["/bin/sh", "-c", _rooted(step.text, image.root)], cwd=image.workdir,
            env=image.environment(image.arguments | offline),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"line {step.line}: {done.stdout}{done.stderr}"
        return image

    @staticmethod
    def _place(image: Image, path: str) -> Path:
        return image.root / path.lstrip("/") if path.startswith("/") else image.workdir / path


def _known(image: Image) -> dict[str, str]:
    return image.arguments | image.variables


def _rooted(text: str, root: Path) -> str:
    return _ABSOLUTE.sub(f"{root}/", text)


def _copied(source: Path, place: Path, written: str) -> None:
    """A folder's content goes into `place`; a file too where that is written as a folder.

    Files are linked: no step writes into one that is there."""
    if source.is_dir():
        shutil.copytree(source, place, dirs_exist_ok=True, symlinks=True, copy_function=os.link)
        return
    folder = place if written.endswith(("/", ".")) else place.parent
    folder.mkdir(parents=True, exist_ok=True)
    os.link(source, folder / (source.name if folder is place else place.name))
