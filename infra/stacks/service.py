"""Everything that runs, and that may be thrown away and made again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, Fn, Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from infra.config import Config, cookie_key_name
from infra.parts import environment
from infra.parts.batch import BulkWork
from infra.parts.bucket_settings import BucketSettings
from infra.parts.cookie_key import CookieKey
from infra.parts.functions import Functions
from infra.parts.measured import Watched
from infra.parts.monitoring import Monitoring
from infra.parts.quota import Quota
from infra.parts.rest_api import STAGE, RestApi
from infra.parts.rights import Rights
from infra.parts.schedule import ScheduledReconcile
from infra.parts.sign_in import SignIn
from infra.parts.site import Site
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
        self._config = config
        self._data = data
        key = cookie_key_name(config.name) if data.sign_in else ""
        self.quota = Quota(self, "Quota", config=config) if config.has_quota else None
        self.rights = Rights(
            self,
            "Rights",
            config=config,
            data=data,
            cookie_key=key,
            quota_arn=self.quota.table.table_arn if self.quota else "",
        )
        shared = environment.shared(config, data)
        queues = environment.queues(data)
        embedding = environment.embedding(config)
        self.cookies = CookieKey(self, "Cookies", pem=context["cookie_public_key"]) if key else None
        callers = environment.callers(config, data, self.cookies.id if self.cookies else "")
        self.functions = Functions(
            self,
            "Functions",
            config=config,
            data=data,
            repository=repository,
            tag=context["embedder_tag"],
            environments={
                "embedder": {**shared, **queues, **embedding},
                "search": {**shared, **callers},
            },
        )
        self.api = RestApi(
            self,
            "Api",
            config=config,
            work=work,
            packages=packages,
            role=data.roles.api,
            environment={
                **shared,
                **queues,
                **callers,
                "IMAGES_MODEL": context["model"],
                **(self.quota.environment() if self.quota else {}),
                **({"IMAGES_COOKIE_KEY_PARAMETER": key} if key else {}),
            },
            search=self.functions.serves,
            network=data.network,
            user_pool_arn=data.sign_in.pool.user_pool_arn if data.sign_in else "",
        )
        CfnOutput(self, "ApiUrl", value=self.api.url)
        CfnOutput(self, "FunctionTag", value=context["embedder_tag"])
        CfnOutput(self, "Model", value=context["model"])
        self._add_bulk_work(repository, context, shared | embedding)
        if self.quota:
            CfnOutput(self, "QuotaTable", value=self.quota.table.table_name)
        origins = [*config.origins]
        if data.sign_in and self.cookies:
            origins = [self._add_page(data.sign_in, self.cookies), *origins]
        self._set_bucket(origins)
        self._watch()

    def _set_bucket(self, origins: list[str]) -> None:
        """What the photos bucket is told after it is made: that pages at `origins` may upload, and
        one that was there before whom to tell of its objects."""
        if not (origins or self._config.bucket):
            return
        settings = BucketSettings(self, "Settings", config=self._config)
        if self._config.bucket:
            settings.notify(self._config.bucket, self._data.queues.ingest.queue_arn)
        if origins:
            settings.allow_origins(self._data.buckets.photos_name, origins)

    def _add_bulk_work(
        self,
        repository: ecr.IRepository,
        context: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> None:
        self.bulk = BulkWork(
            self,
            "Bulk",
            config=self._config,
            role=self._data.roles.batch.without_policy_updates(),
            repository=repository,
            tags={"cpu": context["batch_tag"], "gpu": context["gpu_tag"]},
            environment=environment,
            network=self._data.network,
        )
        if self._config.reconcile_hours:
            ScheduledReconcile(self, "Reconcile", config=self._config, work=self.bulk.cpu)
        for title, work in (("", self.bulk.cpu), ("Gpu", self.bulk.gpu)):
            if work:
                CfnOutput(self, f"{title}BatchQueue", value=work.queue.job_queue_name)
                CfnOutput(self, f"{title}ReconcileJob", value=work.definition.job_definition_name)

    def _add_page(self, sign_in: SignIn, cookies: CookieKey) -> str:
        """Its origin. The API is told of page and client by stage variables: they need the API's
        address, so its functions' environment cannot wait for theirs."""
        self.site = Site(
            self,
            "Site",
            config=self._config,
            site_bucket=self._data.buckets.site_name,
            thumbnails_bucket=self._data.buckets.thumbnails_name,
            photos_bucket=self._data.buckets.photos_name,
            api_domain=self.api.domain,
            sign_in_origin=sign_in.origin,
            cookie_key=cookies,
        )
        client = sign_in.page_client(self, "PageClient", [self.site.url])
        self.api.say(
            {
                "public_url": f"{self.site.url}/{STAGE}",
                "token_clients": client.user_pool_client_id,
            }
        )
        CfnOutput(self, "PageUrl", value=self.site.url)
        CfnOutput(self, "DistributionId", value=self.site.distribution.distribution_id)
        CfnOutput(self, "UserPoolClientId", value=client.user_pool_client_id)
        return self.site.url

    def _watch(self) -> None:
        config, data, functions = self._config, self._data, self.functions
        watched = Watched(
            namespace=config.name,
            queue=data.queues.ingest.queue_name,
            dead_letters=data.queues.dead_letters.queue_name,
            functions={
                "embedder": functions.embedder.function_name,
                "search": functions.search.function_name,
                "api": Fn.ref(self.api.function.logical_id),
            },
            memory_mb={
                "embedder": config.embedder_memory,
                "search": config.search_memory,
                "api": config.api_memory,
            },
            api=config.name,
            stage=STAGE,
            domain=data.domain.name,
            photos=data.buckets.photos_name,
        )
        groups = [
            functions.embedder.log_group,
            functions.search.log_group,
            self.api.log,
            self.bulk.log_group,
        ]
        kinds = [self.bulk.cpu, self.bulk.gpu]
        self.monitoring = Monitoring(
            self,
            "Monitoring",
            config=config,
            watched=watched,
            log_groups=[group.log_group_name for group in groups],
            job_queues=[work.queue.job_queue_arn for work in kinds if work],
        )
        CfnOutput(self, "AlarmsTopic", value=self.monitoring.topic.topic_arn)
