"""A whole deployment with the real CDK command line, on moto: first, again, cut off, taken down."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.cloudformation.models import ChangeSet, CloudFormationBackend
from moto.cloudformation.parsing import OutputMap

from chalicelib.errors import ConfigurationError
from infra.commands import deploy
from infra.commands.account import Account
from infra.commands.cdk import HERE, PINNED, Cdk, installed
from infra.commands.deployment import run_steps
from infra.config import Config
from tests.infra import deploy_tiny, deploy_world
from tests.infra.deploy_builds import Builds, put
from tests.infra.deploy_limits import SERVICES, Limits
from tests.infra.synthesized import assembly

pytestmark = [
    pytest.mark.xdist_group("deploy"),
    # Of the bootstrap's template, moto makes what it can and leaves out the rest.
    pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning"),
]

CHANGING = deploy.STEPS[[step.run for step in deploy.STEPS].index(deploy.bootstrap) :]
"""The steps after the word."""
NAME = deploy_tiny.NAME


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deploy_tiny.write_assembly(tmp_path_factory.mktemp("tiny") / "assembly")


@pytest.fixture
def change_sets_as_in_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto forgets the outputs of a stack that a change set makes, and fails where a change set
    that is to be deleted is not there; AWS does neither."""
    apply, delete = ChangeSet.apply, CloudFormationBackend.delete_change_set

    def apply_with_outputs(self: Any) -> None:
        apply(self)
        stack = self.stack
        stack.output_map = OutputMap(stack.resource_map, self.template_dict, stack.stack_id)

    def delete_if_there(self: Any, change_set_name: str) -> None:
        with contextlib.suppress(UnboundLocalError):
            delete(self, change_set_name)

    monkeypatch.setattr(ChangeSet, "apply", apply_with_outputs)
    monkeypatch.setattr(CloudFormationBackend, "delete_change_set", delete_if_there)


@pytest.fixture
def account(
    endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    made: Path,
    change_sets_as_in_aws: None,
) -> Iterator[Account]:
    deploy_world.enter(endpoint, monkeypatch)
    # No Docker engine there, whatever this machine has.
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CDK_HOME", str(tmp_path / "cdk-home"))
    account = deploy_world.account()
    deploy_tiny.copy_with_ids(made, tmp_path / "made", account)
    builds = Builds()
    builds.on_end = lambda image: put(account, NAME, image.rsplit(":", 1)[1])
    with (
        deploy_world.answering(builds.answer) as codebuild,
        deploy_world.answering(Limits().answer) as limits,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_CODEBUILD", codebuild)
        for service in SERVICES:
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", limits)
        yield account


def run(tmp_path: Path) -> str:
    """Deploy; returns what was said."""
    made = deploy_tiny.deployment(tmp_path / "work", tmp_path / "made")
    run_steps(deploy.STEPS, made)
    return str(made.tell.text)  # type: ignore[attr-defined]


def test_from_an_empty_account_to_a_page_and_an_admin_and_again(
    account: Account, tmp_path: Path
) -> None:
    run(tmp_path)
    first = deploy_tiny.state_of(account)
    assert [name for name, _ in first["stacks"]] == [
        "CDKToolkit",
        "tiny-builds",
        "tiny-data",
        "tiny-service",
    ]
    assert {status for _, status in first["stacks"]} == {"CREATE_COMPLETE"}
    assert first["people"] == ["FORCE_CHANGE_PASSWORD"]
    assert first["admins"] == 1
    assert first["images"] == ["batch-1", "function-1"]
    assert {"index.html", "js/main.js"} <= set(first["site"])
    assert [name for name, _ in first["parameters"]] == ["/tiny/cookie-key", "/tiny/email"]
    told = json.loads(object_of(account, f"{NAME}-site-123456789012-eu-west-1", "config.json"))
    assert told["sign_in"]["client_id"] == "abc"
    said = run(tmp_path)
    again = deploy_tiny.state_of(account)
    assert settled(again) == settled(first)
    assert "0 files put, 0 deleted" in said
    assert said.count("is in the repository already") == 2


def settled(state: dict[str, Any]) -> dict[str, Any]:
    """Without the versions of what is written anew with the same value."""
    return state | {"parameters": [name for name, _ in state["parameters"]]}


def object_of(account: Account, bucket: str, key: str) -> bytes:
    return bytes(account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def test_killed_after_every_step_and_run_again_it_ends_as_if_it_had_not_been(
    account: Account, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.infra.deploy_tiny"]
    folders = [str(tmp_path / "work"), str(tmp_path / "made")]
    for cut in CHANGING:
        killed = subprocess.run(
            [*command, *folders, cut.name], cwd=deploy_tiny.ROOT, capture_output=True, check=False
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    run(tmp_path)
    state = deploy_tiny.state_of(account)
    assert [status for _, status in state["stacks"]] == ["CREATE_COMPLETE"] * 4
    assert (state["people"], state["admins"]) == (["FORCE_CHANGE_PASSWORD"], 1)
    assert state["images"] == ["batch-1", "function-1"]
    assert "index.html" in state["site"]
    assert ".publishing" not in state["site"]
    assert ("/tiny/cookie-key", 1) in state["parameters"]


def test_a_no_changes_nothing(account: Account, tmp_path: Path) -> None:
    made = deploy_tiny.deployment(tmp_path / "work", tmp_path / "made")
    made.tell = deploy_world.Heard("no")
    with pytest.raises(deploy.Declined):
        run_steps(deploy.STEPS, made)
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []
    assert account.client("s3").list_buckets()["Buckets"] == []
    assert account.client("ssm").describe_parameters()["Parameters"] == []


def test_what_blocks_ends_it_before_anything_is_made(account: Account, tmp_path: Path) -> None:
    made = deploy_tiny.deployment(tmp_path / "work", tmp_path / "made")
    made.config = Config(name=NAME, bucket="nowhere-at-all")
    with pytest.raises(ConfigurationError, match="Nothing was changed"):
        run_steps(deploy.STEPS, made)
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


def test_the_email_is_asked_for_once(account: Account, tmp_path: Path) -> None:
    asking = [step for step in deploy.STEPS if step.run in (deploy.know_email, deploy.keep_answers)]
    for answers in (("grace@example.org",), ()):
        made = deploy_tiny.deployment(tmp_path / "work", tmp_path / "made")
        made.config = Config(name=NAME)
        made.tell = deploy_world.Heard(*answers)
        run_steps(asking, made)
        assert made.config.email == "grace@example.org"


def test_bulk_work_alone_gets_the_new_images_and_model(account: Account, tmp_path: Path) -> None:
    made = deploy_tiny.deployment(tmp_path / "work", tmp_path / "made")
    deploy.prepare_images(made)
    assert (made.context()["embedder_tag"], made.context()["model"]) == (
        "function-1",
        "tiny:0123456789ab:8",
    )
    made.bulk_only = True
    with pytest.raises(ConfigurationError, match="Nothing is deployed"):
        made.context()
    deploy_tiny.make_stacks(account, tmp_path / "made")
    assert made.context() == {
        "embedder_tag": "function-0",
        "model": "tiny:ba9876543210:8",
        "batch_tag": "batch-1",
        "gpu_tag": "",
        "cookie_public_key": "",
    }


def test_ctrl_c_ends_it_with_a_sentence_and_130(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def hang(*_: Any) -> Any:
        asked.set()
        answer.wait(60)
        return {}

    with deploy_world.answering(hang) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", address)
        command = [sys.executable, "-m", "infra", "preflight"]
        with subprocess.Popen(
            command, cwd=deploy_tiny.ROOT, stderr=subprocess.PIPE, text=True
        ) as process:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        answer.set()
    assert process.returncode == 130
    assert said.strip() == "stopped; the same command goes on from there: what is done is skipped"


def test_the_command_line_reads_the_products_own_templates(
    account: Account, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = assembly(Config(account="123456789012", region="eu-west-1"))
    names = [f"image-intellisense-{what}" for what in ("data", "builds", "service")]
    Cdk(folder).diff(names)
    said = capfd.readouterr().err
    for name in names:
        made = json.loads((folder / f"{name}.template.json").read_text())["Resources"]
        for logical in made:
            assert f" {logical}" in said, f"{logical} of {name}"
    assert "Number of stacks with differences: 3" in said


def test_the_command_line_is_the_pinned_one_with_the_locks_hash() -> None:
    wanted, lock = (json.loads((HERE / name).read_text()) for name in PINNED)
    version = wanted["dependencies"]["aws-cdk"]
    assert version == "2.1148.1"
    locked = lock["packages"]["node_modules/aws-cdk"]
    assert (locked["version"], locked["integrity"][:7]) == (version, "sha512-")
    package = json.loads((installed().parents[1] / "package.json").read_text())
    assert package["version"] == version
