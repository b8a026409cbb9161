"""The commands that docs/operations.md gives for bulk work are ones that AWS and the job take."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from container_embedder.batch_job import main
from infra.parts.batch import GPU_VCPUS, TIMEOUT
from tests.infra.bulk_stacks import bulk

pytestmark = pytest.mark.xdist_group("bulk_stacks")

DOCS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
SUBMIT = "aws batch submit-job "
COMMANDS = [line for line in DOCS.read_text().splitlines() if line.startswith(SUBMIT)]


def asked(command: str) -> dict[str, Any]:
    """The call's parameters, as the AWS CLI reads them: JSON, or a=b."""
    words = shlex.split(command.removeprefix(SUBMIT))
    parameters: dict[str, Any] = {}
    for option, value in zip(words[::2], words[1::2], strict=True):
        head, *rest = option.removeprefix("--").split("-")
        name = head + "".join(word.title() for word in rest)
        if value.startswith("{"):
            parameters[name] = json.loads(value)
        elif "=" in value:
            key, _, number = value.partition("=")
            parameters[name] = {key: int(number)}
        else:
            parameters[name] = value
    return parameters


def test_there_are_commands_for_one_job_and_for_an_array_on_either_kind() -> None:
    said = [asked(command) for command in COMMANDS]
    assert {call["jobQueue"].rpartition("-")[2] for call in said} == {"cpu", "gpu"}
    assert any("arrayProperties" in call for call in said)


@pytest.mark.parametrize("command", COMMANDS)
def test_batch_takes_the_call_and_knows_its_names(command: str) -> None:
    call = asked(command)
    model = botocore.session.get_session().get_service_model("batch")
    shape = model.operation_model("SubmitJob").input_shape
    assert ParamValidator().validate(call, shape).generate_report() == ""
    queues = {each["JobQueueName"] for each in bulk().all("AWS::Batch::JobQueue")}
    jobs = {each["JobDefinitionName"] for each in bulk().all("AWS::Batch::JobDefinition")}
    assert call["jobQueue"] in queues
    assert call["jobDefinition"] in jobs
    assert call["jobQueue"][-3:] == call["jobDefinition"][-3:]


@pytest.mark.parametrize("command", [c for c in COMMANDS if "container-overrides" in c])
def test_the_job_knows_the_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = asked(command)["containerOverrides"]["command"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    with pytest.raises(SystemExit) as refused:
        main([*words, "--no-such-option"])
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1].endswith("unrecognized arguments: --no-such-option")


def test_the_figures_are_those_of_the_stack() -> None:
    text = DOCS.read_text()
    assert f"of `batch_vcpus` each takes {GPU_VCPUS}" in text
    assert f"A try may take {TIMEOUT.to_hours():.0f} hours" in text
