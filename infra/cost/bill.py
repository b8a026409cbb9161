"""A month's bill: lines, each a quantity of something that has a price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infra.config import Config
from infra.cost.measured import Measured, Use, embed_seconds, lambda_processors
from infra.cost.prices import Prices

HOURS = 730
"""Of a month, as AWS's own calculator has it (https://calculator.aws)."""

GB = 1e9
PLAIN = "x86_64"
"""What the API's function runs on, whatever the containers do."""

PHOTOS = "photos themselves"
"""The part that is paid for with or without a search over it."""


@dataclass(frozen=True, slots=True)
class Line:
    """`quantity` of what `price` is for one of; `free` of it cost nothing."""

    part: str
    what: str
    quantity: float
    price: str
    usd: float
    free: float = 0

    @property
    def dollars(self) -> float:
        return (self.quantity - self.free) * self.usd


@dataclass(frozen=True, slots=True)
class Month:
    """`config` under `use`."""

    config: Config
    use: Use
    prices: Prices
    measured: Measured
    free: bool = False
    """Whether what AWS gives for nothing each month is left out."""

    def lines(self) -> list[Line]:
        found = [*self._index(), *self._embedding(), *self._searching(), *self._calls()]
        found += [*self._pictures(), *self._watching(), *self._standing()]
        return self._less_free(line for line in found if line.quantity > 0)

    def total(self) -> float:
        """Without the photos themselves."""
        return sum(line.dollars for line in self.lines() if line.part != PHOTOS)

    def _less_free(self, lines: Iterable[Line]) -> list[Line]:
        if not self.free:
            return list(lines)
        left = {name: price.free for name, price in self.prices.table.items()}
        found = []
        for line in lines:
            free = min(line.quantity, left[line.price])
            left[line.price] -= free
            found.append(Line(line.part, line.what, line.quantity, line.price, line.usd, free))
        return found

    def _line(self, part: str, what: str, quantity: float, price: str) -> Line:
        return Line(part, what, quantity, price, self.prices[price])

    def _index(self) -> Iterator[Line]:
        config, part = self.config, "OpenSearch"
        if config.opensearch_url:
            return
        nodes = config.opensearch_nodes
        name = config.opensearch_instance
        yield self._line(part, f"{nodes} × {name}", nodes * HOURS, f"opensearch.{name}")
        yield self._line(part, "disk", nodes * config.opensearch_volume_gb, "opensearch.gp3")

    def _embedding(self) -> Iterator[Line]:
        config, new, part = self.config, self.use.new_images, "embedding"
        seconds = embed_seconds(self.measured, self.use, config)
        batches = new / config.batch_size
        memory = config.embedder_memory / 1024
        yield self._line(part, "Lambda", new * seconds * memory, f"lambda.{config.architecture}")
        yield self._line(part, "calls of it", batches, "lambda.request")
        yield self._line(part, "reads", new * self.measured["image.s3_gets"], "s3.get")
        writes = new * (1 + self.measured["image.s3_puts"])
        yield self._line(part, "uploads and thumbnails", writes, "s3.put")
        # S3 sends one message an image; a receive and a delete take a batch.
        yield self._line(part, "messages", new + 2 * batches, "sqs.request")

    def _searching(self) -> Iterator[Line]:
        config, searches, part = self.config, self.use.searches, "searching"
        memory, figures = config.search_memory / 1024, self.measured
        # One thread does most of it, so more than one processor makes it no faster.
        processors = min(1.0, lambda_processors(config.search_memory))
        busy = figures["search.processor_seconds"] / processors
        warm = busy + figures["search.index_seconds"] + figures["search.waits"]
        start = figures["cold.processor_seconds"] / processors + figures["cold.fetch"]
        cold = 0.0 if config.search_provisioned else figures["cold.share"]
        seconds = searches * (warm + cold * start)
        yield self._line(part, "Lambda", seconds * memory, f"lambda.{config.architecture}")
        yield self._line(part, "calls of it", searches, "lambda.request")
        kept = config.search_provisioned * memory * HOURS * 3600
        yield self._line(part, "kept warm", kept, f"lambda.provisioned.{config.architecture}")

    def _calls(self) -> Iterator[Line]:
        others = self.use.searches * self.measured["api.calls"] + self.use.new_images
        seconds = others * self.measured["api.seconds"] * self.config.api_memory / 1024
        part = "API"
        yield self._line(
            part, "API Gateway", self.use.searches + others, "api_gateway.rest.request"
        )
        yield self._line(part, "Lambda", seconds, f"lambda.{PLAIN}")
        yield self._line(part, "calls of it", others, "lambda.request")
        if self.config.has_quota:
            # A write of up to 1 kB is one unit; a place is asked for when a file's turn comes.
            yield self._line(part, "uploads counted", self.use.new_images, "dynamodb.write")

    def _pictures(self) -> Iterator[Line]:
        use, figures, part = self.use, self.measured, "pictures shown"
        small = use.searches * figures["search.thumbnails"]
        small_gb = small * use.of(figures, "thumbnail_bytes") / GB
        views = use.searches * figures["search.views"]
        views_gb = views * use.of(figures, "photo_bytes") / GB
        if self.config.auth == "cognito":
            visits = use.searches * figures["page.visits"]
            sent = small_gb + visits * figures["page.bytes"] / GB
            yield self._line(part, "page and thumbnails, CloudFront", sent, "cloudfront.out")
            asked = small + visits * 30 + use.searches * (1 + figures["api.calls"])
            yield self._line(part, "requests to CloudFront", asked, "cloudfront.request")
            yield self._line(part, "its function", small, "cloudfront.function")
            if self.config.web_acl_arn:
                yield self._line(part, "web ACL", 1, "waf.acl")
                yield self._line(part, "its rules", 3, "waf.rule")
                yield self._line(part, "requests seen by it", asked, "waf.request")
        else:
            yield self._line(part, "thumbnails, from S3", small_gb, "s3.out")
        yield self._line(part, "photos opened, from S3", views_gb, "s3.out")
        yield self._line(part, "reads", small + views, "s3.get")

    def _watching(self) -> Iterator[Line]:
        use, figures, part = self.use, self.measured, "watching"
        batches = use.new_images / self.config.batch_size
        calls = use.searches * (1 + figures["api.calls"]) + use.new_images
        log = (
            use.new_images * figures["image.log_bytes"] + use.searches * figures["search.log_bytes"]
        )
        log = (log + (batches + calls) * figures["lambda.log_bytes"]) / GB
        yield self._line(part, "logs", log, "cloudwatch.log")
        kept = log * self.config.log_days / (HOURS / 24)
        yield self._line(part, "logs kept", kept, "cloudwatch.log.storage")
        # A metric costs by the hour in which it is sent
        # (https://aws.amazon.com/cloudwatch/pricing/).
        metrics = figures["metrics.embedder"] * min(1.0, batches / HOURS)
        metrics += figures["metrics.api"] * min(1.0, use.searches / HOURS)
        yield self._line(part, "metrics", metrics, "cloudwatch.metric")
        yield self._line(part, "alarms", figures["alarms"], "cloudwatch.alarm")
        yield self._line(part, "dashboard", figures["dashboards"], "cloudwatch.dashboard")
        yield self._line(part, "key of the alarms' topic", figures["keys"], "kms.key")
        if self.config.traces:
            traces = (calls + batches) * figures["traces.share"]
            yield self._line(part, "traces", traces, "xray.trace")

    def _standing(self) -> Iterator[Line]:
        config, use, figures, part = self.config, self.use, self.measured, "standing by"
        images = use.images + use.new_images
        yield self._line(part, "the queue is asked", figures["sqs.empty_receives"], "sqs.request")
        small = images * use.of(figures, "thumbnail_bytes") / GB
        yield self._line(part, "thumbnails", small, "s3.storage")
        yield self._line(part, "container images", figures["ecr.gigabytes"], "ecr.storage")
        if config.auth == "cognito":
            yield self._line(part, "people", use.people, "cognito.lite.person")
        if config.reconcile_hours:
            runs = HOURS / config.reconcile_hours
            seconds = figures["reconcile.start_seconds"]
            seconds += images / figures["reconcile.images_a_second"]
            hours = runs * seconds / 3600 * self._share_of_spot()
            processors = hours * figures["reconcile.vcpus"]
            yield self._line(part, "reconcile", processors, "fargate.vcpu")
            memory = hours * figures["reconcile.memory"]
            yield self._line(part, "its memory", memory, "fargate.memory")
            # A listing has 1,000 keys; photos and thumbnails are listed.
            yield self._line(part, "its listings", runs * 2 * images / 1000, "s3.put")
        if config.vpc:
            yield self._line(part, "NAT", HOURS, "nat.hour")
        photos = images * use.of(figures, "photo_bytes") / GB
        yield self._line(PHOTOS, "S3", photos, "s3.storage")

    def _share_of_spot(self) -> float:
        """Of the price on demand that scheduled jobs pay; there is no spot on ARM
        (https://docs.aws.amazon.com/batch/latest/APIReference/API_RuntimePlatform.html)."""
        spot = self.config.batch_spot and self.config.architecture == PLAIN
        return self.measured["spot.fargate"] if spot else 1.0
