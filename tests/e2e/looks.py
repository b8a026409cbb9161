"""What a page looks like to someone: the size of the screen, what the system prefers, and pictures
of it, which are kept so that people can look at them."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, Literal

from selenium.webdriver import Chrome

from models.cache import cache_folder

Size = Literal["phone", "desktop"]
Theme = Literal["light", "dark"]

SIZES: dict[Size, tuple[int, int]] = {"phone": (390, 844), "desktop": (1440, 900)}
"""Width and height in CSS pixels: an iPhone of the last years, and a common laptop."""

DRAWN = """
const inView = (e) => { const r = e.getBoundingClientRect(); return r.width > 1 && r.bottom > 0
  && r.top < innerHeight; };
return [...document.images].filter(inView).every((i) => i.complete) && document.getAnimations()
  .every((a) => a.playState !== "running" || a.effect?.getTiming().iterations === Infinity);
"""
"""Whether every picture in sight has come (or failed), and nothing moves but what always does."""


def screenshots() -> Path:
    """The folder of pictures: IMAGES_SCREENSHOTS, else one in the cache."""
    return Path(os.environ.get("IMAGES_SCREENSHOTS") or cache_folder() / "screenshots")


class Looks:
    """One window's screen, and what its system prefers."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver
        self._size, self._media = "window", dict[str, str]()

    def of_size(self, size: Size) -> None:
        """A phone has touch and a browser of its kind; a laptop has neither."""
        phone, (width, height) = size == "phone", SIZES[size]
        self.of_pixels(width, height, mobile=phone)
        self._touch(phone)
        self._size = size

    def of_pixels(self, width: int, height: int, *, mobile: bool) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self._cdp("Emulation.setDeviceMetricsOverride", metrics)
        self._size = str(width)

    def prefers(self, **media: str) -> None:
        """Media features, as `color_scheme="dark"` or `reduced_motion="reduce"`."""
        self._media |= {name.replace("_", "-"): value for name, value in media.items()}
        features = [{"name": self._feature(n), "value": v} for n, v in self._media.items()]
        self._cdp("Emulation.setEmulatedMedia", {"features": features})

    @staticmethod
    def _feature(name: str) -> str:
        return name if name == "forced-colors" else f"prefers-{name}"

    def shot(self, name: str) -> Path:
        """A picture of what is to be seen now: NAME-SIZE-THEME.png in the folder of them."""
        theme = self._media.get("color-scheme", "light")
        file = screenshots() / f"{name}-{self._size}-{theme}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        made = self._cdp("Page.captureScreenshot", {"format": "png"})
        file.write_bytes(base64.b64decode(made["data"]))
        return file

    def reset(self) -> None:
        self._touch(False)
        self._cdp("Emulation.setEmulatedMedia", {"features": []})
        self._cdp("Emulation.clearDeviceMetricsOverride", {})
        self._size, self._media = "window", {}

    def _touch(self, on: bool) -> None:
        self._cdp("Emulation.setTouchEmulationEnabled", {"enabled": on, "maxTouchPoints": 5})

    def _cdp(self, command: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._driver.execute_cdp_cmd(command, parameters)
        return answer
