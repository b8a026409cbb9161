"""What a route says of itself: what it takes, what it gives, who may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from chalicelib.auth import Scope
from chalicelib.parameters import NONE, Query


@dataclass(frozen=True, slots=True)
class Operation:
    """`says`: one line for the contract, more below it where there is more. `takes`: the model of
    the body. `asks`: the query string. `gives`: the shape of a good answer, None for a redirect.
    `refuses`: statuses of errors beside those that follow from the rest. `also`: statuses that are
    answered with a shape of their own, or with nothing (None)."""

    name: str
    says: str
    scopes: tuple[Scope, ...] = ()
    cookie: bool = False
    takes: type[BaseModel] | None = None
    asks: Query = NONE
    gives: Any = None
    status: int = 200
    refuses: tuple[int, ...] = ()
    also: Mapping[int, Any] = field(default_factory=dict)
