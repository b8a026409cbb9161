"""Whatever a model folder holds, it is read or refused with a ModelError, and nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
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
]

NUMBERS = st.integers(-5, 3000) | st.sampled_from([2.0, -0.0, 1e308, float("nan"), 10**400, True])
KEYS = st.sampled_from(
    ["height", "width", "shortest_edge", "max_position_embeddings", "pad_id", "content", "id"]
)
VALUES = st.recursive(
    st.none() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)

many = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
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
