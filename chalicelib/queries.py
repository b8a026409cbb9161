"""What a search is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from chalicelib import vectors, words
from chalicelib.copies import Collapse
from chalicelib.errors import InvalidRequest
from chalicelib.records import WHOLE, Filters, Wire
from chalicelib.relevance import Order

MAX_PARTS = 10

Asks = TypeVar("Asks", bound=Wire)


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
Vector = Annotated[
    str, Field(max_length=vectors.MAX_LENGTH, json_schema_extra={"pattern": vectors.PATTERN})
]
"""A picture's vector as text. What is no such text is refused by the room that reads it, which can
say why."""
Region = Annotated[tuple[_Start, _Start, _Length, _Length], AfterValidator(_part_of_a_picture)]
"""Left, top, width and height of a part of the upright picture, as shares of its sides."""


KINDS = ("text", "image", "vector", "id")
"""What may be asked for."""
_WITH_REGION = ("image", "id")


class Part(Wire):
    """One of several things to look for: exactly one of `text`, `image` (base64 or data URL),
    `vector` (that of a picture sent before) or `id`, of an image or an id perhaps a `region` only.
    What has a negative weight is wanted less, the more the further below zero."""

    text: Words | None = None
    image: str | None = None
    vector: Vector | None = None
    id: Id | None = None
    region: Region | None = None
    weight: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _one_thing(self) -> Part:
        given = [name for name in KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of text, image, vector or id")
        if self.region is not None and given[0] not in _WITH_REGION:
            raise ValueError(f"a region is a part of an image or an id, not of a {given[0]}")
        if self.weight == 0:
            raise ValueError("a part with the weight 0 asks for nothing; leave it out")
        return self


class SearchRequest(Wire):
    """What to look for: exactly one of `text`, `image` (base64 or data URL), `vector` (that of a
    picture sent before), `id` (of an image or an id perhaps a `region` only) or several `parts`;
    with `facets` the answer also says what the images
    of the kept set have in common; `collapse` folds copies behind the best of them; `closest` asks
    for what is beyond the cut-off too; `order` is that of the answer."""

    text: Words | None = None
    image: str | None = None
    vector: Vector | None = None
    id: Id | None = None
    region: Region | None = None
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=MAX_PARTS)] | None = None
    filters: Filters = Filters()
    facets: bool = False
    collapse: Collapse = "none"
    order: Order = "best"
    closest: bool = False
    limit: Annotated[int, Field(ge=1, le=200), WHOLE] = 20
    cursor: Annotated[str, StringConstraints(max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_query(self) -> SearchRequest:
        given = [name for name in (*KINDS, "parts") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of text, image, vector, id or parts")
        if self.region is not None and given[0] not in _WITH_REGION:
            raise ValueError("a region is a part of an image or an id; give it with one of these")
        if self.parts and all(part.weight < 0 for part in self.parts):
            raise ValueError("say what to look for too: at least one part needs a weight above 0")
        return self

    def asked(self) -> tuple[Part, ...]:
        """The request as parts, however it was written."""
        alone = Part.model_construct(**{name: getattr(self, name) for name in (*KINDS, "region")})
        return self.parts or (alone,)

    def with_vectors(self, texts: Sequence[str | None]) -> SearchRequest:
        """The same with a vector in place of each picture that was sent: `texts` has one for each
        of `asked()`, None for what stays as it is."""

        def rounded(one: Asks, text: str | None) -> Asks:
            # What has been checked needs no check again.
            change = {"image": None, "region": None, "vector": text}
            return one if text is None else one.model_copy(update=change)

        if self.parts is None:
            return rounded(self, texts[0])
        parts = tuple(rounded(*pair) for pair in zip(self.parts, texts, strict=True))
        return self.model_copy(update={"parts": parts})
