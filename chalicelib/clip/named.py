"""A model by its name: for functions that read and write its index and embed nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from chalicelib.errors import ConfigurationError

if TYPE_CHECKING:
    from chalicelib.clip.model import Clip

_WRITTEN = re.compile(
    r"(?P<name>[^:]{1,200}):(?P<fingerprint>[0-9a-f]{12}):(?P<dim>[1-9][0-9]{0,5})"
)


class NamedModel:
    """Which model it is, as a `Clip` says it; asked for vectors it raises `ConfigurationError`."""

    exact = False
    form = ""
    device = "cpu"
    calibration = None

    def __init__(self, written: str) -> None:
        """`written` is "NAME:FINGERPRINT:DIM", as `name_of` has it. Raises `ConfigurationError`."""
        found = _WRITTEN.fullmatch(written)
        if not found:
            raise ConfigurationError(
                "IMAGES_MODEL must be NAME:FINGERPRINT:DIM, such as starter:0123456789ab:384, "
                f"not {written!r}."
            )
        self.name = found["name"]
        self.fingerprint = found["fingerprint"]
        self.dim = int(found["dim"])

    @property
    def pixel_spec(self) -> Any:
        return self._embeds_nothing()

    def embed_texts(self, _texts: object, /) -> Any:
        return self._embeds_nothing()

    def embed_pixels(self, _pixels: object, /) -> Any:
        return self._embeds_nothing()

    def _embeds_nothing(self) -> NoReturn:
        raise ConfigurationError(
            "This function knows the model by name only: set IMAGES_MODEL_FOLDER where vectors "
            "are made. Behind API Gateway /search belongs to the function that has the model."
        )


def name_of(clip: Clip) -> str:
    """What IMAGES_MODEL must be for `clip`: "NAME:FINGERPRINT:DIM"."""
    return f"{clip.name}:{clip.fingerprint}:{clip.dim}"
