"""What a search is asked."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from chalicelib import words
from chalicelib.copies import Collapse
from chalicelib.errors import InvalidRequest
from chalicelib.records import Filters, Wire
from chalicelib.relevance import Order

MAX_PARTS = 10


def _asks_for_something(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    try:
        parsed = words.parse(text)
    except InvalidRequest as error:
        raise ValueError(error.message) from None
    if parsed.wording.without and not parsed.text:
        raise ValueError("say what to look for too, not only what to leave out")
    return text


def _part_of_a_picture(region: tuple[float, ...]) -> tuple[float, ...]:
    left, top, width, height = region
    # Shares that a page reckons from pixels may add up to a rounding error more than one.
    if left + width > 1 + 1e-6 or top + height > 1 + 1e-6:
        raise ValueError(
            "a region is left, top, width and height, as shares of the picture's sides; this one"
            " reaches beyond the picture"
        )
    return region


Words = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_asks_for_something)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_Start = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Length = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Region = Annotated[tuple[_Start, _Start, _Length, _Length], AfterValidator(_part_of_a_picture)]
"""Left, top, width and height of a part of the upright picture, as shares of its sides."""


class Part(Wire):
    """One of several things to look for: exactly one of `text`, `image` (base64 or data URL) or
    `id`, of an image or a picture perhaps a `region` only. What has a negative weight is wanted
    less, the more the further below zero."""

    text: Words | None = None
    image: str | None = None
    id: Id | None = None
    region: Region | None = None
    weight: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _one_thing(self) -> Part:
        if sum(one is not None for one in (self.text, self.image, self.id)) != 1:
            raise ValueError("give exactly one of text, image or id")
        if self.region is not None and self.text is not None:
            raise ValueError("a region is a part of an image or an id, not of a text")
        if self.weight == 0:
            raise ValueError("a part with the weight 0 asks for nothing; leave it out")
        return self


class SearchRequest(Wire):
    """What to look for: exactly one of `text`, `image` (base64 or data URL), `id` (of these two
    perhaps a `region` only) or several `parts`; with `facets` the answer also says what the images
    of the kept set have in common; `collapse` folds copies behind the best of them; `closest` asks
    for what is beyond the cut-off too; `order` is that of the answer."""

    text: Words | None = None
    image: str | None = None
    id: Id | None = None
    region: Region | None = None
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=MAX_PARTS)] | None = None
    filters: Filters = Filters()
    facets: bool = False
    collapse: Collapse = "none"
    order: Order = "best"
    closest: bool = False
    limit: Annotated[int, Field(ge=1, le=200)] = 20
    cursor: Annotated[str, StringConstraints(max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_query(self) -> SearchRequest:
        given = [n for n in ("text", "image", "id", "parts") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of text, image, id or parts")
        if self.region is not None and given[0] not in ("image", "id"):
            raise ValueError("a region is a part of an image or an id; give it with one of these")
        if self.parts and all(part.weight < 0 for part in self.parts):
            raise ValueError("say what to look for too: at least one part needs a weight above 0")
        return self

    def asked(self) -> tuple[Part, ...]:
        """The request as parts, however it was written."""
        alone = Part.model_construct(
            text=self.text, image=self.image, id=self.id, region=self.region
        )
        return self.parts or (alone,)
