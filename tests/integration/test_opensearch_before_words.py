"""An OpenSearch index of the version before words: what it gets, and when."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from chalicelib.index.opensearch import OpenSearchIndex
from chalicelib.index.opensearch.documents import to_document, words_of
from chalicelib.index.opensearch.schema import SCHEMA, write_alias
from chalicelib.records import ImageRecord
from tests.integration.opensearch_index import (
    DIM,
    NOW,
    Place,
    found,
    found_by_words,
    name_of,
    numbered,
    picture,
    place_on,
    put,
    random_units,
    tombstone,
)
from tests.integration.proxy import Asked, Fault, Proxy

KEYWORD = {"type": "keyword", "ignore_above": 8191}
KEPT = {"type": "keyword", "index": False, "doc_values": False}
LONG = {"type": "long"}
FILTERED = ("id", "collection", "owner", "format", "camera", "state", "orientation", "year")
NUMBERS = ("width", "height", "date", "recency", "indexed")
NAMES = ("bucket", "key", "name", "etag", "version_id", "text", "model", "form", "thumbnail_key")
TIMES = ("reason", "taken_at", "uploaded_at", "indexed_at")
SCHEMA_2 = {
    **dict.fromkeys(FILTERED, KEYWORD),
    **dict.fromkeys(NUMBERS, LONG),
    "location": {"type": "geo_point"},
    **dict.fromkeys(NAMES, KEPT),
    "sha256": KEYWORD,
    "perceptual_hash": KEYWORD | {"index": False},
    "bands": KEYWORD | {"doc_values": False},
    "lens": KEPT,
    "exposure": {"type": "object", "enabled": False},
    **dict.fromkeys(TIMES, KEPT),
    **dict.fromkeys(("bytes", "decoder_version"), LONG | {"index": False}),
    "vector": {
        "type": "knn_vector",
        "dimension": DIM,
        "space_type": "innerproduct",
        "method": {
            "name": "hnsw",
            "engine": "lucene",
            "parameters": {"m": 16, "ef_construction": 100},
        },
    },
}
TEXT = {"type": "text", "analyzer": "whitespace"}
OF_FIELD = TEXT | {"norms": False, "index_options": "docs", "copy_to": ["words"]}
SCHEMA_3 = SCHEMA_2 | {
    **{f"{name}_words": OF_FIELD for name in ("name", "collection", "camera", "text")},
    "words": TEXT | {"norms": False},
    "titles": KEYWORD | {"doc_values": False},
    "worded": LONG | {"doc_values": False},
    "calibration": KEPT,
    "text_model": KEPT,
    "response": {"type": "float", "index": False, "doc_values": False},
}
OLD = {2: SCHEMA_2, 3: SCHEMA_3}
LONG_AGO = "2020-01-01T00:00:00+00:00"
ABOUT = {"schema": 2, "model": "fake", "dim": DIM, "bucket": "photos", "used_at": LONG_AGO}


def made_before_words(place: Place, *records: ImageRecord, schema: int = 2) -> None:
    """As the version of that schema left it: 3 has words, and knows no placeholders."""
    about, known = ABOUT | {"schema": schema}, OLD[schema]
    mappings = {"dynamic": "strict", "_meta": about, "properties": known}
    settings = {"index": {"knn": True, "number_of_replicas": 0}}
    alias = {write_alias(place.name): {}}
    place.ask("PUT", "", {"settings": settings, "mappings": mappings, "aliases": alias})
    for record in records:
        document = to_document(record)
        for name in {*document} - {*known}:
            del document[name]
        if record.vector is not None:
            document["vector"] = record.vector.tolist()
        place.ask("PUT", f"/_doc/{record.id}?refresh=true", document)


@pytest.mark.parametrize("schema", OLD)
def test_an_index_of_before_gets_the_fields_it_lacks_and_keeps_all_it_has(
    place: Place, schema: int
) -> None:
    made_before_words(place, picture(1), tombstone(2), schema=schema)
    index = place.made()
    mapping = place.ask("GET", "/_mapping")[place.name]["mappings"]
    about = mapping["_meta"]
    assert about.pop("used_at") != ABOUT["used_at"]
    assert about == {"schema": SCHEMA, "model": "fake", "dim": DIM, "bucket": "photos"}
    with place_on(place.url) as other:
        other.made()
        fresh = other.ask("GET", "/_mapping")[other.name]["mappings"]
    assert mapping["properties"] == fresh["properties"]
    held = index.read([name_of(1), name_of(2)])
    assert held[name_of(1)].record == picture(1)
    assert held[name_of(2)].record == tombstone(2)
    assert [hit.record.id for hit in found(index, "nothing")] == [name_of(1)]
    put(index, picture(3, placeholder="AbC/" * 12))
    assert index.read([name_of(3)])[name_of(3)].record.placeholder == "AbC/" * 12


def test_many_at_once_open_an_index_from_before_words(place: Place) -> None:
    made_before_words(place, picture(1))
    indexes = [place.open() for _ in range(8)]
    failures: list[BaseException] = []

    def ensure(index: OpenSearchIndex) -> None:
        try:
            index.ensure()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ensure, args=(index,)) for index in indexes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    put(indexes[0], picture(2, name="beach.jpg"))
    assert found_by_words(indexes[1], "beach") == numbered(2)


def test_images_from_before_words_get_theirs_when_the_index_is_tidied(place: Place) -> None:
    rows = random_units(40)
    before = [picture(n, row, name=f"beach {n}.jpg") for n, row in enumerate(rows)]
    made_before_words(place, *before, tombstone(50))
    index = place.made()
    put(index, picture(60, name="dune.jpg"))
    assert found_by_words(index, "beach") == set()
    versions = {name: held.version for name, held in index.read([name_of(60)]).items()}
    assert index.purge(NOW) == 0
    assert found_by_words(index, "beach") == numbered(*range(40))
    assert found(index, "beach 7")[0].record.id == name_of(7)
    for number, row in enumerate(rows):
        vector = index.vector(name_of(number))
        assert vector is not None
        assert vector.tolist() == row.tolist()
    assert {h.record for h in found(index, "beach")} >= {replace(r, vector=None) for r in before}
    after = index.read([name_of(60)])
    assert after[name_of(60)].version == versions[name_of(60)], "it had its words already"


def test_words_by_older_rules_are_written_again(place: Place) -> None:
    index = place.made()
    put(index, picture(1, name="beach.jpg"), picture(2, name="beach.jpg"))
    older = words_of(picture(1)) | {"name_words": "strand", "worded": 0}
    place.ask("POST", f"/_update/{name_of(1)}?refresh=true", {"doc": older})
    assert found_by_words(index, "beach") == numbered(2)
    index.purge(NOW)
    assert found_by_words(index, "beach") == numbered(1, 2)
    assert found_by_words(index, "strand") == set()


def test_what_changes_or_goes_while_words_are_given_stays_as_it_became(
    place: Place, proxy: Proxy
) -> None:
    made_before_words(place, *(picture(n, name="beach.jpg") for n in range(3)))
    straight, index = place.made(), place.open(proxy.url)

    def meanwhile(asked: Asked) -> Fault:
        if asked.is_bulk:
            proxy.fault = lambda _: None
            put(straight, picture(0, name="dune.jpg"))
            place.ask("DELETE", f"/_doc/{name_of(1)}?refresh=true")
        return None

    proxy.fault = meanwhile
    index.purge(NOW)
    assert index.read([name_of(n) for n in range(3)]).keys() == numbered(0, 2)
    assert found_by_words(straight, "beach") == numbered(2)
    assert found_by_words(straight, "dune") == numbered(0)
