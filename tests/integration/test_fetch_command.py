"""`python -m models fetch` as people run it: what it prints, and what is left when it stops."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib.clip.folder import read_folder
from chalicelib.clip.identity import fingerprint
from models.calibrate import is_calibrated
from models.fetch_progress import size_words
from tests.integration.hub import TOKEN, Hub, hub
from tests.integration.processes import eventually
from tests.integration.test_fetch import NEEDED, REPO, TEXT, VISION, published

__all__ = ["hub", "published"]

ROOT = Path(__file__).parents[2]


class Commands:
    """Runs the command against a hub, in a cache and with a lock of its own."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub = hub
        self.calibrates = False
        self.cache, self.lock = folder / "cache", folder / "models.lock"
        self.out = self.cache / "models/tiny-clip"
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = kept | {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(folder / "hf"),
            "INTELLISENSE_CACHE": str(self.cache),
        }

    def line(self, *more: str) -> list[str]:
        command = [sys.executable, "-m", "models", "fetch", REPO, "--lock", str(self.lock)]
        return [*command, *([] if self.calibrates else ["--no-calibration"]), *more]

    def run(self, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.line(*more),
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            self.line(),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def part(self) -> int:
        """How many bytes of the vision graph lie in the part that is under way."""
        found = list(self.cache.glob(f"models/.fetching-*/parts/{VISION}"))
        return found[0].stat().st_size if found else 0


@pytest.fixture
def command(hub: Hub, published: Path, tmp_path: Path) -> Commands:
    hub.add(REPO, published)
    return Commands(hub, tmp_path)


def test_it_says_what_came_where_it_is_and_what_to_do_next(hub: Hub, command: Commands) -> None:
    done = command.run()
    assert done.returncode == 0, done.stderr
    listing, *rest = [r.path for r in hub.requests if not r.cdn]
    assert listing == f"/api/models/{REPO}/revision/main"
    assert all("/resolve/" in path for path in rest)
    folder = read_folder(command.out)
    first, second, third = done.stdout.splitlines()
    assert first == str(command.out)
    files = hub.repos[REPO].files
    size = size_words(sum(len(files[name]) for name in NEEDED))
    said = ["  tiny-clip", "fp32", size, "vectors of 16", f"fingerprint {fingerprint(folder)}"]
    assert second.split(", ") == said
    assert third == f"  next: make demo ARGS='--model {command.out}'"
    assert f"  {VISION} ({size_words(len(files[VISION]))})" in done.stderr.splitlines()
    assert "commit it" in done.stderr


def test_it_ends_with_the_models_calibration(
    command: Commands, starter: Path, samples: Path
) -> None:
    command.calibrates = True
    command.cache.mkdir(parents=True)
    for kept in (samples, samples.with_name("wheels")):
        (command.cache / kept.name).symlink_to(kept)
    first = command.run()
    assert first.returncode == 0, first.stderr
    assert "calibrate: " in first.stderr
    assert is_calibrated(command.out)
    made = (command.out / "calibration.npz").stat().st_mtime_ns
    again = command.run()
    assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
    assert (command.out / "calibration.npz").stat().st_mtime_ns == made


def test_a_second_time_no_hub_is_needed(command: Commands) -> None:
    first = command.run()
    again = command.run(HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
    assert "there already" in again.stderr


def test_killed_in_the_middle_it_goes_on_from_there(hub: Hub, command: Commands) -> None:
    hub.faults.holds[VISION] = 300_000
    with command.started() as process:
        eventually(command.part, lambda size: size == 300_000)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not command.out.exists()
    hub.faults.holds.clear()
    hub.requests.clear()
    done = command.run()
    assert done.returncode == 0, done.stderr
    asked = [r for r in hub.files_asked() if r.path.endswith("vision_model.onnx")]
    assert [r.range for r in asked] == ["bytes=300000-"]
    assert not any(r.path.endswith("tokenizer.json") for r in hub.files_asked())
    assert (command.out / VISION).read_bytes() == hub.repos[REPO].files[VISION]


def test_stopped_by_hand_it_leaves_no_half_folder_and_says_how_to_go_on(
    hub: Hub, command: Commands
) -> None:
    hub.faults.holds[VISION] = 300_000
    with command.started() as process:
        eventually(command.part, lambda size: size == 300_000)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
    assert process.returncode == 130
    assert out == ""
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert not command.out.exists()
    assert not command.lock.exists()
    hub.faults.holds.clear()
    assert command.run().returncode == 0


def test_a_disk_that_fills_up_is_one_sentence(command: Commands) -> None:
    """A limit on the size of files stands for the disk: writing fails in the same place."""
    with_limit = [
        sys.executable,
        "-c",
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, "
        f"{resource.RLIM_INFINITY})); os.execv(sys.executable, sys.argv[1:])",
    ]
    done = subprocess.run(
        [*with_limit, *command.line()],
        cwd=ROOT,
        env=command.environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: There is no room for vision_model.onnx")
    assert "--out" in last
    assert not command.out.exists()
    assert command.part() == 200_000
    assert command.run().returncode == 0


def test_a_token_is_used_and_never_printed(hub: Hub, command: Commands) -> None:
    hub.repos[REPO].needs_token = True
    wrong = command.run(HF_TOKEN="hf_secretsecret")
    assert wrong.returncode == 1
    assert "answered 401" in wrong.stderr
    assert "hf_secretsecret" not in wrong.stdout + wrong.stderr
    right = command.run(HF_TOKEN=TOKEN)
    assert right.returncode == 0, right.stderr
    assert TOKEN not in right.stdout + right.stderr


def test_offline_it_says_so_in_one_line(command: Commands) -> None:
    done = command.run(HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "HF_HUB_OFFLINE" in done.stderr


def test_another_form_has_a_folder_and_a_pin_of_its_own(hub: Hub, command: Commands) -> None:
    files = hub.repos[REPO].files
    for name in (VISION, TEXT):
        files[name.replace(".onnx", "_quantized.onnx")] = files[name]
    hub.history[hub.repos[REPO].commit] = files
    done = command.run("--form", "int8")
    assert done.returncode == 0, done.stderr
    folder = read_folder(command.cache / "models/tiny-clip-int8")
    assert folder.form == "int8"
    assert folder.vision_tower.onnx.path.name == "vision_model_quantized.onnx"
    assert not any(r.path.endswith("/vision_model.onnx") for r in hub.files_asked())


def test_the_recommended_models_are_listed_without_a_network() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "models", "list"],
        cwd=ROOT,
        env={"HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert "Xenova/clip-vit-base-patch32" in done.stdout
