"""What the manual says of a deployment is what it does."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from infra import __main__ as command
from infra.config import Config, choices

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs" / "operations.md").read_text()
ROW = re.compile(r"^\| `(?P<name>[a-z_]+)` \|(?P<default>[^|]*)\|[^|]*\|$", re.M)


def rows() -> dict[str, str]:
    """Choice → what its row says is the default."""
    section = MANUAL.split("### What it may choose")[1].split("###")[0]
    return {row["name"]: row["default"].strip() for row in ROW.finditer(section)}


def test_every_choice_is_in_the_manual_and_no_other() -> None:
    assert list(rows()) == choices()


@pytest.mark.parametrize("name", choices())
def test_the_manual_has_the_default(name: str) -> None:
    default = next(field.default for field in fields(Config) if field.name == name)
    said = rows()[name].strip("`")
    if isinstance(default, bool):
        assert said == str(default).lower()
    elif isinstance(default, tuple):
        assert said == str(list(default)).replace("'", '"')
    elif default == "":
        assert not rows()[name].startswith("`")
    else:
        assert said == str(default)


def test_the_example_is_a_config_and_so_is_all_that_it_offers(tmp_path: Path) -> None:
    text = (ROOT / "infra" / "deploy.example.toml").read_text()
    assert Config.load(ROOT / "infra" / "deploy.example.toml").email == "you@example.org"
    offered = re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.M)
    (tmp_path / "all.toml").write_text(offered)
    chosen = Config.load(tmp_path / "all.toml")
    assert (chosen.bucket, chosen.gpu, chosen.budget) == ("my-photos", False, 60)


@pytest.mark.parametrize("target", ["deploy", "destroy", "diff", "preflight", "outputs"])
def test_make_runs_the_command_with_config_and_arguments(target: str) -> None:
    said = subprocess.run(
        ["make", "-n", "-o", ".venv/infra.done", target, "CONFIG=my.toml", "ARGS=--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"-m infra {target} --config my.toml --json" in said


@pytest.mark.parametrize("option", sorted(set(re.findall(r"ARGS='?(--[a-z-]+)", MANUAL))))
def test_every_option_in_the_manual_is_known(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ""
    for name in ("deploy", "destroy"):
        with pytest.raises(SystemExit):
            command.main([name, "--help"])
        known += capsys.readouterr().out
    from_elsewhere = ("--port", "--data", "--heap", "--index", "--form", "--model", "--photos")
    assert option in known or option in from_elsewhere
