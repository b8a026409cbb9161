"""Config → cloud assembly: the one place where the stacks are put together."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from infra import node

node.choose()

import aws_cdk as cdk  # noqa: E402
from cdk_nag import AwsSolutionsChecks  # noqa: E402

from infra import api_package  # noqa: E402
from infra.config import Config  # noqa: E402
from infra.stacks.builds import BuildsStack  # noqa: E402
from infra.stacks.data import DataStack  # noqa: E402
from infra.stacks.service import ServiceStack  # noqa: E402

TAG = "deployment"
"""On every resource: which deployment it belongs to."""

CONTEXT = ("embedder_tag", "batch_tag", "gpu_tag", "cookie_public_key", "model")
"""What the stacks need beyond the config: the tags of the images, the public half of the key of
cookies (PEM), and the model as `IMAGES_MODEL` names it."""


def synthesize(
    config: Config,
    outdir: Path,
    context: Mapping[str, str],
    *,
    packages: Path | None = None,
) -> Path:
    """Write the cloud assembly into `outdir`; returns that.

    `packages` holds the API's packages as Lambda needs them; without it they are installed.
    """
    if packages is None:
        packages = api_package.install_packages(api_package.ROOT / ".cache" / "infra" / "packages")
    with tempfile.TemporaryDirectory() as work:
        app = build(config, outdir, context, work=Path(work), packages=packages)
        app.synth()
    return outdir


def build(
    config: Config, outdir: Path, context: Mapping[str, str], *, work: Path, packages: Path
) -> cdk.App:
    """The CDK application, not yet written."""
    app = cdk.App(
        outdir=str(outdir),
        analytics_reporting=False,
        # What CloudFormation would refuse is an error here already.
        context={"@aws-cdk/core:validateAgainstDefaultRules": True},
    )
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    cdk.Tags.of(app).add(TAG, config.name)
    where = cdk.Environment(account=config.account or None, region=config.region or None)
    data = DataStack(app, config.data_stack, config=config, env=where)
    builds = BuildsStack(app, config.builds_stack, config=config, env=where)
    ServiceStack(
        app,
        config.service_stack,
        config=config,
        data=data,
        repository=builds.repository,
        context=context,
        work=work,
        packages=packages,
        env=where,
    )
    return app
