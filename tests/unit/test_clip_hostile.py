"""Whatever a model folder holds, it is read or refused with a ModelError, and nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.clip import load_clip
from chalicelib.clip.folder import read_folder
from chalicelib.clip.onnxfile import MAX_DEPTH, read_onnx
from chalicelib.errors import ModelError
from tests.unit import tiny_clip
from tests.unit.test_clip_families import immich_nllb
from tests.unit.tiny_families import jina, siglip

FIELDS = [
    ("config.json", "model_type"),
    ("config.json", "projection_dim"),
    ("config.json", "text_config"),
    ("config.json", "_name_or_path"),
    ("preprocessor_config.json", "do_resize"),
    ("preprocessor_config.json", "do_center_crop"),
    ("preprocessor_config.json", "rescale_factor"),
    ("preprocessor_config.json", "size"),
    ("preprocessor_config.json", "crop_size"),
    ("preprocessor_config.json", "resample"),
    ("preprocessor_config.json", "image_mean"),
    ("preprocessor_config.json", "image_std"),
    ("tokenizer.json", "padding"),
    ("tokenizer.json", "added_tokens"),
    ("tokenizer.json", "model"),
    ("tokenizer_config.json", "pad_token"),
    ("search_config.json", "query_template"),
    ("search_config.json", "source_fingerprint"),
    ("search_config.json", "name"),
    ("search_config.json", "language"),
    ("search_config.json", "ready"),
    ("search_config.json", "form"),
    ("search_config.json", "text"),
    ("search_config.json", "pixels"),
]
FAMILY_FIELDS = {
    "siglip": [
        ("config.json", "text_config"),
        ("config.json", "vision_config"),
        ("tokenizer.json", "post_processor"),
        ("tokenizer.json", "model"),
        ("tokenizer_config.json", "tokenizer_class"),
        ("tokenizer_config.json", "model_max_length"),
        ("tokenizer_config.json", "padding_side"),
        ("tokenizer_config.json", "do_lower_case"),
    ],
    "jina": [
        ("preprocessor_config.json", "size"),
        ("preprocessor_config.json", "mean"),
        ("preprocessor_config.json", "resize_mode"),
        ("preprocessor_config.json", "interpolation"),
    ],
    "nllb": [
        ("config.json", "text_cfg"),
        ("config.json", "embed_dim"),
        ("visual/preprocess_cfg.json", "size"),
        ("visual/preprocess_cfg.json", "resize_mode"),
        ("textual/tokenizer.json", "post_processor"),
        ("textual/tokenizer_config.json", "pad_token"),
        ("search_config.json", "language"),
    ],
}
WITHIN = st.sampled_from(
    [
        "max_tokens",
        "pad_id",
        "cleaning",
        "mode",
        "tokenizer_kwargs",
        "clean",
        "context_length",
        "pool_type",
        "hf_model_name",
        "type",
        "processors",
        "single",
        "SpecialToken",
        "vocab",
        "hidden_size",
    ]
)

NUMBERS = st.integers(-5, 3000) | st.sampled_from([2.0, -0.0, 1e308, float("nan"), 10**400, True])
KEYS = st.sampled_from(
    ["height", "width", "shortest_edge", "max_position_embeddings", "pad_id", "content", "id"]
)
VALUES = st.recursive(
    st.none() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | WITHIN, inner, max_size=3),
    max_leaves=6,
)

many = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip.build(tmp_path_factory.mktemp("model"))


@contextlib.contextmanager
def replaced(path: Path, body: bytes) -> Iterator[None]:
    """The file with another body, for a while."""
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(body)
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


@many
@given(where=st.sampled_from(FIELDS), value=VALUES)
def test_any_value_in_any_field(folder: Path, where: tuple[str, str], value: Any) -> None:
    path = folder / where[0]
    whole = json.loads(path.read_text()) if path.exists() else {}
    body = json.dumps({**whole, where[1]: value}).encode()
    with replaced(path, body), contextlib.suppress(ModelError):
        read_folder(folder)


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    builds: dict[str, Callable[[Path], Path]]
    builds = {"siglip": siglip, "jina": jina, "nllb": immich_nllb}
    return {name: build(tmp_path_factory.mktemp(name)) for name, build in builds.items()}


@many
@given(
    where=st.sampled_from([(name, *at) for name, fields in FAMILY_FIELDS.items() for at in fields]),
    value=VALUES,
)
def test_any_value_in_any_field_of_any_family(
    families: dict[str, Path], where: tuple[str, str, str], value: Any
) -> None:
    path = families[where[0]] / where[1]
    whole = json.loads(path.read_text()) if path.exists() else {}
    body = json.dumps({**whole, where[2]: value}).encode()
    with replaced(path, body), contextlib.suppress(ModelError):
        read_folder(families[where[0]])


@many
@given(cuts=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=20))
def test_any_bytes_changed_in_a_graph(folder: Path, cuts: list[tuple[int, int]]) -> None:
    path = folder / "onnx" / "vision_model.onnx"
    body = bytearray(path.read_bytes())
    for at, value in cuts:
        body[-1 - at % len(body)] = value
        body[at % 200] = value
    with replaced(path, bytes(body)), contextlib.suppress(ModelError):
        read_onnx(path, folder)


@many
@given(body=st.binary(max_size=200))
def test_any_bytes_in_place_of_a_graph(folder: Path, body: bytes) -> None:
    path = folder / "onnx" / "text_model.onnx"
    with replaced(path, body), contextlib.suppress(ModelError):
        read_onnx(path, folder)


def test_graphs_nested_without_end_are_refused(folder: Path) -> None:
    def field(number: int, body: bytes) -> bytes:
        length, out = len(body), bytearray()
        while length > 127:
            out.append(length & 127 | 128)
            length >>= 7
        return bytes([number << 3 | 2, *out, length]) + body

    graph = b""
    for _ in range(MAX_DEPTH):
        graph = field(1, field(5, field(6, graph)))  # node, attribute, graph
    with (
        replaced(folder / "onnx" / "text_model.onnx", field(7, graph)),
        pytest.raises(ModelError, match="nested too deep"),
    ):
        read_folder(folder)


@pytest.mark.parametrize("body", ["{}", '{"model": {"type": "BPE"}, "padding": {"pad_id": 1}}'])
def test_a_tokenizer_that_does_not_load_is_named_at_its_first_use(folder: Path, body: str) -> None:
    path = folder / "tokenizer.json"
    with replaced(path, body.encode()), pytest.raises(ModelError, match=r"tokenizer\.json"):
        load_clip(folder).embed_texts(["red"])


def test_a_token_beyond_the_table_is_an_error_of_the_model(folder: Path) -> None:
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    value["post_processor"]["cls"][1] = 100_000
    with (
        replaced(path, json.dumps(value).encode()),
        pytest.raises(ModelError, match=r"text_model\.onnx: the graph fails"),
    ):
        load_clip(folder).embed_texts(["red"])


def test_weights_that_vanish_before_the_fingerprint_are_named(tmp_path: Path) -> None:
    clip = load_clip(tiny_clip.build(tmp_path))
    (tmp_path / "onnx" / "text_model.onnx").unlink()
    with pytest.raises(ModelError, match=r"text_model\.onnx cannot be read"):
        clip.fingerprint  # noqa: B018
