"""What a picture's file says of how it came about: where, and how the light came in."""

from __future__ import annotations

import math
from dataclasses import dataclass

EARTH_RADIUS_KM = 6371.0087714


@dataclass(frozen=True, slots=True)
class Location:
    """Where a photo was taken, in degrees (WGS 84)."""

    lat: float
    lon: float

    def km_to(self, lat: float, lon: float) -> float:
        """The great-circle distance, by the haversine formula on a sphere of the Earth's mean
        radius (IUGG: 6,371.0088 km), which is how OpenSearch measures an arc."""
        here, there = math.radians(self.lat), math.radians(lat)
        across = math.sin((there - here) / 2) ** 2
        along = math.sin(math.radians(lon - self.lon) / 2) ** 2
        part = min(1.0, across + math.cos(here) * math.cos(there) * along)
        return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(part))


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the light came in: `seconds` of it, through an opening of f/`f_number`, at the
    sensitivity `iso`, by a lens of `focal_mm` millimetres (as it is, not as 35 mm film would
    have it). None where the camera did not say."""

    seconds: float | None = None
    f_number: float | None = None
    iso: int | None = None
    focal_mm: float | None = None
