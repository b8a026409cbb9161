"""Where Cognito may send people back to, and where `python -m client login` waits for them."""

from __future__ import annotations

from client.login import CALLBACKS
from infra.parts.sign_in import LOOPBACK


def test_the_app_client_knows_every_address_that_the_client_waits_at() -> None:
    assert LOOPBACK == CALLBACKS
