"""Private collections: for people who are no admins, the images of others are not there."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from chalicelib import auth, wiring
from chalicelib.auth import Asked, Caller, Need, Scope
from chalicelib.config import Settings
from chalicelib.index.base import Index, Write
from chalicelib.index.embedded import EmbeddedIndex
from chalicelib.index.memory import MemoryIndex
from chalicelib.records import ImageRecord, image_id
from tests.fakes.encoding import DIM
from tests.fakes.issuer import Issuer, serving
from tests.unit.test_api import Answer, Site, SwitchedIndex, serve
from tests.unit.test_auth import ANNA, BERT, bearer, settings
from tests.unit.test_search import record

HASH = f"{random.Random(5).getrandbits(128):032x}"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


@pytest.fixture
def site(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Site:
    return three_owners(issuer, monkeypatch)


def three_owners(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Site:
    """With images of Anna (1), of Bert (2), and of nobody (3)."""
    site = serve(Site(settings(issuer, private_collections=True)), monkeypatch)
    keep(site, *(image(n, owner) for n, owner in ((1, ANNA), (2, BERT), (3, ""))))
    return site


def image(number: int, owner: str, **fields: Any) -> ImageRecord:
    """All alike, so that each is a copy of each."""
    said = {"thumbnail_key": f"t/{number}", "sha256": "aa", "perceptual_hash": HASH}
    return record(number, owner=owner, **(said | fields))


def keep(site: Site, *records: ImageRecord) -> None:
    site.index.write([Write(one, None) for one in records])
    for one in records:
        site.known.bucket.put(one.key, b"picture", "image/png", {"owner": one.owner})


def asking(site: Site, token: str) -> Any:
    def ask(method: str, path: str, body: Any = None, **query: str) -> Answer:
        asked = f"{path}?{urlencode(query)}" if query else path
        return site.call(method, asked, body, bearer(token))

    return ask


# --- one by one -------------------------------------------------------------------------------


def test_people_find_list_and_count_their_own_and_admins_everybodys(
    site: Site, issuer: Issuer
) -> None:
    ids = [record(n).id for n in (1, 2, 3)]
    for token, seen in (
        (issuer.person(ANNA, "upload"), ids[:1]),
        (issuer.person(BERT), ids[1:2]),
        (issuer.person("somebody-else", "upload"), []),
        (issuer.person(ANNA, "admin"), ids),
        (issuer.machine("images/read", "images/admin"), ids),
        (issuer.machine("images/read"), []),
    ):
        ask = asking(site, token)
        found = ask("POST", "/search", {"text": "a", "facets": True}).json
        assert {item["id"] for item in found["items"]} == set(seen)
        assert (found["total"], found["facets"]["format"].get("png", 0)) == (len(seen), len(seen))
        listed = ask("GET", "/images", copies="true").json
        assert {item["id"] for item in listed["items"]} == set(seen)
        assert listed["total"] == len(seen)
        assert {item["copies"]["exact"] for item in listed["items"]} <= {len(seen) - 1}
        known = ask("GET", "/images", ids=",".join(ids)).json
        assert [item["id"] for item in known["items"]] == seen
        stats = ask("GET", "/stats").json
        assert stats["images"]["ready"] == sum(stats["facets"]["format"].values()) == len(seen)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/images/{id}"),
        ("DELETE", "/images/{id}"),
        ("GET", "/images/{id}/copies"),
        ("GET", "/images/{id}/file"),
        ("GET", "/images/{id}/thumbnail"),
    ],
)
def test_an_image_of_somebody_else_is_not_found_rather_than_forbidden(
    site: Site, issuer: Issuer, method: str, path: str
) -> None:
    ask = asking(site, issuer.person(ANNA, "upload"))
    for number in (2, 3, 99):
        answer = ask(method, path.replace("{id}", record(number).id))
        assert answer.error == (404, "not_found", None)
    assert site.index.counts()["ready"] == 3
    assert ask(method, path.replace("{id}", record(1).id)).status in (200, 302)


def test_more_like_somebody_elses_is_like_nothing(site: Site, issuer: Issuer) -> None:
    ask = asking(site, issuer.person(ANNA))
    for number in (2, 99):
        answer = ask("POST", "/search", {"id": record(number).id})
        assert answer.error == (404, "not_found", "id")
    assert ask("POST", "/search", {"id": record(1).id}).json["items"] == []


def test_a_key_that_is_guessed_opens_nothing(site: Site, issuer: Issuer) -> None:
    """An image that has no record yet is known by what its object says."""
    site.known.bucket.put("new/a.png", b"x", "image/png", {"owner": ANNA})
    site.known.bucket.put("new/b.png", b"x", "image/png", {"owner": BERT})
    ask = asking(site, issuer.person(ANNA))

    def file(key: str) -> Answer:
        return cast("Answer", ask("GET", f"/images/{image_id('photos', key)}/file", key=key))

    assert file("new/a.png").status == file("1").status == 302
    for key in ("new/b.png", "2", "3", "new/none.png"):
        assert file(key).error == (404, "not_found", "key")
    ask = asking(site, issuer.person(ANNA, "admin"))
    assert file("new/b.png").status == 302


def test_the_cookie_opens_no_more_than_the_token(site: Site, issuer: Issuer) -> None:
    cookie = {"cookie": f"session={issuer.person(ANNA)}"}
    for part in ("file", "thumbnail"):
        for number, status in ((1, 302), (2, 404)):
            path = f"/images/{record(number).id}/{part}"
            assert site.call("GET", path, headers=cookie).status == status


def test_without_private_collections_everybody_sees_all(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serve(Site(settings(issuer)), monkeypatch)
    keep(site, image(1, ANNA), image(2, BERT))
    listed = asking(site, issuer.person(ANNA))("GET", "/images").json
    assert {item["owner"] for item in listed["items"]} == {ANNA, BERT}


# --- whatever is asked ------------------------------------------------------------------------


class Known:
    """In place of tokens, which `test_auth` looks at: Anna, with these scopes."""

    def __init__(self, *scopes: Scope) -> None:
        self.caller = Caller(ANNA, frozenset(scopes))

    def admit(self, asked: Asked, need: Need) -> Caller:
        return self.caller


def private_site(index: Index, records: list[ImageRecord]) -> Site:
    known = Settings(
        bucket="photos", thumbnails_bucket="small",
        auth="cognito", token_issuer="http://127.0.0.1:9", private_collections=True,
    )  # fmt: skip
    site = Site(known, index=cast("SwitchedIndex", index), with_queues=False)
    site.services = replace(site.services, callers=cast("auth.Callers", Known("read", "upload")))
    keep(site, *records)
    return site


NUMBERS = st.integers(0, 11)
IDS = NUMBERS.map(lambda n: record(n).id)
OWNERS = st.sampled_from([ANNA, BERT, ""])


@st.composite
def images(draw: st.DrawFn) -> list[ImageRecord]:
    made = []
    for number in sorted(draw(st.sets(NUMBERS, min_size=1))):
        state = draw(st.sampled_from(["ready"] * 3 + ["rejected", "archived", "deleted"]))
        fields = {
            "state": state,
            "collection": draw(st.sampled_from(["", "trips", "work"])),
            "camera": draw(st.sampled_from(["", "X100"])),
            "sha256": draw(st.sampled_from(["aa", "bb", ""])),
            "perceptual_hash": draw(st.sampled_from([HASH, ""])),
        }
        one = image(number, draw(OWNERS), **fields)
        made.append(one if state == "ready" else replace(one, vector=None))
    return made


PLAIN = st.fixed_dictionaries(
    {},
    optional={
        "owner": OWNERS,
        "collection": st.sampled_from(["", "trips", "work"]),
        "camera": st.sampled_from(["", "X100"]),
        "format": st.sampled_from(["png", "jpeg"]),
        "date_from": st.sampled_from(["2024-01-03", "2024-01-06"]),
    },
)
WITHIN = ("all_of", "any_of", "none_of")
FILTERS = st.recursive(
    PLAIN,
    lambda inner: st.fixed_dictionaries(
        {}, optional={n: st.lists(inner, min_size=1, max_size=3) for n in WITHIN}
    ),
    max_leaves=6,
)
SEARCHES = st.fixed_dictionaries(
    {"filters": FILTERS},
    optional={
        "facets": st.booleans(),
        "collapse": st.sampled_from(["none", "exact", "near"]),
        "limit": st.integers(1, 5),
    },
)
QUERIES = st.one_of(
    st.sampled_from([{"text": "a"}, {"text": "b"}, {"image": "QUJD"}]),
    IDS.map(lambda name: {"id": name}),
)
LISTS = st.fixed_dictionaries(
    {},
    optional={
        "owner": OWNERS,
        "collection": st.sampled_from(["trips", "work"]),
        "state": st.sampled_from(["ready", "ready,rejected,archived,deleted", "rejected"]),
        "limit": st.sampled_from(["1", "2", "200"]),
        "copies": st.sampled_from(["true", "false"]),
    },
)
Request = tuple[str, str, Any]
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    st.tuples(QUERIES, SEARCHES).map(lambda both: ("POST", "/search", both[0] | both[1])),
    PLAIN.map(lambda given: ("GET", "/search?" + urlencode({"q": "a", **given}), None)),
    LISTS.map(lambda given: ("GET", "/images?" + urlencode(given), None)),
    st.lists(IDS, min_size=1).map(lambda names: ("GET", "/images?ids=" + ",".join(names), None)),
    st.tuples(
        st.sampled_from(["GET", "DELETE"]), IDS.map(lambda name: f"/images/{name}"), st.none()
    ),
    st.tuples(IDS, st.sampled_from(["copies", "file", "thumbnail"])).map(
        lambda both: ("GET", f"/images/{both[0]}/{both[1]}", None)
    ),
    NUMBERS.map(lambda n: ("GET", f"/images/{record(n).id}/file?key={n}", None)),
    st.just(("GET", "/stats", None)),
)


def told(site: Site, request: Request) -> list[Any]:
    """All that an answer says, and those to its later pages; but for how long each took."""
    method, path, body = request
    pages: list[Any] = []
    cursor: str | None = None
    while not pages or cursor:
        if cursor and method == "POST":
            body = body | {"cursor": cursor}
        elif cursor:
            path = f"{request[1]}&cursor={cursor}" if "?" in request[1] else request[1]
        answer = site.call(method, path, body)
        said = answer.json if answer.text else answer.headers["location"]
        if isinstance(said, dict):
            said.pop("timings_ms", None)
            said.get("error", {}).pop("request_id", None)
        pages.append((answer.status, said))
        cursor = said.get("next_cursor") if isinstance(said, dict) else None
    return pages


def foreign(records: list[ImageRecord]) -> set[str]:
    return {one.id for one in records if one.owner != ANNA}


def check(index: Index, records: list[ImageRecord], requests: list[Request]) -> None:
    """Two sites, one with nothing but Anna's images, must answer her alike."""
    shared = private_site(index, records)
    hers = [one for one in records if one.owner == ANNA]
    alone = private_site(MemoryIndex(dim=DIM), hers)
    with pytest.MonkeyPatch.context() as patch:
        for request in requests:
            patch.setattr(wiring, "services", lambda: shared.services)
            said = told(shared, request)
            patch.setattr(wiring, "services", lambda: alone.services)
            assert said == told(alone, request)
            asked = request[1] + str(request[2])
            seen = [name for name in foreign(records) if name in str(said)]
            assert [name for name in seen if name not in asked] == []
    left = set(shared.known.bucket.objects)
    assert {one.key for one in records if one.owner != ANNA} <= left


@given(records=images(), requests=st.lists(REQUESTS, min_size=1, max_size=6))
@hypothesis(deadline=None)
def test_whatever_is_asked_the_answer_is_as_if_nobody_else_had_images(
    records: list[ImageRecord], requests: list[Request]
) -> None:
    check(MemoryIndex(dim=DIM), records, requests)


@given(records=images(), requests=st.lists(REQUESTS, min_size=4, max_size=12))
@hypothesis(deadline=None, max_examples=20)
def test_so_it_is_over_the_index_of_one_machine(
    records: list[ImageRecord], requests: list[Request]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        index = EmbeddedIndex(Path(folder), dim=DIM, model="tiny")
        index.ensure()
        with contextlib.closing(index):
            check(index, records, requests)
