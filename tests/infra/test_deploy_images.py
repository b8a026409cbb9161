"""An image is built once: here where an engine runs, else by CodeBuild, whose log is followed."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.errors import ConfigurationError
from infra.commands import codebuild, docker, images
from infra.commands.account import Account
from tests.infra import deploy_world
from tests.infra.deploy_builds import Builds, put

REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine"
OUTPUTS = {"Repository": REPOSITORY, "BuildProject": "mine-images", "SourceBucket": "mine-builds"}

ENGINE = """\
#!/bin/sh
echo "$*" >> "$HEARD"
case "$1" in
    info) echo "${NATIVE:-x86_64}" ;;
    buildx) printf 'Name: default\\nPlatforms: linux/amd64*, linux/386%s\\n' "$EMULATED" ;;
    login) cat >> "$HEARD"; echo >> "$HEARD" ;;
    push) test -z "$PUSH_FAILS" ;;
esac
"""
"""No engine runs where the tests do: a script in its place notes what it is asked."""


@pytest.fixture
def account(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Account:
    deploy_world.enter(endpoint, monkeypatch)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    account = deploy_world.account()
    account.client("ecr").create_repository(repositoryName="mine")
    return account


@pytest.fixture
def wanted(tmp_path: Path) -> images.Wanted:
    context = tmp_path / "context"
    (context / "model").mkdir(parents=True)
    (context / "Dockerfile").write_text("FROM scratch\n")
    (context / "model" / "a b.onnx").write_bytes(b"weights")
    (context / "run").write_text("#!/bin/sh\n")
    (context / "run").chmod(0o755)
    arguments = ("--file", "Dockerfile", "--build-arg", "A=b c")
    return images.Wanted("embedder_tag", "function-1", context, arguments, "linux/amd64")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A `docker` on the PATH; returns what it heard."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(ENGINE)
    (tmp_path / "bin" / "docker").chmod(0o755)
    heard = tmp_path / "heard"
    monkeypatch.setenv("HEARD", str(heard))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return lambda: heard.read_text().splitlines()


def test_an_image_that_is_in_the_repository_is_not_built(
    account: Account, wanted: images.Wanted
) -> None:
    assert not images.is_there(account, REPOSITORY, wanted.tag)
    put(account, "mine", wanted.tag)
    tell = deploy_world.Heard()
    images.build(account, wanted, OUTPUTS, tell, pause=0)
    assert "is in the repository already" in tell.text


def test_an_engine_of_this_machine_builds_signs_in_and_pushes(
    account: Account, wanted: images.Wanted, engine: Callable[[], list[str]]
) -> None:
    images.build(account, wanted, OUTPUTS, deploy_world.Heard(), pause=0)
    _info, build, login, password, push = engine()
    assert build == (
        f"build --file Dockerfile --build-arg A=b c --tag {REPOSITORY}:function-1 {wanted.folder}"
    )
    assert login == f"login --username AWS --password-stdin {REPOSITORY.split('/')[0]}"
    assert len(password) > 10
    assert push == f"push {REPOSITORY}:function-1"


def test_an_engine_that_cannot_push_says_so(
    account: Account,
    wanted: images.Wanted,
    engine: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUSH_FAILS", "1")
    with pytest.raises(ConfigurationError, match="docker push"):
        images.build(account, wanted, OUTPUTS, deploy_world.Heard(), pause=0)


def test_another_processors_image_needs_an_engine_that_emulates_it(
    engine: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert docker.builds("linux/amd64")
    assert not docker.builds("linux/arm64")
    monkeypatch.setenv("EMULATED", ", linux/arm64")
    assert docker.builds("linux/arm64")
    monkeypatch.setenv("NATIVE", "aarch64")
    monkeypatch.setenv("EMULATED", "")
    assert docker.builds("linux/arm64")


def test_without_docker_nothing_is_built_here(account: Account) -> None:
    assert not docker.builds("linux/amd64")


def test_the_archive_is_the_same_each_time_and_keeps_modes(
    wanted: images.Wanted, tmp_path: Path
) -> None:
    for name in ("one.zip", "two.zip"):
        codebuild.archive(wanted.folder, tmp_path / name)
        os.utime(wanted.folder / "run", (1, 1))
    one = (tmp_path / "one.zip").read_bytes()
    assert one == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(one)) as read:
        assert read.namelist() == ["Dockerfile", "model/a b.onnx", "run"]
        assert read.getinfo("run").external_attr >> 16 & 0o777 == 0o755
        assert read.read("model/a b.onnx") == b"weights"


@pytest.fixture
def builds(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Builds]:
    builds = Builds()
    s3, logs = account.client("s3"), account.client("logs")
    s3.create_bucket(
        Bucket="mine-builds", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    logs.create_log_group(logGroupName="builds")
    logs.create_log_stream(logGroupName="builds", logStreamName="1")
    now = time.time_ns() // 1_000_000
    lines = [{"timestamp": now, "message": f"line {n}\n"} for n in (1, 2)]
    logs.put_log_events(logGroupName="builds", logStreamName="1", logEvents=lines)
    with deploy_world.answering(builds.answer) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CODEBUILD", address)
        yield builds


def test_codebuild_gets_the_context_and_its_log_is_followed(
    account: Account, wanted: images.Wanted, builds: Builds
) -> None:
    tell = deploy_world.Heard()
    images.build(account, wanted, OUTPUTS, tell, pause=0)
    (started,) = builds.started
    assert started["sourceLocationOverride"] == "mine-builds/function-1.zip"
    assert started["environmentTypeOverride"] == "LINUX_CONTAINER"
    variables = {v["name"]: v["value"] for v in started["environmentVariablesOverride"]}
    assert variables == {
        "IMAGE": f"{REPOSITORY}:function-1",
        "ARGUMENTS": "--file Dockerfile --build-arg 'A=b c'",
    }
    body = account.client("s3").get_object(Bucket="mine-builds", Key="function-1.zip")["Body"]
    with zipfile.ZipFile(io.BytesIO(body.read())) as read:
        assert "Dockerfile" in read.namelist()
    assert tell.text.count("line 1") == tell.text.count("line 2") == 1
    assert tell.text.index("CodeBuild: build") < tell.text.index("line 1")


def test_a_build_that_an_interrupted_run_left_is_joined(
    account: Account, wanted: images.Wanted, builds: Builds
) -> None:
    image = f"{REPOSITORY}:{wanted.tag}"
    builds.StartBuild({"environmentVariablesOverride": [{"name": "IMAGE", "value": image}]})
    builds.started.clear()
    tell = deploy_world.Heard()
    images.build(account, wanted, OUTPUTS, tell, pause=0)
    assert builds.started == []
    assert "joining the build" in tell.text


def test_a_build_of_another_image_is_not_joined(
    account: Account, wanted: images.Wanted, builds: Builds
) -> None:
    other = [{"name": "IMAGE", "value": f"{REPOSITORY}:other"}]
    builds.StartBuild({"environmentVariablesOverride": other})
    images.build(account, wanted, OUTPUTS, deploy_world.Heard(), pause=0)
    assert len(builds.started) == 2


def test_a_build_that_fails_says_where_its_log_is(
    account: Account, wanted: images.Wanted, builds: Builds
) -> None:
    builds.end = "FAILED"
    with pytest.raises(ConfigurationError, match="ended as failed; its whole log: https://console"):
        images.build(account, wanted, OUTPUTS, deploy_world.Heard(), pause=0)


def test_a_build_that_lost_to_another_of_the_same_tag_is_no_failure(
    account: Account, wanted: images.Wanted, builds: Builds
) -> None:
    builds.end = "FAILED"
    builds.on_end = lambda _image: put(account, "mine", wanted.tag)
    images.build(account, wanted, OUTPUTS, deploy_world.Heard(), pause=0)
    assert images.is_there(account, REPOSITORY, wanted.tag)


def test_another_processors_build_runs_on_that_processor(
    account: Account, wanted: images.Wanted, builds: Builds
) -> None:
    arm = images.Wanted("embedder_tag", "function-2", wanted.folder, (), "linux/arm64")
    images.build(account, arm, OUTPUTS, deploy_world.Heard(), pause=0)
    (started,) = builds.started
    assert started["environmentTypeOverride"] == "ARM_CONTAINER"
    assert "aarch64" in started["imageOverride"]
