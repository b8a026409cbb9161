"""Which room may import which (docs/architecture.md), read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LEVELS: tuple[tuple[str, ...], ...] = (
    ("client",),
    (
        "chalicelib",
        "chalicelib.config",
        "chalicelib.copies",
        "chalicelib.deadline",
        "chalicelib.errors",
        "chalicelib.facts",
        "chalicelib.forms",
        "chalicelib.gate",
        "chalicelib.handed",
        "chalicelib.letters",
        "chalicelib.log",
        "chalicelib.overlap",
        "chalicelib.queries",
        "chalicelib.records",
        "chalicelib.relevance",
        "chalicelib.sharding",
        "chalicelib.tracing",
        "chalicelib.vectors",
        "chalicelib.words",
    ),
    (
        "chalicelib.boundary",
        "chalicelib.bounds",
        "chalicelib.boxes",
        "chalicelib.colour",
        "chalicelib.cursors",
        "chalicelib.events",
        "chalicelib.exif",
        "chalicelib.formats",
        "chalicelib.images",
        "chalicelib.ocr",
    ),
    (
        "chalicelib.clip",
        "chalicelib.decoding",
        "chalicelib.s3errors",
        "chalicelib.storage",
        "chalicelib.queue",
        "chalicelib.quota",
        "chalicelib.index",
        "chalicelib.thumbnails",
    ),
    (
        "chalicelib.algebra",
        "chalicelib.verdicts",
        "chalicelib.compare",
        "chalicelib.deadletters",
        "chalicelib.dropping",
        "chalicelib.health",
        "chalicelib.uploads",
        "chalicelib.reading",
        "chalicelib.embedding",
        "chalicelib.ingest",
        "chalicelib.meanings",
        "chalicelib.reasons",
        "chalicelib.search",
        "chalicelib.thresholds",
        "chalicelib.library",
        "chalicelib.reconcile",
        "chalicelib.differences",
        "chalicelib.packed",
        "chalicelib.spool",
        "chalicelib.inventory",
        "chalicelib.sweeping",
    ),
    (
        "chalicelib.answers",
        "chalicelib.api",
        "chalicelib.asking",
        "chalicelib.codes",
        "chalicelib.contract",
        "chalicelib.examples",
        "chalicelib.openapi",
        "chalicelib.origins",
        "chalicelib.parameters",
        "chalicelib.shapes",
        "chalicelib.auth",
        "chalicelib.cookies",
        "chalicelib.measures",
        "chalicelib.tokens",
        "chalicelib.wiring",
    ),
    ("app", "container_embedder", "local"),
)
"""Each room may import those of its own level and of the levels above it in this list."""

BOTO3 = {"chalicelib.wiring", "client", "local"}
"""Rooms that make AWS clients."""
BOTOCORE_EXCEPTIONS_ONLY = {"chalicelib.storage", "chalicelib.queue", "chalicelib.quota"}
ENVIRONMENT = {
    "chalicelib/config.py": "the settings",
    "client/surroundings.py": "runs on other machines, and takes its own variables",
    "chalicelib/decoding/process.py": "hands its own environment on to the child it starts",
}
"""Files below chalicelib and beside it that touch the environment, and what for."""
HEAVY = {
    "cryptography",
    "jwt",
    "numpy",
    "PIL",
    "pi_heif",
    "pylibjxl",
    "rawpy",
    "onnxruntime",
    "rapidocr",
    "cv2",
    "tokenizers",
    "onnx",
    "moto",
    "pyarrow",
}
LIGHT_AT_IMPORT = ("app.py", "chalicelib/wiring.py", "chalicelib/clip/model.py")
MOST_LINES = 320


def sources() -> list[Path]:
    folders = ("chalicelib", "client", "container_embedder", "local")
    found = [path for name in folders for path in (ROOT / name).rglob("*.py")]
    return sorted([ROOT / "app.py", *found])


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str | None:
    """The longest room that holds `module`."""
    known = [room for level in LEVELS for room in level]
    holding = [room for room in known if module == room or module.startswith(room + ".")]
    room = max(holding, key=len, default=None)
    return None if room == "chalicelib" and module != "chalicelib" else room


def level_of(room: str) -> int:
    return next(n for n, level in enumerate(LEVELS) if room in level)


def for_types_only(tree: ast.Module) -> set[ast.AST]:
    """Everything below `if TYPE_CHECKING:`."""
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    return {inner for block in blocks for part in block.body for inner in ast.walk(part)}


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """The modules that `path` imports when it runs; of `from a import b` both a and a.b."""
    tree = ast.parse(path.read_text())
    left_out = for_types_only(tree)
    for node in tree.body if top_only else ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(modules: Iterator[str]) -> set[str]:
    """The rooms among `modules`; `from chalicelib import x` names the room x, not the package."""
    roots = tuple(name.split(".")[0] for level in LEVELS for name in level)
    known = {module for module in modules if module.split(".")[0] in roots}
    return {room for module in known if (room := room_of(module)) and room != "chalicelib"}


FILES = {str(path.relative_to(ROOT)): path for path in sources()}


@pytest.mark.parametrize("name", FILES)
def test_every_file_belongs_to_a_room(name: str) -> None:
    assert room_of(name_of(FILES[name])) is not None, f"put {name} on a level of LEVELS"


@pytest.mark.parametrize("name", FILES)
def test_imports_point_one_way(name: str) -> None:
    room = room_of(name_of(FILES[name]))
    assert room
    wrong = [r for r in ours(imports(FILES[name])) if level_of(r) > level_of(room)]
    assert wrong == []


@pytest.mark.parametrize("name", [n for n in FILES if not n.startswith("client/")])
def test_the_client_stands_by_itself(name: str) -> None:
    """The first level keeps it from importing the rest; nor does the rest import it."""
    assert "client" not in ours(imports(FILES[name]))


def test_rooms_do_not_import_each_other_in_circles() -> None:
    edges: dict[str, set[str]] = {}
    for path in sources():
        room = room_of(name_of(path))
        assert room
        edges.setdefault(room, set()).update(ours(imports(path)) - {room})
    done: set[str] = set()
    while ready := [room for room in edges if room not in done and edges[room] <= done]:
        done.update(ready)
    assert set(edges) - done == set()


@pytest.mark.parametrize("name", FILES)
def test_aws_is_spoken_to_in_few_places(name: str) -> None:
    room = room_of(name_of(FILES[name]))
    used = {m for m in imports(FILES[name]) if m.split(".")[0] in ("boto3", "botocore")}
    if room in BOTO3:
        return
    if room in BOTOCORE_EXCEPTIONS_ONLY:
        assert all(m.startswith("botocore.exceptions") for m in used)
    else:
        assert used == set()


def environment_uses(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
        and ast.unparse(node) in ("os.environ", "os.getenv", "environ", "getenv", "os.putenv")
    ]


@pytest.mark.parametrize("name", [n for n in FILES if not n.startswith("local/")])
def test_the_environment_is_read_in_one_place(name: str) -> None:
    if name in ENVIRONMENT:
        assert environment_uses(FILES[name]), f"{name} no longer needs its exception"
    else:
        assert environment_uses(FILES[name]) == []


@pytest.mark.parametrize("name", LIGHT_AT_IMPORT)
def test_importing_the_api_loads_nothing_heavy(name: str) -> None:
    heavy = {m.split(".")[0] for m in imports(FILES[name], top_only=True)} & HEAVY
    assert heavy == set()


@pytest.mark.parametrize("name", FILES)
def test_files_stay_short(name: str) -> None:
    assert len(FILES[name].read_text().splitlines()) < MOST_LINES


def test_the_checks_see_what_they_look_for(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import boto3\n"
        "import os\nfrom chalicelib import api\n"
        "def f():\n    import numpy.linalg\n    return os.environ['HOME']\n"
    )
    assert "boto3" not in set(imports(path))
    assert "numpy.linalg" in set(imports(path))
    assert "numpy.linalg" not in set(imports(path, top_only=True))
    assert ours(imports(path)) == {"chalicelib.api"}
    assert environment_uses(path) == ["os.environ"]
