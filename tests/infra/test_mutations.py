"""The proofs would notice: a template that is wired wrongly in any of these ways fails one."""

from __future__ import annotations

import copy
import inspect
import urllib.request
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from chalicelib.errors import IntellisenseError
from tests.infra import (
    test_api_definition,
    test_arrows,
    test_arrows_around,
    test_openness,
    test_refused,
)
from tests.infra.deployments import CHOICES, Deployment, deployment
from tests.infra.played import API, EMBEDDER, SEARCH
from tests.infra.policies import Unsupported
from tests.infra.stacks_read import Stacks
from tests.infra.template_reader import Built, moto_process
from tests.infra.wrong_turns import MUTATIONS, Templates

pytestmark = pytest.mark.xdist_group("stacks")

CHOICE = "the defaults"

MODULES = (test_arrows, test_arrows_around, test_api_definition, test_openness, test_refused)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_process() as url:
        yield url


def checks(module: ModuleType) -> Iterator[Callable[[Deployment], None]]:
    """What a module proves of any deployment."""
    for name, function in vars(module).items():
        if name.startswith("test_"):
            names = list(inspect.signature(function).parameters)
            if names in (["d"], ["choice"]):
                yield function
            elif names == ["d", "kind"]:
                for kind in (API, SEARCH, EMBEDDER):
                    yield lambda d, kind=kind, function=function: function(d, kind)
            elif names == ["d", "function"]:
                for kind in test_refused.ROLES:
                    yield lambda d, kind=kind, function=function: function(d, kind)


def faults(d: Deployment, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The proofs that fail for a deployment."""
    found = []
    for module in MODULES:
        monkeypatch.setattr(module, "deployment", lambda choice: d)
        for check in checks(module):
            try:
                check(d)
            except (
                AssertionError,
                Unsupported,
                IntellisenseError,
                LookupError,
                ValueError,
            ) as error:
                found.append(f"{check.__name__}: {error}")
    try:
        assert arrives(d, endpoint)
    except (AssertionError, ValueError) as error:
        found.append(f"an event's way: {error}")
    return found


def arrives(d: Deployment, endpoint: str) -> bool:
    """Whether a photo's event comes to the queue that feeds the embedder, by way of what S3 and
    Lambda may do."""
    reset = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset, timeout=30).close()
    built = Built(d.stacks, endpoint)
    built.s3.put_object(Bucket=d.photos, Key="a b/ü.jpg", Body=b"x")
    (mapping,) = built.mappings()
    bodies = [record["body"] for record in built.waiting(mapping, d.photos)]
    assert built.function(mapping).handler == "container_embedder.handler.handler"
    return any("%C3%BC.jpg" in body for body in bodies)


@pytest.fixture
def whole() -> Templates:
    return copy.deepcopy(dict(deployment(CHOICE).stacks.templates))


def test_the_template_as_it_is_fails_no_proof(
    whole: Templates, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = Deployment(CHOICES[CHOICE], Stacks(whole))
    assert faults(d, endpoint, monkeypatch) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_wrong_turn_of_the_wiring_fails_a_proof(
    whole: Templates, name: str, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.deepcopy(whole)
    MUTATIONS[name](whole)
    assert whole != before
    d = Deployment(CHOICES[CHOICE], Stacks(whole))
    assert faults(d, endpoint, monkeypatch)
