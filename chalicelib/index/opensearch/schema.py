"""What an index looks like: its mapping and settings, made once, checked at every start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from chalicelib.errors import ConfigurationError
from chalicelib.index.opensearch.client import Client, IndexMissing, RequestRefused
from chalicelib.relevance import FIELDS

SCHEMA = 4
"""Counts changes of what is kept in an index; stands in its mapping."""

OLD_SCHEMAS = (2, 3)
"""Indexes of these get the fields they lack when they are opened: of words, and the placeholder."""

M = 16
EF_CONSTRUCTION = 100
"""Neighbours a node keeps, and candidates looked at to find them: Lucene's own defaults (Malkov
and Yashunin, 2016, name them so); docs/adr/0008 has what others cost and gain."""

WORDS = "words"
"""The field that all words stand in."""

LONGEST_KEYWORD = 8191
"""Characters; Lucene takes terms of 32,766 bytes, and one character has up to four."""

Compression = Literal["1x", "4x", "32x"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What can be chosen when an index is made. `replicas` is a number or a range such as "0-1",
    which follows the number of nodes; `refresh` is how long a write may stay unseen by searches;
    `compression` other than "1x" searches small vectors first and scores the finalists exactly."""

    shards: int = 1
    replicas: str = "0-1"
    refresh: str = "1s"
    compression: Compression = "1x"

    def __post_init__(self) -> None:
        wrong = {
            "IMAGES_OPENSEARCH_REPLICAS": ("1 or 0-2", r"\d+(-(\d+|all))?", self.replicas),
            "IMAGES_OPENSEARCH_REFRESH": ("1s or 500ms", r"\d+(ms|s|m)", self.refresh),
        }
        for name, (example, pattern, value) in wrong.items():
            if not re.fullmatch(pattern, value):
                raise ConfigurationError(f"{name} must be like {example}, not {value!r}.")
        if self.shards < 1:
            raise ConfigurationError("IMAGES_OPENSEARCH_SHARDS must be 1 or more.")


def write_alias(index: str) -> str:
    """Writes go through this alias and ask for it (`require_alias`), so a write that comes after
    the index was dropped fails, instead of making an index without a mapping."""
    return f"{index}.writes"


def body(dim: int, model: str, bucket: str, shape: Shape) -> dict[str, Any]:
    replicas = (
        {"auto_expand_replicas": shape.replicas}
        if "-" in shape.replicas
        else {"number_of_replicas": int(shape.replicas)}
    )
    index = {
        "knn": True,
        "number_of_shards": shape.shards,
        "refresh_interval": shape.refresh,
        **replicas,
    }
    return {"settings": {"index": index}, "mappings": mappings(dim, model, bucket, shape)}


def mappings(dim: int, model: str, bucket: str, shape: Shape) -> dict[str, Any]:
    keyword = {"type": "keyword", "ignore_above": LONGEST_KEYWORD}
    kept = {"type": "keyword", "index": False, "doc_values": False}
    number = {"type": "long"}
    return {
        "dynamic": "strict",
        "_meta": {
            "schema": SCHEMA,
            "model": model,
            "dim": dim,
            "bucket": bucket,
            "used_at": now(),
        },
        "properties": {
            **dict.fromkeys(("id", "collection", "owner", "format", "camera"), keyword),
            **dict.fromkeys(("state", "orientation", "year"), keyword),
            **dict.fromkeys(("width", "height", "date", "recency", "indexed"), number),
            "location": {"type": "geo_point"},
            **dict.fromkeys(("bucket", "key", "name", "etag", "version_id"), kept),
            **dict.fromkeys(("text", "model", "form", "thumbnail_key"), kept),
            # What copies are told by: `sha256` and `bands` are looked up, the hash is compared.
            "sha256": keyword,
            "perceptual_hash": keyword | {"index": False},
            "bands": keyword | {"doc_values": False},
            "lens": kept,
            "exposure": {"type": "object", "enabled": False},
            **dict.fromkeys(("reason", "taken_at", "uploaded_at", "indexed_at"), kept),
            **dict.fromkeys(("bytes", "decoder_version"), number | {"index": False}),
            **_since_words(),
            **_since_placeholders(),
            "vector": _vector(dim, shape),
        },
    }


def _since_words() -> dict[str, Any]:
    """Words stand in the field they are of, to say where a word was found, and together in
    `words`, each field's apart from the next (`position_increment_gap` is 100), to count words
    and to find phrases. They come as tokens between spaces (`chalicelib.words`)."""
    text = {"type": "text", "analyzer": "whitespace", "norms": False}
    of_field = text | {"index_options": "docs", "copy_to": WORDS}
    kept = {"type": "keyword", "index": False, "doc_values": False}
    return {
        **{f"{field}_words": of_field for field in FIELDS},
        WORDS: text,
        "titles": {"type": "keyword", "ignore_above": LONGEST_KEYWORD, "doc_values": False},
        "worded": {"type": "long", "doc_values": False},
        "calibration": kept,
        "text_model": kept,
        "response": {"type": "float", "index": False, "doc_values": False},
    }


def _since_placeholders() -> dict[str, Any]:
    return {"placeholder": {"type": "keyword", "index": False, "doc_values": False}}


def _vector(dim: int, shape: Shape) -> dict[str, Any]:
    parameters: dict[str, Any] = {"m": M, "ef_construction": EF_CONSTRUCTION}
    if shape.compression == "4x":
        parameters["encoder"] = _SEVEN_BITS
    field: dict[str, Any] = {
        "type": "knn_vector",
        "dimension": dim,
        "space_type": "innerproduct",
        "method": {"name": "hnsw", "engine": "lucene", "parameters": parameters},
    }
    if shape.compression != "1x":
        field |= {"mode": "on_disk", "compression_level": shape.compression}
    return field


_SEVEN_BITS = {"name": "sq", "parameters": {"bits": 7, "confidence_interval": 1.0}}
"""The whole range of the numbers. Left to itself Lucene cuts it at quantiles that it guesses for
each merge; a bad guess leaves a graph that finds two thirds of what it should (docs/adr/0008;
https://github.com/apache/lucene/issues/13350 tells of the like)."""


def ensure(client: Client, name: str, *, dim: int, model: str, bucket: str, shape: Shape) -> None:
    """Make the index, or see that the one there is of this model and bucket. Safe when many do
    it at once.

    Raises `ConfigurationError` where it was made for other vectors, another model or bucket.
    """
    try:
        found = client.call("GET", f"/{name}/_mapping")
    except IndexMissing:
        wanted = body(dim, model, bucket, shape) | {"aliases": {write_alias(name): {}}}
        try:
            client.call("PUT", f"/{name}", wanted)
        except RequestRefused as error:
            if error.kind != "resource_already_exists_exception":
                raise
        found = client.call("GET", f"/{name}/_mapping")
    mapping = found[name]["mappings"]
    _check(mapping, name, dim=dim, model=model, bucket=bucket)
    if mapping["_meta"]["schema"] in OLD_SCHEMAS:
        # What is there already may be said again.
        added = {
            "properties": _since_words() | _since_placeholders(),
            "_meta": mapping["_meta"] | {"schema": SCHEMA},
        }
        client.call("PUT", f"/{name}/_mapping", added)
    health = {"wait_for_status": "yellow", "timeout": "30s"}
    client.call("GET", f"/_cluster/health/{name}", params=health)


def _check(mapping: dict[str, Any], name: str, *, dim: int, model: str, bucket: str) -> None:
    about = mapping.get("_meta", {})
    vector = mapping.get("properties", {}).get("vector", {})
    if "schema" not in about or vector.get("type") != "knn_vector":
        raise ConfigurationError(f"The OpenSearch index {name} was not made by this program.")
    if about["schema"] not in (*OLD_SCHEMAS, SCHEMA):
        raise ConfigurationError(
            f"The OpenSearch index {name} was made by another version of this program. Drop it "
            "and run reconcile: it is made again from the bucket."
        )
    if vector["dimension"] != dim or about.get("dim") != dim:
        raise ConfigurationError(
            f"The OpenSearch index {name} holds vectors of {vector['dimension']} numbers; "
            f"this model makes {dim}."
        )
    if about.get("model") != model:
        raise ConfigurationError(
            f"The OpenSearch index {name} belongs to the model {about.get('model')}, not {model}."
        )
    if about.get("bucket") != bucket:
        raise ConfigurationError(
            f"The OpenSearch index {name} holds the bucket {about.get('bucket')}, not {bucket}: "
            "reconcile would throw out the one for the other. Give each an OpenSearch of its own."
        )


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
