"""Which OpenSearch holds so many images: what searches touch should fit in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra.config import Config
from infra.cost.measured import Measured

GIB = 2**30

MEMORY = {
    "t3.small.search": 2,
    "t3.medium.search": 4,
    "m6g.large.search": 8,
    "r6g.large.search": 16,
    "r6g.xlarge.search": 32,
    "r6g.2xlarge.search": 64,
    "r6g.4xlarge.search": 128,
}
"""GiB
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-instance-types.html)."""

FOR_THE_SYSTEM = 0.5
"""GiB that neither heap nor cache have."""

MOST_HEAP = 32
"""GiB: the service gives half of the memory to the heap, up to so much
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/bp.html)."""

FREE_DISK = 2.0
"""Times the index: a merge writes anew before it deletes, and a part must stay free."""


def cache(instance: str) -> float:
    """Bytes of memory left for the file cache, where lucene's graphs and vectors are read from."""
    memory = MEMORY[instance]
    return (memory - min(memory / 2, MOST_HEAP) - FOR_THE_SYSTEM) * GIB


@dataclass(frozen=True, slots=True)
class Fit:
    """What an index needs and what a domain has, in bytes over all nodes."""

    memory_needed: float
    memory: float
    disk_needed: float
    disk: float

    @property
    def warnings(self) -> list[str]:
        found = []
        if self.memory_needed > self.memory:
            found.append(
                f"Searches touch {self.memory_needed / GIB:.1f} GiB of index and the nodes keep "
                f"{self.memory / GIB:.1f} in memory: they will read from disk, slowly."
            )
        if self.disk_needed > self.disk:
            found.append(
                f"The index needs {self.disk_needed / 1e9:.0f} GB of disk with room for merges, "
                f"and there are {self.disk / 1e9:.0f}: writes will be refused."
            )
        return found


def form(compression: str) -> str:
    """32x has not been measured; 4x takes more memory and less disk than it does."""
    return "1x" if compression == "1x" else "4x"


def fit(config: Config, images: int, measured: Measured) -> Fit | None:
    """None for an instance whose memory is not known here."""
    if config.opensearch_instance not in MEMORY:
        return None
    kind = form(config.opensearch_compression)
    copies = min(config.opensearch_nodes, 2)
    return Fit(
        memory_needed=images * measured[f"index.{kind}.memory_bytes"] * copies,
        memory=cache(config.opensearch_instance) * config.opensearch_nodes,
        disk_needed=images * measured[f"index.{kind}.disk_bytes"] * copies * FREE_DISK,
        disk=config.opensearch_volume_gb * 1e9 * config.opensearch_nodes,
    )


@dataclass(frozen=True, slots=True)
class Domain:
    instance: str
    nodes: int
    volume_gb: int


def smallest(
    images: int, compression: str, measured: Measured, hourly: dict[str, float], gigabyte: float
) -> Domain:
    """The cheapest domain with one copy of the index that fits; `gigabyte` is a month's price of
    disk, as `hourly` is of nodes. Beside other nodes there is a second copy."""
    kind = form(compression)
    choices = []
    for instance, price in hourly.items():
        for nodes in range(1, 81):
            copies = min(nodes, 2)
            needed = images * measured[f"index.{kind}.memory_bytes"] * copies
            if needed > cache(instance) * nodes:
                continue
            disk = images * measured[f"index.{kind}.disk_bytes"] * copies * FREE_DISK / 1e9
            volume = max(10, math.ceil(disk / nodes))
            month = nodes * (price * 730 + volume * gigabyte)
            choices.append((month, nodes, Domain(instance, nodes, volume)))
            break
    return min(choices, key=lambda choice: choice[:2])[2]
