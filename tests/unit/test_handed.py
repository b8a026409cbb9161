"""Addresses are handed out again while they are good for long enough."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chalicelib.handed import MOST, SHARE, Handed


class Signer:
    """Signs, and counts how often."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.count = 0
        self.handed = Handed(clock=lambda: self.now)

    def sign(self) -> str:
        self.count += 1
        return f"https://bucket/?signature={self.count}"

    def ask(self, of: object = "a", seconds: int = 300) -> str:
        return self.handed.address((of, seconds), seconds, self.sign)


def test_an_address_is_the_same_for_a_third_of_its_time_and_another_then() -> None:
    signer = Signer()
    first = signer.ask()
    signer.now += 300 / SHARE - 1
    assert signer.ask() == first
    signer.now += 1
    second = signer.ask()
    assert second != first
    signer.now += 300 / SHARE - 1
    assert signer.ask() == second
    assert signer.count == 2


def test_whoever_keeps_one_as_long_as_they_may_has_time_left_to_use_it() -> None:
    seconds = 300
    handed_at_most, kept_at_most = seconds / SHARE, seconds // SHARE
    assert seconds - handed_at_most - kept_at_most >= seconds / SHARE


def test_each_thing_has_an_address_of_its_own() -> None:
    signer = Signer()
    assert signer.ask("a") != signer.ask("b")
    assert signer.ask("a", 300) != signer.ask("a", 600)
    assert signer.ask("a") == signer.ask("a")


def test_an_address_of_no_time_is_never_handed_out_again() -> None:
    signer = Signer()
    assert signer.ask("a", 0) != signer.ask("a", 0)


def test_the_oldest_are_forgotten_when_there_are_too_many() -> None:
    signer = Signer()
    first = signer.ask("first")
    for number in range(MOST - 1):
        signer.ask(number)
    assert signer.ask("first") == first
    signer.ask("one more")
    assert signer.ask("first") != first
    assert len(signer.handed._known) == MOST


def test_threads_that_ask_at_once_get_the_same() -> None:
    signer = Signer()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: signer.ask(), range(64)))) == 1
