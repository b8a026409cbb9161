"""The bill as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from infra.config import Config
from infra.cost import backfill, sizes
from infra.cost.bill import PHOTOS, Line, Month
from infra.cost.measured import Measured, Use, facts
from infra.cost.prices import Prices

GUIDANCE = 412.0
"""US dollars a month for `GUIDED` searches, by AWS's own guidance for such a system."""

GUIDED = 100_000

LIBRARY = 1_000_000
"""Images of the backfill that is reckoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    config: Config
    cheapest: Config
    use: Use
    prices: Prices
    measured: Measured
    free: bool
    today: date

    def month(self, config: Config, use: Use | None = None) -> Month:
        return Month(config, use or self.use, self.prices, self.measured, self.free)

    def idle(self) -> float:
        return self.month(self.config, replace(self.use, searches=0, new_images=0)).total()

    def ways(self) -> list[backfill.Way]:
        return backfill.ways(self.config, self.use, self.prices, self.measured, LIBRARY)

    def domain(self, images: int) -> sizes.Domain:
        """The cheapest one that holds so many images as the config keeps them."""
        hourly = {name: self.prices[f"opensearch.{name}"] for name in sizes.MEMORY}
        gigabyte = self.prices["opensearch.gp3"]
        return sizes.smallest(
            images, self.config.opensearch_compression, self.measured, hourly, gigabyte
        )

    def warnings(self) -> list[str]:
        found = [said for said in [self.prices.warning(self.today)] if said]
        images = self.use.images + self.use.new_images
        fit = None if self.config.opensearch_url else sizes.fit(self.config, images, self.measured)
        if fit and (wrong := fit.warnings):
            right = self.domain(images)
            found += wrong
            found.append(
                f'For {images:,} images: opensearch_instance = "{right.instance}", '
                f"opensearch_nodes = {right.nodes}, opensearch_volume_gb = {right.volume_gb}."
            )
        return found

    def as_json(self) -> dict[str, Any]:
        lines = self.month(self.config).lines()
        return {
            "region": self.prices.region,
            "prices_read": self.prices.read.isoformat(),
            "free_tiers_counted": self.free,
            "use": asdict(self.use),
            "month": round(self.month(self.config).total(), 2),
            "idle_month": round(self.idle(), 2),
            "cheapest_month": round(self.month(self.cheapest).total(), 2),
            "photos_themselves": round(_photos(lines), 2),
            "lines": [asdict(line) | {"dollars": round(line.dollars, 4)} for line in lines],
            "backfill": {"images": LIBRARY, "ways": [asdict(way) for way in self.ways()]},
            "warnings": self.warnings(),
            "assumed_and_measured": facts(self.measured),
            "sources": self.prices.sources(),
        }

    def as_text(self) -> str:
        return "\n".join(self._paragraphs()) + "\n"

    def _paragraphs(self) -> Iterator[str]:
        use, month = self.use, self.month(self.config)
        lines = month.lines()
        counted = (
            "those free tiers counted that never end" if self.free else "free tiers not counted"
        )
        yield (
            f"A month in {self.prices.region} with {use.images:,} images ({use.photo}), "
            f"{use.new_images:,} new ones and {use.searches:,} searches;\n"
            f"US dollars, list prices as of {self.prices.read}, {counted}. Prices change.\n"
        )
        for part in dict.fromkeys(line.part for line in lines if line.part != PHOTOS):
            yield _row(part, [line for line in lines if line.part == part])
        yield f"{'in all':15}{month.total():8.2f}"
        yield f"{'with no use':15}{self.idle():8.2f}   nobody searches and nothing comes in"
        yield f"{'cheapest':15}{self.month(self.cheapest).total():8.2f}   infra/cost/cheapest.toml"
        yield f"{'beside that':15}{_photos(lines):8.2f}   the photos themselves in S3"
        if use.searches == GUIDED:
            yield from self._compared(month.total(), lines)
        yield f"\nThe first {LIBRARY:,} images ({use.photo}), as far as functions and jobs go:"
        for way in self.ways():
            yield f"  {way.name:38}{way.hours:7.1f} hours{way.dollars:9.2f} dollars"
        yield from (f"\n{warning}" for warning in self.warnings())

    def _compared(self, total: float, lines: list[Line]) -> Iterator[str]:
        pictures = sum(line.dollars for line in lines if line.part == "pictures shown")
        yield (
            f"\nAWS's guidance for such a system says about {GUIDANCE:.0f} for {GUIDED:,} searches."
            f" That is {GUIDANCE / total:.1f} times as much,\n"
            f"or {GUIDANCE / (total - pictures):.1f} times without the pictures that are sent to "
            "those who search."
        )


def _row(part: str, lines: list[Line]) -> str:
    """The part's sum, and what makes it up, down to cents."""
    seen = [f"{line.what} {line.dollars:.2f}" for line in lines if line.dollars >= 0.005]
    return f"{part:15}{sum(line.dollars for line in lines):8.2f}   {', '.join(seen)}".rstrip()


def _photos(lines: list[Line]) -> float:
    return sum(line.dollars for line in lines if line.part == PHOTOS)
