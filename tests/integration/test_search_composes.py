"""Search that composes, over a live stack: what can be asked at once, by address and by body, in
each kind of index."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from chalicelib.clip import load_clip
from chalicelib.index.naming import index_name
from tests.integration.local_stack import LocalStack, running
from tests.integration.processes import eventually

pytestmark = pytest.mark.model

SUB_IFD, TAKEN, MAKE, GPS = 0x8769, 0x9003, 0x010F, 0x8825
MUNICH = {"lat": 48.14, "lon": 11.58, "km": 20}

PHOTOS: dict[str, dict[str, Any]] = {
    "chelsea-the-cat.png": {"year": 2019, "make": "Canon", "munich": True},
    "lion.jpg": {"year": 2020, "make": "Canon"},
    "cheetah.jpg": {"year": 2021, "make": "Nikon", "munich": True},
    "cheetah-running.jpg": {"year": 2022, "make": "Nikon"},
    "horse.png": {"year": 2023, "make": "Canon"},
    "quokka.jpg": {"year": 2024, "make": "Leica", "munich": True},
    "coffee.png": {"year": 2018, "make": "Leica"},
    "rocket.jpg": {"year": 2017, "make": "Nikon"},
    "moon.png": {},
    "page.png": {},
    "brick-wall.png": {},
    "china.jpg": {"year": 2016, "make": "Canon", "munich": True},
}


def photo(
    path: Path, year: int = 0, make: str = "", munich: bool = False, quality: int = 90
) -> bytes:
    """A JPEG of the sample with these facts in its EXIF."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((480, 480))
    exif = picture.getexif()
    if year:
        exif[MAKE] = make
        exif.get_ifd(SUB_IFD)[TAKEN] = f"{year}:06:01 12:00:00"
    if munich:
        exif.get_ifd(GPS).update({1: "N", 2: (48.0, 8.0, 24.0), 3: "E", 4: (11.0, 34.0, 48.0)})
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, exif=exif)
    return file.getvalue()


# The tests on OpenSearch go to the worker that has the node.
HERE = pytest.param("embedded", marks=pytest.mark.xdist_group("composes"))


@pytest.fixture(scope="module", params=[HERE, "opensearch"])
def library(
    request: pytest.FixtureRequest,
    starter: Path,
    samples: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[LocalStack, dict[str, str]]]:
    """A stack with photos of many years and cameras, two of them with a copy; and their ids."""
    url = ""
    if request.param == "opensearch":
        url = request.getfixturevalue("opensearch_node").url
    with running(tmp_path_factory.mktemp(request.param) / "data", starter, opensearch=url) as stack:
        files = {name: photo(samples / name, **facts) for name, facts in PHOTOS.items()}
        files["again.jpg"] = files["lion.jpg"]
        files["smaller.jpg"] = photo(samples / "horse.png", year=2023, make="Canon", quality=60)
        ids = {
            name: stack.upload(name, data, collection="animals" if n % 2 else "mixed")
            for n, (name, data) in enumerate(files.items())
        }
        assert {stack.known(image)["state"] for image in ids.values()} == {"ready"}
        # The threshold too is what it stays: whoever searches before it is measured gets another.
        stack.at_rest()
        count = {"text": "a photo", "closest": True}
        eventually(lambda: stack.post("/search", count)["total"], lambda n: n == len(ids))
        yield stack, ids
    if url:
        clip = load_clip(starter)
        requests.delete(f"{url}/{index_name(clip.name, clip.fingerprint)}", timeout=60)


def as_address(body: dict[str, Any]) -> dict[str, str]:
    """The parameters of `GET /search` that ask for what `body` does."""
    said = {}
    for name, value in body.items():
        if name == "text":
            said["q"] = value
        elif name == "region":
            said["region"] = ",".join(map(str, value))
        elif isinstance(value, bool):
            said[name] = str(value).lower()
        else:
            said[name] = value if isinstance(value, str) else json.dumps(value)
    return said


def told(answer: dict[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in answer.items() if name not in ("timings_ms", "vectors")}
    return {**said, "items": [(item["id"], item["score"]) for item in said["items"]]}


def both(stack: LocalStack, body: dict[str, Any]) -> dict[str, Any]:
    """The answer, which is the same by body and by address."""
    posted = stack.post("/search", body)
    if "image" not in json.dumps(body):
        assert told(stack.get("/search", **as_address(body))) == told(posted)
    return posted


def walked(stack: LocalStack, body: dict[str, Any], limit: int = 3) -> list[str]:
    """The whole answer, page by page, each asked for both ways."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = both(stack, {**body, "limit": limit, **cursor})
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def names(ids: dict[str, str], found: list[str]) -> list[str]:
    by_id = {image: name for name, image in ids.items()}
    return [by_id[image] for image in found]


def asked(stack: LocalStack, ids: dict[str, str], samples: Path) -> list[dict[str, Any]]:
    """All kinds of things to look for, in one search each."""
    picture = base64_of((samples / "cheetah.jpg").read_bytes())
    (vector,) = stack.post("/search", {"image": picture})["vectors"]
    cat, horse = ids["chelsea-the-cat.png"], ids["horse.png"]
    return [
        {"text": "an animal"},
        {"text": 'an animal -horse -"no such words"'},
        {"id": cat},
        {"id": cat, "region": [0.2, 0.1, 0.6, 0.6]},
        {"vector": vector},
        {"parts": [{"text": "a cat"}, {"text": "in the grass", "weight": 0.5}]},
        {"parts": [{"vector": vector}, {"text": "a horse", "weight": -0.4}]},
        {
            "parts": [
                {"text": "an animal", "weight": 0.8},
                {"vector": vector, "weight": 0.6},
                {"id": cat, "weight": 0.5},
                {"id": horse, "region": [0, 0, 1, 0.5], "weight": 0.3},
                {"text": "people", "weight": -0.3},
                {"id": ids["rocket.jpg"], "weight": -0.2},
            ]
        },
    ]


FILTERS: list[dict[str, Any]] = [
    {},
    {"format": "jpeg", "min_width": 100, "min_height": 100},
    {"date_from": "2018-01-01", "date_to": "2022-12-31"},
    {"near": MUNICH},
    {
        "any_of": [{"camera": "Canon"}, {"near": MUNICH}, {"all_of": [{"format": "png"}]}],
        "none_of": [{"date_to": "2016-12-31"}, {"collection": "none", "orientation": "square"}],
        "format": "jpeg",
    },
]


@pytest.mark.timeout(600)
def test_whatever_is_asked_together_is_the_same_by_address_and_body_on_every_page(
    library: tuple[LocalStack, dict[str, str]], samples: Path
) -> None:
    stack, ids = library
    hows = (
        {"closest": True},
        {"order": "newest", "collapse": "near", "facets": True},
        {"order": "oldest", "collapse": "exact"},
    )
    answered = 0
    for what in asked(stack, ids, samples):
        for number, filters in enumerate(FILTERS):
            how = hows[number % len(hows)]
            body = {**what, **how, **({"filters": filters} if filters else {})}
            whole = both(stack, {**body, "limit": 200})
            found = [item["id"] for item in whole["items"]]
            assert len(found) == len(set(found)) == whole["total"]
            assert walked(stack, body) == found
            answered += bool(found)
    assert answered >= 30, "most of them find something"


def test_a_picture_sent_is_the_same_as_its_vector_on_every_page_and_among_other_parts(
    library: tuple[LocalStack, dict[str, str]], samples: Path
) -> None:
    stack, ids = library
    data = base64_of(photo(samples / "lion.jpg", quality=70))
    sent = {"parts": [{"image": data, "region": [0, 0, 1, 0.9]}, {"text": "a photo"}]}
    how = {"closest": True, "limit": 4, "filters": FILTERS[1]}
    first = stack.post("/search", {**sent, **how})
    vector, none = first["vectors"]
    assert none is None
    known = {"parts": [{"vector": vector}, {"text": "a photo"}]}
    assert told(both(stack, {**known, **how})) == told(first)
    go_on = {**how, "cursor": first["next_cursor"]}
    assert told(both(stack, {**known, **go_on})) == told(stack.post("/search", {**sent, **go_on}))
    alone = stack.post("/search", {"image": data})
    assert names(ids, [alone["items"][0]["id"]])[0] in ("lion.jpg", "again.jpg")


def test_dates_order_what_matches_alone_and_facets_count_it(
    library: tuple[LocalStack, dict[str, str]],
) -> None:
    stack, ids = library
    body = {"parts": [{"text": "a big cat"}, {"text": "a wild animal", "weight": 0.5}]}
    kept = set(walked(stack, body))
    assert {ids["lion.jpg"], ids["cheetah.jpg"]} <= kept
    assert ids["page.png"] not in kept
    newest = both(stack, {**body, "order": "newest", "facets": True, "limit": 200})
    dates = [item["taken_at"] for item in newest["items"] if item["taken_at"]]
    assert dates == sorted(dates, reverse=True)
    assert {item["id"] for item in newest["items"]} == kept
    assert sum(newest["facets"]["format"].values()) == len(kept)
    oldest = both(stack, {**body, "order": "oldest", "limit": 200})["items"]
    assert [item["taken_at"] for item in oldest if item["taken_at"]] == dates[::-1]


def test_copies_fold_behind_the_best_of_what_the_filters_leave(
    library: tuple[LocalStack, dict[str, str]],
) -> None:
    stack, ids = library
    lions = {ids["lion.jpg"], ids["again.jpg"]}
    body = {"parts": [{"text": "a lion"}, {"id": ids["horse.png"], "weight": 0.3}], "closest": True}
    flat = set(walked(stack, body))
    assert lions | {ids["smaller.jpg"]} <= flat
    folded = both(stack, {**body, "collapse": "exact", "limit": 200})["items"]
    shown = {item["id"]: item["copies"] for item in folded}
    (lion,) = lions & shown.keys()
    assert (shown[lion]["exact"], shown[lion]["ids"]) == (1, list(lions - {lion}))
    filters = {"none_of": [{"collection": stack.known(lion)["collection"]}]}
    left = both(stack, {**body, "collapse": "exact", "limit": 200, "filters": filters})["items"]
    assert lions & {item["id"] for item in left} == lions - {lion}


def test_a_minus_a_crop_and_a_weight_each_change_what_comes_first(
    library: tuple[LocalStack, dict[str, str]], samples: Path
) -> None:
    stack, ids = library
    halves = Image.new("RGB", (800, 400))
    for left, name in ((0, "chelsea-the-cat.png"), (400, "rocket.jpg")):
        with Image.open(samples / name) as opened:
            halves.paste(opened.convert("RGB").resize((400, 400)), (left, 0))
    file = io.BytesIO()
    halves.save(file, "PNG")
    data = base64_of(file.getvalue())

    def first(body: dict[str, Any]) -> str:
        return names(ids, [both(stack, {**body, "closest": True})["items"][0]["id"]])[0]

    assert first({"image": data, "region": [0, 0, 0.5, 1]}) == "chelsea-the-cat.png"
    assert first({"image": data, "region": [0.5, 0, 0.5, 1]}) == "rocket.jpg"
    coffee, rocket = {"text": "a cup of coffee"}, {"text": "a rocket"}
    assert first({"parts": [coffee, {**rocket, "weight": 0.2}]}) == "coffee.png"
    assert first({"parts": [{**coffee, "weight": 0.2}, rocket]}) == "rocket.jpg"
    animals = {"text": "a lion or a horse"}
    horses = {ids["horse.png"], ids["smaller.jpg"]}
    away = {"text": "a horse", "weight": -0.4}
    without = walked(stack, {"parts": [animals, away]})
    assert not horses & set(without[:3])
    assert not horses & set(walked(stack, {"text": "an animal -horse"}))
