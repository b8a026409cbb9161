"""Ports of 127.0.0.1 for servers that cannot be told to take any."""

from __future__ import annotations

import contextlib
import random
import socket

_NOBODYS = range(20_000, 28_000)
"""Below those that systems hand out by chance, to outgoing connections too: one that is free stays
so (32768 and up, https://docs.kernel.org/networking/ip-sysctl.html; 49152 and up, RFC 6335)."""


def free_port(count: int = 1) -> int:
    """The first of `count` in a row that are free."""
    for port in random.sample(_NOBODYS, len(_NOBODYS)):
        if all(_is_free(port + n) for n in range(count)):
            return port
    raise AssertionError("no port is free")


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as tried:
        tried.bind(("127.0.0.1", port))
        return True
    return False
