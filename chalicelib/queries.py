"""What a search is asked."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from chalicelib.copies import Collapse
from chalicelib.records import Filters, Wire
from chalicelib.relevance import Order


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Words = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_not_blank)]


class SearchRequest(Wire):
    """What to look for: exactly one of `text`, `image` (base64 or data URL) or `id`; with
    `facets` the answer also says what the images of the ranked set have in common; `collapse`
    folds copies behind the best of them; `closest` asks for what is beyond the cut-off too;
    `order` is that of the answer."""

    text: Words | None = None
    image: str | None = None
    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
    filters: Filters = Filters()
    facets: bool = False
    collapse: Collapse = "none"
    order: Order = "best"
    closest: bool = False
    limit: Annotated[int, Field(ge=1, le=200)] = 20
    cursor: Annotated[str, StringConstraints(max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_query(self) -> SearchRequest:
        given = [n for n in ("text", "image", "id") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of text, image or id")
        return self
