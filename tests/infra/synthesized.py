"""The stacks as CloudFormation gets them, synthesized once for each config in a process."""

from __future__ import annotations

import functools
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.config import Config
from infra.synth import synthesize

Template = dict[str, Any]

SAM = Path(__file__).resolve().parents[2] / ".cache" / "sam" / "bin" / "python"
"""An environment of its own; `make test` makes it."""
EXPAND = """
import json, sys
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
found = Translator({}, Parser()).translate(json.load(sys.stdin), parameter_values={})
json.dump(found, sys.stdout)
"""

KEY = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)

CONTEXT = {
    "embedder_tag": "embedder-0123456789ab",
    "batch_tag": "batch-0123456789ab",
    "gpu_tag": "gpu-0123456789ab",
    "cookie_public_key": KEY,
    "model": "starter:0123456789ab:384",
}


@functools.cache
def assembly(config: Config = Config()) -> Path:  # noqa: B008 - frozen
    """The folder of the cloud assembly. Its API zip has no packages in it: they have tests of
    their own, and take long."""
    outdir = Path(tempfile.mkdtemp(prefix="assembly-"))
    packages = outdir / "packages"
    packages.mkdir()
    return synthesize(config, outdir / "cdk.out", CONTEXT, packages=packages)


def templates(config: Config = Config()) -> dict[str, Template]:  # noqa: B008
    """By stack: "data", "builds" and "service"."""
    folder = assembly(config)
    return {
        name: json.loads((folder / f"{config.name}-{name}.template.json").read_text())
        for name in ("data", "builds", "service")
    }


def expanded(template: Template) -> Template:
    """What CloudFormation makes of a template that names AWS::Serverless, by AWS's own code."""
    if "Transform" not in template:
        return template
    assert SAM.exists(), "run `make .cache/sam/done`"
    done = subprocess.run(
        [SAM, "-c", EXPAND],
        input=json.dumps(template),
        capture_output=True,
        text=True,
        check=True,
        env={"AWS_DEFAULT_REGION": "eu-central-1"},
    )
    found: Template = json.loads(done.stdout)
    return found


def resources(template: Template, kind: str) -> dict[str, Any]:
    """The resources of a type such as "AWS::SQS::Queue", by logical id."""
    return {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }
