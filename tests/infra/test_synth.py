"""The stacks can be synthesized as every choice has it, and break no rule without saying why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.config import Config
from tests.infra.synthesized import CONTEXT, assembly, expanded, resources, templates

pytestmark = pytest.mark.xdist_group("stacks")

CHOICES = {
    "the defaults": Config(),
    "AWS identities in place of people": Config(auth="iam"),
    "an existing bucket": Config(
        bucket="old-photos", bucket_key_arn="arn:aws:kms:eu-west-1:123456789012:key/1"
    ),
    "an existing bucket by EventBridge": Config(bucket="old-photos", events="eventbridge"),
    "an existing domain": Config(
        opensearch_url="https://search-x.eu-west-1.es.amazonaws.com",
        opensearch_arn="arn:aws:es:eu-west-1:123456789012:domain/x",
    ),
    "a VPC and two nodes": Config(vpc=True, opensearch_nodes=2, architecture="arm64"),
    "kept warm, versioned, without GPU": Config(search_provisioned=2, versioned=True, gpu=False),
    "each person for themselves": Config(
        private_collections=True, email="a@example.org", budget=20
    ),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_each_choice_synthesizes_and_breaks_no_rule_of_aws_solutions(choice: str) -> None:
    folder = assembly(CHOICES[choice])
    reports = json.loads((folder / "validation-report.json").read_text())["pluginReports"]
    looked = {report["pluginName"]: report for report in reports}
    assert "AwsSolutions" in looked
    for report in looked.values():
        assert (report["conclusion"], report["violations"]) == ("success", [])
    explained = [left["reason"] for left in looked["AwsSolutions"]["suppressedViolations"]]
    assert explained
    assert [reason for reason in explained if len(reason) < 40] == []


def test_every_template_is_clean_for_cfn_lint(tmp_path: Path) -> None:
    """As CloudFormation sees it: with what AWS::Serverless stands for."""
    made = [
        (name, json.dumps(expanded(template), sort_keys=True))
        for config in CHOICES.values()
        for name, template in templates(config).items()
    ]
    assert len(made) == 3 * len(CHOICES)
    files = []
    for number, (name, text) in enumerate(sorted(set(made))):  # choices leave some as they are
        path = tmp_path / f"{number}-{name}.json"
        path.write_text(text)
        files.append(str(path))
    lint = str(Path(sys.executable).with_name("cfn-lint"))
    done = subprocess.run(
        [lint, "--non-zero-exit-code", "informational", *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_same_tree_makes_the_same_templates() -> None:
    assert templates(Config()) == templates(Config(name="image-intellisense"))
    assembly.cache_clear()
    before = templates()
    assembly.cache_clear()
    assert templates() == before
    assert CONTEXT["model"] in json.dumps(before["service"])
    assert resources(before["data"], "AWS::SQS::Queue")
