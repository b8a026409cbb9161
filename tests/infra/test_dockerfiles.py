"""What can be said of the Dockerfiles by reading them, and whether the tests read them rightly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra.context import BATCH, FUNCTION, GPU, ROOT, Image
from tests.integration.dockerfile import read_instructions, read_stages
from tests.integration.image_steps import Ground, build

FOLDER = ROOT / "container_embedder"
IMAGES = (FUNCTION, BATCH, GPU)


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_hadolint_has_nothing_to_say(name: str) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [hadolint, "--no-color", FOLDER / name], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_speak_up(tmp_path: Path) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    (tmp_path / "Dockerfile").write_text("FROM debian:latest\nRUN cd /tmp\n")
    done = subprocess.run(
        [hadolint, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "DL3007" in done.stdout


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_an_image_s_stage_and_lock_are_those_that_are_built(image: Image) -> None:
    stages = read_stages(FOLDER / image.dockerfile)
    assert image.target in stages
    assert (FOLDER / image.lock).is_file()
    arguments = [s.text for s in stages["packages"].steps if s.name == "ARG"]
    default = GPU.lock if image is GPU else FUNCTION.lock
    assert arguments == [f"REQUIREMENTS={default}"]


def test_a_dockerfile_built_without_a_target_is_the_function() -> None:
    assert list(read_stages(FOLDER / FUNCTION.dockerfile))[-1] == FUNCTION.target
    assert list(read_stages(FOLDER / GPU.dockerfile))[-1] == GPU.target


def test_bases_come_from_aws_s_own_registry_at_one_version_of_python() -> None:
    bases = {
        stage.base
        for image in IMAGES
        for stages in [read_stages(FOLDER / image.dockerfile)]
        for stage in stages.values()
        if stage.base not in stages
    }
    assert bases == {
        "public.ecr.aws/lambda/python:3.13",
        "public.ecr.aws/docker/library/python:3.13-slim-trixie",
    }


def test_both_dockerfiles_install_and_build_alike() -> None:
    """They differ by base, variables and lock; a step mended in one must be mended in both."""
    runs = [
        [s.text for s in read_instructions(FOLDER / name) if s.name in ("RUN", "COPY", "USER")]
        for name in ("Dockerfile", "Dockerfile.gpu")
    ]
    assert runs[0] == runs[1]


def test_packages_are_pinned_by_hash_and_never_built_from_source() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    assert "--require-hashes --no-deps --only-binary :all: --no-cache-dir" in text
    for image in IMAGES:
        lock = (FOLDER / image.lock).read_text().splitlines()
        pins = [n for n, line in enumerate(lock) if "==" in line and not line.startswith(" ")]
        assert len(pins) > 30
        assert all("--hash=sha256:" in lock[n + 1] for n in pins)


def written(folder: Path, text: str) -> Path:
    (folder / "Dockerfile").write_text(text)
    return folder / "Dockerfile"


def test_comments_lines_that_go_on_and_variables_are_read_as_docker_reads_them(
    tmp_path: Path,
) -> None:
    stages = read_stages(
        written(
            tmp_path,
            "# first\nFROM base:1 AS one\nENV A=1 \\\n    # between\n    B='two words'\n\n"
            'COPY --from=zero ${A} /x\nFROM one AS two\nCMD ["a b", "$A"]\n',
        )
    )
    assert {name: stage.base for name, stage in stages.items()} == {"one": "base:1", "two": "one"}
    env, copy = stages["one"].steps
    assert env.words({}) == ["A=1", "B=two words"]
    assert (copy.flags, copy.words({"A": "here"}), copy.line) == (
        {"from": "zero"},
        ["here", "/x"],
        7,
    )
    assert stages["two"].steps[0].words({}) == ["a b", "$A"]
    with pytest.raises(KeyError):
        copy.words({})


@pytest.mark.parametrize("line", ["ADD x y", "VOLUME /x", "RUN true \\", "FROM base"])
def test_what_is_not_understood_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_stages(written(tmp_path, f"FROM base AS one\n{line}\n"))


def ground(folder: Path) -> Ground:
    for name in ("context", "wheels", "python"):
        (folder / name).mkdir()
    (folder / "context" / "here").write_text("content")
    return Ground(folder / "context", folder / "wheels", folder / "python")


def test_steps_are_performed_below_a_folder_that_stands_for_the_image(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "FROM base AS one\nARG WHO=nobody\nWORKDIR /srv/app\nENV HOME=/srv NAME=$WHO\n"
        'COPY here there/\nRUN cat there/here > /srv/said && echo "$NAME $WHO" >> /srv/said\n'
        "FROM base AS two\nCOPY --from=one /srv /opt/copy\nUSER 5\n"
        'FROM two AS three\nENTRYPOINT ["a"]\nCMD ["b"]\n',
    )
    image = build(file, "three", ground(tmp_path), tmp_path / "images", {"WHO": "ann"})
    assert (image.root / "opt" / "copy" / "said").read_text() == "contentann ann\n"
    assert (image.user, image.run(), image.run("c")) == ("5", ["a", "b"], ["a", "c"])
    assert image.variables == {}


@pytest.mark.parametrize(
    "step", ["RUN false", "COPY nowhere there", "RUN cat ../../wheels/../secret", "COPY $WHAT x"]
)
def test_a_step_that_cannot_be_performed_is_a_failure(step: str, tmp_path: Path) -> None:
    file = written(tmp_path, f"FROM base AS one\n{step}\n")
    with pytest.raises((AssertionError, FileNotFoundError, KeyError)):
        build(file, "one", ground(tmp_path), tmp_path / "images", {})


def test_what_the_stack_starts_is_what_the_images_know() -> None:
    """Lambda and Batch put their own words in CMD's place, and none in ENTRYPOINT's."""
    from infra.parts.batch import COMMAND
    from infra.parts.functions import EMBEDDER, SEARCH

    stages = read_stages(FOLDER / "Dockerfile")
    last = ("function", "batch")
    said = {name: {s.name: s.words({}) for s in stages[name].steps} for name in last}
    assert said["function"] == {
        "ENTRYPOINT": ["python3", "-m", "awslambdaric"],
        "CMD": [EMBEDDER],
    }
    assert said["batch"] == {
        "ENTRYPOINT": ["python3", "-m", "container_embedder.batch_job"],
        "CMD": list(COMMAND),
    }
    gpu = read_stages(FOLDER / "Dockerfile.gpu")["batch"].steps[-2:]
    assert {s.name: s.words({}) for s in gpu} == said["batch"]
    assert SEARCH == "app.app"
