"""The price table: a dated file in which each price says which page has it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from chalicelib.errors import ConfigurationError

TABLE = Path(__file__).with_name("prices.json")

EVERYWHERE = "everywhere"
"""In place of regions, for what costs the same in each."""

GOOD_FOR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one `unit`; `source` is the page that AWS has it on. `free` units a
    month cost nothing, and not only in an account's first year."""

    unit: str
    source: str
    usd: dict[str, float]
    free: float = 0

    def here(self, region: str) -> float | None:
        return self.usd.get(region, self.usd.get(EVERYWHERE))


@dataclass(frozen=True, slots=True)
class Prices:
    """Those of one region, by name; `read` is the day on which they were gathered."""

    region: str
    read: date
    table: dict[str, Price]

    @classmethod
    def load(cls, region: str, path: Path = TABLE) -> Prices:
        """Raises `ConfigurationError`: no such file, not of this form, or not for this region."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            read = date.fromisoformat(told["read"])
            table = {name: _price(name, row) for name, row in told["prices"].items()}
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{path} is no price table: {error!r}.") from error
        if region not in (known := regions(table)):
            raise ConfigurationError(
                f"There are no prices for {region or 'no region'}; there are for "
                f"{', '.join(known)}. --prices FILE takes a table of your own, in the form of "
                "infra/cost/prices.json."
            )
        return cls(region, read, table)

    def __getitem__(self, name: str) -> float:
        """US dollars for one unit. Raises `ConfigurationError` for what the table lacks."""
        price = self.table.get(name)
        usd = price.here(self.region) if price else None
        if usd is None:
            raise ConfigurationError(f"The price table has no {name} for {self.region}.")
        return usd

    def __contains__(self, name: str) -> bool:
        return name in self.table

    def sources(self) -> list[str]:
        """Every page, once."""
        return sorted({price.source for price in self.table.values()})

    def warning(self, today: date) -> str:
        """ "" for prices that are of use."""
        if today - self.read <= GOOD_FOR:
            return ""
        return f"These prices are as of {self.read}, more than a year ago."


def regions(table: dict[str, Price]) -> list[str]:
    """Those for which every price is known."""
    named = {region for price in table.values() for region in price.usd} - {EVERYWHERE}
    return sorted(r for r in named if all(p.here(r) is not None for p in table.values()))


def _price(name: str, row: Any) -> Price:
    price = Price(row["unit"], row["source"], dict(row["usd"]), row.get("free", 0))
    if not price.source.startswith("https://") or not price.usd:
        raise ValueError(f"{name} has no source or no price")
    for usd in price.usd.values():
        if not isinstance(usd, int | float) or not 0 < usd < 1000:
            raise ValueError(f"{name} is {usd!r}")
    return price
