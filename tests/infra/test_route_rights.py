"""API Gateway lets through what the code means to look at, and nothing else."""

from __future__ import annotations

import app
from chalicelib import auth
from infra.parts import rest_api


def test_the_gateway_and_the_code_agree_on_what_is_open() -> None:
    needs = {(path, method.lower()): need for (method, path), need in app.app.needs.items()}
    asks = {route for route in needs if route[1] == "options"}
    assert {route for route, need in needs.items() if not need.scopes} - asks == rest_api.OPEN
    assert all(not needs[route].scopes for route in asks)
    assert {route for route, need in needs.items() if need.cookie} == rest_api.BY_COOKIE


def test_the_gateway_lets_in_every_scope_that_a_route_may_ask_for() -> None:
    """It lets in a token with any of its scopes; which one a route needs, the code says."""
    named = {f"{auth.RESOURCE_SERVER}/{scope}" for scope in auth.SCOPES}
    assert named == set(rest_api.SCOPES)
