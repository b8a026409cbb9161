"""The API's zip holds the application and its packages, and is the same for the same tree."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from chalicelib.errors import ConfigurationError
from infra import api_package


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as written:
        for name, data in files.items():
            written.writestr(name, data)
    return path


def packages(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_the_project_holds_what_chalice_packages_and_nothing_else(tmp_path: Path) -> None:
    project = api_package.stage_project(tmp_path / "project")
    assert {path.name for path in project.iterdir()} == {
        ".chalice", "app.py", "chalicelib", "requirements.txt",
    }  # fmt: skip
    assert (project / "app.py").read_bytes() == (api_package.ROOT / "app.py").read_bytes()
    assert not list(project.rglob("__pycache__"))
    assert (project / "requirements.txt").read_text() == ""


def test_staging_again_leaves_nothing_of_the_last_time(tmp_path: Path) -> None:
    project = api_package.stage_project(tmp_path / "project")
    (project / "chalicelib" / "gone.py").write_text("")
    api_package.stage_project(project)
    assert not (project / "chalicelib" / "gone.py").exists()


def test_packages_are_added_beside_the_application_and_without_bytecode(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"app.py": b"app"})
    added = packages(
        tmp_path / "p", {"boto3/__init__.py": b"x", "boto3/__pycache__/__init__.pyc": b"y"}
    )
    api_package.add_packages(archive, added)
    with zipfile.ZipFile(archive) as read:
        assert {name: read.read(name) for name in read.namelist()} == {
            "app.py": b"app",
            "boto3/__init__.py": b"x",
        }
        assert all(entry.external_attr >> 16 == 0o644 for entry in read.infolist())


def test_the_same_files_make_the_same_zip_whenever_and_in_whatever_order(tmp_path: Path) -> None:
    added = packages(tmp_path / "p", {"b.py": b"b", "a/c.py": b"c"})
    one = zip_of(tmp_path / "1.zip", {"app.py": b"app", "lib.py": b"lib"})
    two = zip_of(tmp_path / "2.zip", {"lib.py": b"lib", "app.py": b"app"})
    for archive in (one, two):
        api_package.add_packages(archive, added)
    assert one.read_bytes() == two.read_bytes()


def test_more_than_lambda_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zip_of(tmp_path / "a.zip", {"app.py": b"app"})
    monkeypatch.setattr(api_package, "LAMBDA_TAKES", 5 * 1024**2)
    big = packages(tmp_path / "p", {"big.so": bytes(6 * 1024**2)})
    with pytest.raises(ConfigurationError, match="would unpack to 6 MB; Lambda takes"):
        api_package.add_packages(archive, big)


def test_packages_installed_once_are_not_installed_again(tmp_path: Path) -> None:
    target = tmp_path / "packages"
    requirements = (api_package.ROOT / "requirements.txt").read_bytes()
    done = tmp_path / "packages.done"
    done.write_text(api_package.mark_of(requirements))
    assert api_package.install_packages(target) == target
    assert not target.exists(), "it was installed although it was done"
