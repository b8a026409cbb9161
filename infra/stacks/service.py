"""Everything that runs, and that may be thrown away and made again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from infra.config import Config
from infra.parts import environment
from infra.parts.functions import Functions
from infra.parts.rest_api import RestApi
from infra.parts.rights import Rights
from infra.stacks.data import DataStack


class ServiceStack(Stack):
    """The functions, the API before them, the page, sign-in, bulk work, and what watches them."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        data: DataStack,
        repository: ecr.IRepository,
        context: Mapping[str, str],
        work: Path,
        packages: Path,
        **options: Any,
    ) -> None:
        super().__init__(scope, id, description="Image Intellisense: the service", **options)
        shared = environment.shared(config, data)
        queues = environment.queues(data)
        model = {"IMAGES_MODEL": context["model"]}
        self.rights = Rights(self, "Rights", config=config, data=data, cookie_key="")
        self.functions = Functions(
            self,
            "Functions",
            config=config,
            data=data,
            repository=repository,
            tag=context["embedder_tag"],
            environments={"embedder": {**shared, **queues}, "search": shared},
        )
        self.api = RestApi(
            self,
            "Api",
            config=config,
            work=work,
            packages=packages,
            role=data.roles.api,
            environment={**shared, **queues, **model},
            search=self.functions.serves,
            network=data.network,
            user_pool_arn="",
        )
        CfnOutput(self, "ApiUrl", value=self.api.url)
