"""What it takes to embed a library that is there already: functions, or bulk work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.config import Config
from infra.cost.measured import Measured, Use, embed_seconds, reading_seconds
from infra.cost.prices import Prices

MEMORY_A_PROCESSOR = 2.0
"""GB of a bulk job."""


@dataclass(frozen=True, slots=True)
class Way:
    """`hours` on the clock with as much at a time as the config allows."""

    name: str
    hours: float
    dollars: float


def ways(config: Config, use: Use, prices: Prices, measured: Measured, images: int) -> list[Way]:
    return list(_ways(config, use, prices, measured, images))


def _ways(
    config: Config, use: Use, prices: Prices, measured: Measured, images: int
) -> Iterator[Way]:
    storage = images * measured["image.s3_gets"] * prices["s3.get"]
    storage += images * measured["image.s3_puts"] * prices["s3.put"]
    seconds = embed_seconds(measured, use, config)
    batches = images / config.batch_size
    yield Way(
        f"Lambda, {config.max_concurrency} at a time",
        images * seconds / config.max_concurrency / 3600,
        images * seconds * config.embedder_memory / 1024 * prices[f"lambda.{config.architecture}"]
        + batches * prices["lambda.request"]
        + (images + 2 * batches) * prices["sqs.request"]
        + storage,
    )
    embedding = images * use.of(measured, "processor_seconds")
    reading = images * reading_seconds(measured, use, config)
    hours = (embedding + reading) / config.batch_vcpus / 3600
    rate = config.batch_vcpus * (
        prices["fargate.vcpu"] + MEMORY_A_PROCESSOR * prices["fargate.memory"]
    )
    name = f"Fargate, {config.batch_vcpus} processors"
    yield Way(name, hours, hours * rate + storage)
    if config.architecture == "x86_64":  # there is no spot on ARM
        yield Way(f"{name}, spot", hours, hours * rate * measured["spot.fargate"] + storage)
    if config.gpu:
        instance = next((g for g in config.gpu_instances if f"ec2.{g}" in prices), "")
        if instance:
            busy = embedding * measured["gpu.share_left"] + reading
            left = busy / measured["gpu.processors"] / 3600
            rate = prices[f"ec2.{instance}"] * measured["spot.gpu"]
            yield Way(f"one {instance}, spot (not measured)", left, left * rate + storage)
