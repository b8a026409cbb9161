"""A model folder is read as it stands, or refused with the file and field that is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from chalicelib.clip import load_clip
from chalicelib.clip.folder import read_folder
from chalicelib.clip.onnxfile import read_onnx
from chalicelib.errors import ModelError
from tests.unit import tiny_clip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_clip.build(tmp_path / "model")


def edit(folder: Path, file: str, **changes: Any) -> None:
    """Change fields of a JSON file; `...` takes one out."""
    path = folder / file
    value = json.loads(path.read_text()) if path.exists() else {}
    for name, new in changes.items():
        value.pop(name, None) if new is ... else value.update({name: new})
    path.write_text(json.dumps(value))


def edit_graph(folder: Path, tower: str, change: Callable[[onnx.ModelProto], None]) -> None:
    path = folder / "onnx" / f"{tower}_model.onnx"
    model = onnx.load(str(path))
    change(model)
    onnx.save(model, str(path))


def keep_weights_outside(folder: Path, tower: str, location: str) -> None:
    """Declare, as an attacker would, that weights lie at `location`."""

    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location
        tensor.ClearField("raw_data")

    path = folder / "onnx" / f"{tower}_model.onnx"
    model = onnx.load(str(path))
    change(model)
    path.write_bytes(model.SerializeToString())


def test_a_whole_folder_is_read(folder: Path) -> None:
    model = read_folder(str(folder))
    assert (model.name, model.form, model.dim) == ("tiny-clip", "fp32", 16)
    assert (model.pixels.mode, model.pixels.size, model.pixels.crop) == ("shortest", 32, 32)
    assert model.text.max_tokens == 77
    assert model.text.query_template == "{}"
    assert model.text_tower.mask is None


@pytest.mark.parametrize(
    "file",
    [
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "onnx/vision_model.onnx",
        "onnx/text_model.onnx",
    ],
)
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(ModelError, match=f"{file} is missing"):
        read_folder(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere does not exist"):
        read_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000], ids=repr)
@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "tokenizer.json"])
def test_a_file_that_is_not_a_json_object_is_named(folder: Path, file: str, body: bytes) -> None:
    (folder / file).write_bytes(body)
    with pytest.raises(ModelError, match=file):
        read_folder(folder)


def test_a_json_file_beyond_reason_is_not_read(folder: Path) -> None:
    with (folder / "tokenizer.json").open("r+b") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(ModelError, match=r"tokenizer\.json is larger than 64 MiB"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("config.json", {"model_type": "blip"}, r"config\.json: model_type: 'blip'"),
        ("config.json", {"model_type": ...}, r"config\.json: model_type"),
        ("config.json", {"projection_dim": 32}, "vector length is contradictory"),
        ("config.json", {"projection_dim": "16"}, r"config\.json: projection_dim"),
        ("config.json", {"text_config": []}, r"config\.json: text_config"),
        ("config.json", {"text_config": {"max_position_embeddings": 0}}, "max_position_embeddings"),
        ("preprocessor_config.json", {"do_resize": False}, "do_resize"),
        ("preprocessor_config.json", {"do_rescale": False}, "do_rescale"),
        ("preprocessor_config.json", {"do_normalize": False}, "do_normalize"),
        ("preprocessor_config.json", {"do_center_crop": False}, "do_center_crop"),
        ("preprocessor_config.json", {"rescale_factor": 0.5}, "rescale_factor"),
        ("preprocessor_config.json", {"rescale_factor": 10**400}, "rescale_factor"),
        ("preprocessor_config.json", {"size": ...}, r"preprocessor_config\.json: size"),
        ("preprocessor_config.json", {"size": {"height": 32, "width": 30}}, "not square"),
        ("preprocessor_config.json", {"size": {"shortest_edge": 10**9}}, "size"),
        ("preprocessor_config.json", {"crop_size": 64}, "crop"),
        ("preprocessor_config.json", {"crop_size": 30}, "the vision tower takes"),
        ("preprocessor_config.json", {"resample": 9}, "resample"),
        ("preprocessor_config.json", {"image_mean": [0.5, 0.5]}, "image_mean"),
        ("preprocessor_config.json", {"image_std": ["a", "b", "c"]}, "image_std"),
        ("preprocessor_config.json", {"image_std": [0.0, 1.0, 1.0]}, "std"),
        ("tokenizer_config.json", {"pad_token": "[NONE]"}, r"padding token '\[NONE\]'"),
        ("search_config.json", {"query_template": "no gap"}, "query_template"),
        ("search_config.json", {"query_template": 7}, "query_template"),
        ("search_config.json", {"source_fingerprint": "xyz"}, "source_fingerprint"),
    ],
    ids=lambda v: str(v) if isinstance(v, dict) else "",
)
def test_a_field_that_is_wrong_is_named(
    folder: Path, file: str, changes: dict[str, Any], says: str
) -> None:
    edit(folder, file, **changes)
    with pytest.raises(ModelError, match=says):
        read_folder(folder)


def test_sizes_may_be_plain_numbers_as_older_exports_have_them(folder: Path) -> None:
    wanted = read_folder(folder).pixels
    edit(folder, "preprocessor_config.json", size=32, crop_size=32)
    assert read_folder(folder).pixels == wanted


def test_a_height_and_a_width_mean_squashing(folder: Path) -> None:
    size = {"height": 32, "width": 32}
    edit(folder, "preprocessor_config.json", size=size, do_center_crop=..., crop_size=...)
    assert read_folder(folder).pixels.mode == "squash"


def test_clip_defaults_stand_in_for_what_hugging_face_leaves_out(folder: Path) -> None:
    edit(folder, "config.json", text_config=..., projection_dim=...)
    (folder / "tokenizer_config.json").unlink()
    model = read_folder(folder)
    assert (model.text.max_tokens, model.dim) == (77, 16)
    assert load_clip(folder).embed_texts(["red", "a red car"]).shape == (2, 16)


def test_a_vector_length_that_nobody_says_is_refused(folder: Path) -> None:
    def free(model: onnx.ModelProto) -> None:
        dim = model.graph.output[0].type.tensor_type.shape.dim[1]
        dim.ClearField("dim_value")
        dim.dim_param = "d"

    edit_graph(folder, "vision", free)
    edit_graph(folder, "text", free)
    assert read_folder(folder).dim == 16
    edit(folder, "config.json", projection_dim=...)
    with pytest.raises(ModelError, match="projection_dim: is missing"):
        read_folder(folder)


def rename_output(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = model.graph.output[0].name = "logits"


def rename_input(model: onnx.ModelProto) -> None:
    old = model.graph.input[0].name
    model.graph.input[0].name = "picture"
    for node in model.graph.node:
        node.input[:] = ["picture" if name == old else name for name in node.input]


@pytest.mark.parametrize("tower", ["vision", "text"])
@pytest.mark.parametrize(("change", "says"), [(rename_output, "outputs"), (rename_input, "inputs")])
def test_a_graph_with_other_ends_is_named(
    folder: Path, tower: str, change: Callable[[onnx.ModelProto], None], says: str
) -> None:
    edit_graph(folder, tower, change)
    with pytest.raises(ModelError, match=rf"onnx/{tower}_model\.onnx: {says}"):
        read_folder(folder)


@pytest.mark.parametrize("cut", [0, 10, 500, -1])
def test_a_graph_that_is_cut_short_is_named(folder: Path, cut: int) -> None:
    path = folder / "onnx" / "vision_model.onnx"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError, match=r"vision_model\.onnx"):
        read_folder(folder)


def test_a_pickle_in_place_of_a_graph_is_refused(folder: Path) -> None:
    (folder / "onnx" / "vision_model.onnx").write_bytes(b"\x80\x04cposix\nsystem\n.")
    with pytest.raises(ModelError, match=r"vision_model\.onnx"):
        read_folder(folder)


@pytest.mark.parametrize(
    "location", ["../../secret", "/etc/passwd", "a/../../../secret", "..\\secret", ""]
)
def test_weights_outside_the_folder_are_refused(folder: Path, location: str) -> None:
    (folder.parent / "secret").write_bytes(b"\0" * 4096)
    keep_weights_outside(folder, "text", location)
    with pytest.raises(ModelError, match="keeps weights outside"):
        read_folder(folder)


def test_weights_outside_the_folder_are_refused_behind_a_link(folder: Path) -> None:
    (folder.parent / "secret").write_bytes(b"\0" * 4096)
    (folder / "onnx" / "weights").symlink_to(folder.parent / "secret")
    keep_weights_outside(folder, "text", "weights")
    with pytest.raises(ModelError, match="keeps weights outside"):
        read_folder(folder)


def test_weights_that_are_not_there_are_named(folder: Path) -> None:
    keep_weights_outside(folder, "text", "text_model.onnx_data")
    with pytest.raises(ModelError, match=r"needs 'text_model\.onnx_data'"):
        read_folder(folder)


def test_weights_beside_the_graph_are_read(folder: Path) -> None:
    wanted = load_clip(folder).embed_texts(["red"])
    path = folder / "onnx" / "text_model.onnx"
    model = onnx.load(str(path))
    onnx.save(
        model,
        str(path),
        save_as_external_data=True,
        location="text_model.onnx_data",
        size_threshold=0,
    )
    model_folder = read_folder(folder)
    assert [p.name for p in model_folder.text_tower.onnx.external] == ["text_model.onnx_data"]
    assert (load_clip(folder).embed_texts(["red"]) == wanted).all()


def test_fp32_is_preferred_and_a_single_other_form_taken(folder: Path) -> None:
    onnx_folder = folder / "onnx"
    for tower in ("vision", "text"):
        shutil.copy(onnx_folder / f"{tower}_model.onnx", onnx_folder / f"{tower}_model_fp16.onnx")
    assert read_folder(folder).form == "fp32"
    for tower in ("vision", "text"):
        (onnx_folder / f"{tower}_model.onnx").unlink()
    assert read_folder(folder).form == "fp16"
    for tower in ("vision", "text"):
        form = f"{tower}_model_quantized.onnx"
        shutil.copy(onnx_folder / f"{tower}_model_fp16.onnx", onnx_folder / form)
    with pytest.raises(ModelError, match="several forms"):
        read_folder(folder)


def test_towers_of_different_forms_do_not_make_a_model(folder: Path) -> None:
    (folder / "onnx" / "text_model.onnx").rename(folder / "onnx" / "text_model_fp16.onnx")
    with pytest.raises(ModelError, match="no form in common"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("openai/clip-vit-base-patch32", "clip-vit-base-patch32"), ("Über_Modell 2", "ber-modell-2")],
)
def test_a_name_is_made_fit_for_an_index(folder: Path, name: str, wanted: str) -> None:
    edit(folder, "config.json", _name_or_path=name)
    assert read_folder(folder).name == wanted


def test_a_folder_without_a_name_lends_its_own(folder: Path) -> None:
    edit(folder, "config.json", _name_or_path=...)
    assert read_folder(folder).name == "model"


def test_the_onnx_reader_agrees_with_onnx(folder: Path) -> None:
    for tower in ("vision", "text"):
        path = folder / "onnx" / f"{tower}_model.onnx"
        graph = onnx.load(str(path)).graph
        read = read_onnx(path, folder)
        for got, wanted in ((read.inputs, graph.input), (read.outputs, graph.output)):
            assert got == {
                v.name: tuple(d.dim_value or None for d in v.type.tensor_type.shape.dim)
                for v in wanted
            }
