"""Where images are kept and built: what is thrown away, who may do it, what a build runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.config import Config
from infra.context import BATCH, FUNCTION, GPU
from infra.stacks.builds import KEPT
from tests.infra.bulk_stacks import builds

pytestmark = pytest.mark.xdist_group("bulk_stacks")

DOCKER = """#!/bin/sh
printf '%s\\n' "docker" "$@" "end" >> "$LOG"
[ "$1" = login ] && cat > /dev/null
[ "$1" = build ] && exit "${BUILD_STATUS:-0}"
exit 0
"""
AWS = "#!/bin/sh\necho password\n"


def project() -> dict[str, Any]:
    return builds().one("AWS::CodeBuild::Project")


def test_the_template_is_clean_for_cfn_lint() -> None:
    lint = str(Path(sys.executable).with_name("cfn-lint"))
    file = str(builds().folder / "ours.template.json")
    done = subprocess.run([lint, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_images_are_scanned_never_replaced_and_the_last_of_each_kind_kept() -> None:
    repository = builds().one("AWS::ECR::Repository")
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    tags = [image.tag("0123456789abcdef", "x86_64") for image in (FUNCTION, BATCH, GPU)]
    for rule in rules:
        assert rule["selection"]["countType"] == "imageCountMoreThan"
        assert rule["selection"]["countNumber"] == KEPT
    kept = [prefix for rule in rules for prefix in rule["selection"]["tagPrefixList"]]
    assert [[tag.startswith(prefix) for prefix in kept].count(True) for tag in tags] == [1, 1, 1]
    assert len(rules) == len(kept) == 3


def test_sources_are_private_reached_by_tls_alone_and_gone_after_a_week() -> None:
    bucket = builds().one("AWS::S3::Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["ExpirationInDays"], rule["Status"]) == (7, "Enabled")
    statements = builds().one("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    refused = [s["Condition"] for s in statements if s["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in refused


def test_a_build_may_push_to_this_repository_and_has_no_wildcard() -> None:
    statements = builds().statements()
    for statement in statements:
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        assert not any("*" in action for action in actions)
        if statement["Resource"] == "*":
            assert actions == ["ecr:GetAuthorizationToken"]
        if "ecr:PutImage" in actions:
            assert "Fn::GetAtt" in statement["Resource"]


def test_the_log_of_builds_ends_some_day() -> None:
    assert builds().one("AWS::Logs::LogGroup")["RetentionInDays"] == Config().log_days
    assert project()["LogsConfig"]["CloudWatchLogs"]["Status"] == "ENABLED"


def built(tmp_path: Path, **more: str) -> tuple[int, list[list[str]]]:
    """Exit status and docker's calls when the commands run in one shell after each other, each
    ending the phase where it fails, as CodeBuild has it."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("docker", DOCKER), ("aws", AWS)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    spec = yaml.safe_load(project()["Source"]["BuildSpec"])
    commands = [c for phase in spec["phases"].values() for c in phase["commands"]]
    log = tmp_path / "log"
    log.touch()
    done = subprocess.run(
        ["bash", "-ec", "\n".join(commands)],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "LOG": str(log), **more},
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    calls = [c.splitlines() for c in log.read_text().split("docker\n")[1:]]
    return done.returncode, [call[: call.index("end")] for call in calls]


IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ours:batch-x86_64-0123456789abcdef"
ARGUMENTS = "--file Dockerfile --build-arg 'NAME=two words' --platform linux/amd64"


def test_a_build_signs_in_builds_what_it_is_told_and_pushes_it(tmp_path: Path) -> None:
    status, calls = built(tmp_path, IMAGE=IMAGE, ARGUMENTS=ARGUMENTS)
    assert status == 0
    login, build, push = calls
    assert login[0] == "login"
    assert login[-1] == IMAGE.partition("/")[0]
    assert build == [
        *("build", "--file", "Dockerfile", "--build-arg", "NAME=two words"),
        *("--platform", "linux/amd64", "--tag", IMAGE, "."),
    ]
    assert push == ["push", IMAGE]


def test_an_image_that_could_not_be_built_is_not_pushed(tmp_path: Path) -> None:
    status, calls = built(tmp_path, IMAGE=IMAGE, ARGUMENTS=ARGUMENTS, BUILD_STATUS="1")
    assert status == 1
    assert [call[0] for call in calls] == ["login", "build"]
