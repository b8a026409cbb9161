"""What an OpenSearch for so many images needs and costs, from measured bytes an image.

`python bench/opensearch_sizes.py` prints the table of docs/operations.md. Other figures:
`--disk 2400 2900 --hot 2100 535 --dim 512` (uncompressed, 4x), as `make bench-index` prints them.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

HOURS = 730
GIB = 2**30

DISK_PRICE = 0.122
"""US dollars a GB and month, gp3, us-east-1."""


@dataclass(frozen=True)
class Instance:
    """`memory` in GiB, `price` in US dollars an hour, on demand, us-east-1
    (https://aws.amazon.com/opensearch-service/pricing/, in 2026)."""

    name: str
    memory: int
    price: float

    @property
    def cache(self) -> float:
        """GiB left for the page cache: the service gives half to the heap, at most 32."""
        return self.memory - min(self.memory / 2, 32) - 0.5


INSTANCES = (
    Instance("t3.medium", 4, 0.073),
    Instance("r6g.large", 16, 0.167),
    Instance("r6g.xlarge", 32, 0.335),
    Instance("r6g.2xlarge", 64, 0.669),
    Instance("r6g.4xlarge", 128, 1.339),
)

MOST_IMAGES_ON_T3 = 2_000_000
"""Burstable instances are for the small: their processor time is rationed."""

SHARD = 30 * 10**9
"""Bytes; AWS advises 10 to 30 GiB where latency counts
(https://docs.aws.amazon.com/opensearch-service/latest/developerguide/bp-sharding.html)."""

FREE_DISK = 2.0
"""Times the index: a merge writes anew before it deletes, and 15 % must stay free."""


@dataclass(frozen=True)
class Form:
    name: str
    disk: int
    hot: int


def row(images: int, form: Form, copies: int) -> str:
    hot = images * form.hot * copies / GIB
    disk = images * form.disk * copies * FREE_DISK / 10**9
    nodes, instance = cheapest(hot, copies, images)
    volume = max(10 * nodes, math.ceil(disk))
    price = nodes * instance.price * HOURS + volume * DISK_PRICE
    shards = max(1, math.ceil(images * form.disk / SHARD))
    return (
        f"| {images // 10**6} M | {form.name} | {copies} | {shards} | {hot:,.1f} | {volume:,} |"
        f" {nodes} × {instance.name}.search | {price:,.0f} |"
    )


def cheapest(hot: float, copies: int, images: int) -> tuple[int, Instance]:
    """So many nodes that all that searches touch stays in memory; one a copy at least."""
    choices = []
    for instance in INSTANCES:
        if instance.name.startswith("t3") and images > MOST_IMAGES_ON_T3:
            continue
        nodes = max(copies, math.ceil(hot / instance.cache))
        nodes += -nodes % copies
        choices.append((nodes * instance.price, nodes, instance))
    _, nodes, instance = min(choices, key=lambda choice: choice[0])
    return nodes, instance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--disk", type=int, nargs=2, default=DISK, metavar="BYTES")
    parser.add_argument("--hot", type=int, nargs=2, default=HOT, metavar="BYTES")
    args = parser.parse_args()
    forms = [Form(*parts) for parts in zip(("1x", "4x"), args.disk, args.hot, strict=True)]
    print(
        "| images | compression | copies | shards | memory, GiB | disk, GB | instances |"
        " US$ a month |\n|--:|---|--:|--:|--:|--:|---|--:|"
    )
    for millions in (1, 10, 100):
        for form in forms:
            for copies in (1, 2):
                print(row(millions * 10**6, form, copies))


DISK, HOT = (2300, 2810), (2110, 570)
"""Bytes an image of 512 numbers: on disk, and of that what a search may touch (vectors searched
and graph); measured at 1,000,000 images, uncompressed and 4x."""


if __name__ == "__main__":
    main()
