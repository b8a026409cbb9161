"""What the routes take in their query strings: read by `asking`, told by `GET /openapi.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from chalicelib.library import MAX_IDS, ListRequest
from chalicelib.queries import SearchRequest
from chalicelib.records import STATES, Filters

FLAG = {"type": "string", "enum": ["true", "false", "1", "0"]}


@dataclass(frozen=True, slots=True)
class Parameter:
    """`place`: where its value goes in the model that checks it ("filters.format"), which also
    says what it may be; "" where the route reads it by itself. `schema`: what it may be, where it
    is written otherwise in a query string than in the model."""

    says: str
    place: str = ""
    example: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a route by their names, and the model that they are read into."""

    parameters: Mapping[str, Parameter]
    model: type[BaseModel] | None = None

    def places(self) -> dict[str, str]:
        """Name → place, of those that go into the model."""
        return {name: p.place for name, p in self.parameters.items() if p.place}


NONE = Query({})

_NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"

_JSON = {"type": "string", "contentMediaType": "application/json"}

_SAID = {
    "collection": ("of that collection; empty: at the top of the bucket", "samples"),
    "owner": ("uploaded by that owner", ""),
    "date_from": ("taken (where that is unknown: uploaded) from then on", "2020-01-01"),
    "date_to": ("taken (where that is unknown: uploaded) until then, a day included", "2024-12-31"),
    "format": ("of that format", "png"),
    "orientation": ("standing that way", "landscape"),
    "min_width": ("with at least so many pixels a row", "640"),
    "min_height": ("with at least so many rows of pixels", "480"),
    "camera": ("of that camera", "Canon EOS 80D"),
    "near": ("latitude, longitude and kilometres: taken at most so far away", "48.14,11.58,5"),
}

_SCHEMAS: dict[str, Mapping[str, Any]] = {
    "near": {"type": "string", "pattern": f"^{_NUMBER},{_NUMBER},{_NUMBER}$"},
}

IN_BODIES_ONLY = ("all_of", "any_of", "none_of")

FILTERS = {
    name: Parameter(
        f"only images {_SAID[name][0]}",
        f"filters.{name}",
        _SAID[name][1],
        _SCHEMAS.get(name, {}),
    )
    for name in Filters.model_fields
    if name not in IN_BODIES_ONLY
}
"""Those that fit into a query string."""

_CURSOR = Parameter("where the page before ended: its next_cursor", "cursor")

SEARCH = Query(
    {
        "q": Parameter("what to look for, in words", "text", "a cat"),
        "id": Parameter("more like this image; one of q, id, vector and parts is given", "id"),
        "vector": Parameter("a picture sent before, as an answer to it said", "vector"),
        "parts": Parameter(
            "several things, as the body of POST /search has them", "parts", schema=_JSON
        ),
        "region": Parameter(
            "with id, a part of it only: left, top, width and height as shares of its sides",
            "region",
            "0.1,0.4,0.5,0.5",
            {"type": "string", "pattern": f"^{_NUMBER}(,{_NUMBER}){{3}}$"},
        ),
        "filters": Parameter("filters, as the body of POST /search has them", schema=_JSON),
        "limit": Parameter("images of a page", "limit", "20"),
        "cursor": _CURSOR,
        "facets": Parameter("whether to count what the images have in common", "facets", "true"),
        "collapse": Parameter("which copies to fold behind the best of them", "collapse", "near"),
        "closest": Parameter("what is beyond the cut-off too", "closest", "true"),
        "order": Parameter("how the images are ordered", "order", "newest"),
        **FILTERS,
    },
    SearchRequest,
)

LISTING = Query(
    {
        "ids": Parameter(
            f"up to {MAX_IDS} ids with commas between them; goes with no other parameter",
            schema={"type": "string"},
        ),
        "state": Parameter(
            "of which states, with commas between them",
            example="ready,rejected",
            schema={
                "type": "string",
                "pattern": "^({0})(,({0}))*$".format("|".join(STATES)),
                "default": "ready",
            },
        ),
        "copies": Parameter(
            "whether to count the copies of each",
            example="true",
            schema=FLAG | {"default": "false"},
        ),
        "limit": Parameter("images of a page", "limit", "50"),
        "cursor": _CURSOR,
        **FILTERS,
    },
    ListRequest,
)

FILE = Query(
    {
        "key": Parameter(
            "of the file, as an upload gave it: works before the image is indexed",
            schema={"type": "string"},
        ),
        "download": Parameter(
            "makes a browser save the file under its name",
            example="1",
            schema=FLAG,
        ),
        "v": Parameter(
            "any text: another address of the same file, which no cache remembers",
            example="mpt2k9",
        ),
    }
)

THUMBNAIL = Query(
    {"v": Parameter("any text: a changed picture has an address of its own", example="9b1f6f0a")}
)

LETTERS = Query({"id": Parameter("one letter, with its body", schema={"type": "string"})})
