"""An Immich folder, or a folder of neither layout, is read as it stands or refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from chalicelib.clip import load_clip
from chalicelib.clip.folder import NEEDED, read_folder
from chalicelib.clip.tokens import Tokens
from chalicelib.errors import ModelError
from tests.unit import tiny_clip
from tests.unit.test_clip_families import immich_clip, immich_nllb, immich_siglip, word_ids
from tests.unit.test_clip_folder import edit
from tests.unit.tiny_families import (
    DIM,
    SIDE,
    immich_graph,
    jina,
    siglip,
    text_graph,
    vision_graph,
    write,
)


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        read_folder(folder)
    return refused.value.message


def edit_text_cfg(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit(folder, "config.json", text_cfg=config["text_cfg"] | changes)


# --- the Immich layout ------------------------------------------------------------------------


def test_a_whole_folder_is_read(tmp_path: Path) -> None:
    model = read_folder(immich_clip(tmp_path / "ViT-B-32__openai"))
    assert (model.name, model.form, model.dim) == ("vit-b-32-openai", "fp32", DIM)
    assert (model.pixels.mode, model.pixels.crop, model.pixels.halving) == (
        "shortest",
        SIDE,
        "even",
    )
    assert (model.text.max_tokens, model.text.pad_id, model.text.padded) == (77, 0, False)
    assert model.text.cleaning == "whitespace"


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("config.json", "config.json is missing from model"),
        ("visual/model.onnx", "visual/model.onnx is missing from model"),
        ("visual/preprocess_cfg.json", "preprocess_cfg.json is missing from visual"),
        ("textual/model.onnx", "textual/model.onnx is missing from model"),
        ("textual/tokenizer.json", "tokenizer.json is missing from textual"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, file: str, says: str) -> None:
    folder = immich_clip(tmp_path / "model")
    (folder / file).unlink()
    assert refusal(folder) == says


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"embed_cls": True}, "text_cfg.embed_cls: CoCa's text tower is not supported"),
        ({"tokenizer_mode": "clips"}, "text_cfg.tokenizer_mode: 'clips' is not supported"),
        ({"tokenizer_kwargs": []}, None),
        ({"tokenizer_kwargs": [1]}, "text_cfg.tokenizer_kwargs: is not an object"),
        (
            {"tokenizer_kwargs": {"strip_sep_token": True}},
            "text_cfg.tokenizer_kwargs.strip_sep_token: CLIPA's tokens, without their separator, "
            "are not supported",
        ),
        (
            {"tokenizer_kwargs": {"clean": "scrub"}},
            "text_cfg.tokenizer_kwargs.clean: 'scrub' is not one of "
            "['canonicalize', 'lower', 'whitespace']",
        ),
        (
            {"context_length": 0},
            "text_cfg.context_length: 0 is not a whole number from 1 to 65536",
        ),
        (
            {"context_length": 64, "no_causal_mask": True},
            "text_cfg.context_length: is 64, but the text tower takes 77 tokens",
        ),
    ],
    ids=str,
)
def test_a_text_rule_that_is_wrong_is_named(
    tmp_path: Path, changes: dict[str, Any], says: str | None
) -> None:
    folder = immich_clip(tmp_path)
    edit_text_cfg(folder, **changes)
    if says is None:
        assert read_folder(folder).text.cleaning == "whitespace"
    else:
        assert refusal(folder) == f"config.json: {says}"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mode": "L"}, "mode: 'L' is not 'RGB'"),
        ({"size": ...}, "size: None is not a whole number from 1 to 2048"),
        ({"size": [32, 30]}, "size: {'height': 32, 'width': 30} is not square"),
        ({"size": 40}, "size: gives (3, 40, 40), but the vision tower takes (3, 32, 32)"),
        ({"resize_mode": "longest"}, "resize_mode: 'longest' is neither 'shortest' nor 'squash'"),
        (
            {"interpolation": "random"},
            "interpolation: 'random' is neither 'bicubic' nor 'bilinear'",
        ),
        ({"mean": None}, "mean: None is not three numbers"),
        ({"std": [0, 1, 1]}, "std must be above 0"),
    ],
    ids=str,
)
def test_a_pixel_rule_that_is_wrong_is_named(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    folder = immich_clip(tmp_path)
    edit(folder, "visual/preprocess_cfg.json", **changes)
    assert refusal(folder) == f"visual/preprocess_cfg.json: {says}"


def test_a_configuration_without_a_text_half_is_named(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path)
    edit(folder, "config.json", text_cfg=...)
    assert refusal(folder) == "config.json: text_cfg: is missing or not an object"


def test_another_vector_length_in_the_configuration_is_named(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path)
    edit(folder, "config.json", embed_dim=512)
    assert refusal(folder) == (
        "the vector length is contradictory: config.json: embed_dim is 512, visual/model.onnx: "
        "image_embedding is 16, textual/model.onnx: text_embedding is 16"
    )


def test_a_padding_token_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = immich_nllb(tmp_path)
    edit(folder, "textual/tokenizer_config.json", pad_token="[PAD]")
    wanted = "textual/tokenizer.json: added_tokens: do not hold the padding token '[PAD]'"
    assert refusal(folder) == wanted


def test_padding_on_the_left_is_refused(tmp_path: Path) -> None:
    folder = immich_siglip(tmp_path)
    edit(folder, "textual/tokenizer_config.json", padding_side="left")
    assert refusal(folder) == (
        "textual/tokenizer_config.json: padding_side: 'left' is not supported: image models pad "
        "on the right"
    )


@pytest.mark.parametrize("processor", [None, {"type": "ByteLevel"}], ids=["none", "of no tokens"])
def test_a_tokenizer_that_ends_no_text_is_refused(
    tmp_path: Path, processor: dict[str, Any] | None
) -> None:
    folder = immich_clip(tmp_path)
    edit(folder, "textual/tokenizer.json", post_processor=processor)
    assert refusal(folder) == (
        "textual/tokenizer.json: post_processor: puts no end token after a text, as the model needs"
    )


@pytest.mark.parametrize("build", [siglip, immich_siglip], ids=["hugging face", "immich"])
@pytest.mark.parametrize(
    ("flag", "token", "said", "says"),
    [
        ("add_eos_token", "</s>", False, "is false"),
        ("add_eos_token", "<pad>", True, "is true"),
        ("add_bos_token", "<pad>", True, "is true"),
    ],
)
def test_tokenizer_files_that_frame_a_text_otherwise_are_refused(
    tmp_path: Path, build: Callable[[Path], Path], flag: str, token: str, said: bool, says: str
) -> None:
    folder = build(tmp_path)
    file = "tokenizer_config.json" if build is siglip else "textual/tokenizer_config.json"
    named = flag.removeprefix("add_")
    edit(folder, file, **{flag: said, named: {"content": token}})
    assert refusal(folder) == (
        f"{file}: {flag}: {says}, but tokenizer.json's post_processor has it otherwise"
    )
    edit(folder, file, **{flag: not said})
    read_folder(folder)


def test_a_tower_read_at_a_fixed_place_needs_no_end_token(tmp_path: Path) -> None:
    folder = immich_siglip(tmp_path)
    edit(folder, "textual/tokenizer.json", post_processor=None)
    assert Tokens(read_folder(folder).text).of(["red"]) == [word_ids(folder, "red")]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("fr", "'fr' is not a FLORES-200 code, such as 'fra_Latn'"),
        (7, "7 is not a FLORES-200 code, such as 'fra_Latn'"),
        (
            "xyz_Latn",
            "'xyz_Latn' is not in tokenizer.json; codes are FLORES-200's, such as 'fra_Latn'",
        ),
    ],
)
def test_a_language_that_is_none_is_refused(tmp_path: Path, code: Any, says: str) -> None:
    folder = immich_nllb(tmp_path)
    edit(folder, "search_config.json", language=code)
    assert refusal(folder) == f"search_config.json: language: {says}"


def test_a_language_for_a_model_of_none_is_refused(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path)
    edit(folder, "search_config.json", language="fra_Latn")
    assert refusal(folder) == (
        "search_config.json: language: is set, but tokenizer.json puts no language token to a text "
        "(only NLLB's does)"
    )


# --- graphs of another kind -------------------------------------------------------------------


def replace_graph(folder: Path, file: str, graph: onnx.ModelProto) -> None:
    (folder / file).write_bytes(graph.SerializeToString())


def with_type(graph: onnx.ModelProto, kind: int) -> onnx.ModelProto:
    graph.graph.input[0].type.tensor_type.elem_type = kind
    return graph


def with_input(graph: onnx.ModelProto, *names: str) -> onnx.ModelProto:
    for name in names:
        graph.graph.input.append(onnx.helper.make_tensor_value_info(name, 7, ["n", "p"]))
    return graph


def with_output_shape(graph: onnx.ModelProto, *shape: int | str) -> onnx.ModelProto:
    name = graph.graph.output[0].name
    graph.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(name, 1, shape))
    return graph


@pytest.mark.parametrize(
    ("file", "graph", "says"),
    [
        (
            "onnx/vision_model.onnx",
            with_input(vision_graph(), "pixel_attention_mask", "spatial_shapes"),
            "inputs: this is a NaFlex graph, which takes patches; take a fixed-resolution "
            "checkpoint",
        ),
        (
            "onnx/vision_model.onnx",
            with_input(vision_graph(), "input_ids"),
            "inputs: ['input_ids', 'pixel_values'] should be ['pixel_values']",
        ),
        (
            "onnx/vision_model.onnx",
            with_type(vision_graph(), 11),
            "pixel_values: has element type 11 (as ONNX numbers them), not float32, float16 or "
            "uint8",
        ),
        (
            "onnx/vision_model.onnx",
            with_output_shape(vision_graph(output="pooler_output"), "n", 50, DIM),
            "pooler_output: has shape (None, 50, 16), not [rows, parts]",
        ),
        (
            "onnx/text_model.onnx",
            with_type(text_graph("all"), 1),
            "input_ids: has element type 1 (as ONNX numbers them), not int64 or int32",
        ),
        (
            "onnx/text_model.onnx",
            text_graph("all", output="logits"),
            "outputs: ['logits'] holds no 'text_embeds'",
        ),
        (
            "onnx/text_model.onnx",
            with_input(text_graph("all"), "token_type_ids"),
            "inputs: ['input_ids', 'token_type_ids'] should be ['input_ids'] or "
            "['attention_mask', 'input_ids'] or ['text']",
        ),
    ],
    ids=range(7),
)
def test_a_graph_of_another_kind_is_named(
    tmp_path: Path, file: str, graph: onnx.ModelProto, says: str
) -> None:
    folder = siglip(tmp_path)
    replace_graph(folder, file, graph)
    assert refusal(folder) == f"{file}: {says}"


def test_a_graph_of_pixels_in_another_order_is_refused(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path)
    graph = with_type(vision_graph(name="image"), 2)
    replace_graph(folder, "visual/model.onnx", graph)
    assert refusal(folder) == (
        "visual/preprocess_cfg.json: size: gives (32, 32, 3), "
        "but the vision tower takes (3, 32, 32)"
    )


def test_weights_outside_an_immich_folder_are_refused(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path / "model")
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    path = folder / "textual/model.onnx"
    model = onnx.load(str(path))
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"
    tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    assert refusal(folder) == (
        "textual/model.onnx keeps weights outside its folder: location '../../secret'"
    )


def keep_weights_beside(path: Path, name: str) -> None:
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location=name, size_threshold=99)


def test_weights_beside_an_immich_graph_are_read(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path)
    wanted = load_clip(folder).embed_texts(["red"])
    path = folder / "textual/model.onnx"
    keep_weights_beside(path, "model.onnx.data")
    assert [p.name for p in read_folder(folder).text_tower.onnx.external] == ["model.onnx.data"]
    assert (load_clip(folder).embed_texts(["red"]) == wanted).all()


def test_a_graph_beyond_reason_is_not_read(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path)
    with (folder / "visual/model.onnx").open("r+b") as file:
        file.truncate(9 * 1024**3)
    assert refusal(folder) == "visual/model.onnx and its weights are larger than 8 GiB"


def test_weights_beyond_reason_are_not_read(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path)
    path = folder / "visual/model.onnx"
    keep_weights_beside(path, "weights")
    with (folder / "visual/weights").open("r+b") as file:
        file.truncate(8 * 1024**3)
    assert refusal(folder) == "visual/model.onnx and its weights are larger than 8 GiB"


def test_weights_in_more_files_than_exporters_write_are_refused(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path)
    graph = vision_graph(name="image")
    for number in range(1001):
        tensor = graph.graph.initializer.add(name=f"w{number}")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=f"weights-{number}")
    replace_graph(folder, "visual/model.onnx", graph)
    assert refusal(folder) == (
        "visual/model.onnx is not a whole ONNX file (its weights lie in more than 1000 files)"
    )


# --- other kinds of folders -------------------------------------------------------------------


@pytest.mark.parametrize(
    "file", ["pytorch_model.bin", "model.safetensors", "open_clip_pytorch_model.bin", "b32.pt"]
)
def test_a_pytorch_checkpoint_is_told_as_such(tmp_path: Path, file: str) -> None:
    folder = write(tmp_path / "model", {"config.json": {"model_type": "clip"}})
    (folder / file).write_bytes(b"\x80\x04cposix\nsystem\n.")
    assert refusal(folder) == (
        f"model holds a PyTorch checkpoint ({file}), not ONNX: get the model's ONNX export, such "
        "as a repository of Xenova, onnx-community or immich-app"
    )


def test_a_folder_of_neither_layout_hears_what_both_need(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path.name} is not a model folder: it needs {NEEDED}"


def test_a_folder_of_both_layouts_is_refused(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path / "model")
    tiny_clip.build(folder)
    assert refusal(folder) == "model holds both onnx/ and visual/ or textual/: keep one layout"


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("chinese_clip", "x", "model_type: 'chinese_clip' is not one of"),
        ("clip", "apple/MobileCLIP-S1", "_name_or_path: is MobileCLIP, whose text rules"),
    ],
)
def test_a_kind_whose_rules_are_not_known_is_refused(
    tmp_path: Path, kind: str, name: str, says: str
) -> None:
    folder = tiny_clip.build(tmp_path)
    edit(folder, "config.json", model_type=kind, _name_or_path=name)
    assert refusal(folder).startswith(f"config.json: {says}")


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("tokenizer_config.json", {"do_lower_case": False}, "do_lower_case: must be true"),
        ("tokenizer_config.json", {"padding_side": "left"}, "padding_side: 'left' is not"),
        ("tokenizer_config.json", {"model_max_length": 0}, "model_max_length: 0 is not a number"),
        ("preprocessor_config.json", {"max_num_patches": 256}, "max_num_patches: this is a NaFlex"),
    ],
    ids=str,
)
def test_a_siglip_folder_that_is_another_kind_is_refused(
    tmp_path: Path, file: str, changes: dict[str, Any], says: str
) -> None:
    folder = siglip(tmp_path)
    edit(folder, file, **changes)
    assert refusal(folder).startswith(f"{file}: {says}")


def test_a_siglip_with_a_tokenizer_of_neither_kind_is_refused(tmp_path: Path) -> None:
    folder = siglip(tmp_path)
    edit(folder, "tokenizer_config.json", tokenizer_class=...)
    edit(folder, "tokenizer.json", model={"type": "WordPiece", "vocab": {}})
    assert refusal(folder).startswith("tokenizer.json: model.type: 'WordPiece' is neither SigLIP's")


@pytest.mark.parametrize("build", [siglip, jina], ids=["siglip", "jina"])
def test_a_vector_length_only_the_graph_says_is_taken(
    tmp_path: Path, build: Callable[[Path], Path]
) -> None:
    folder = build(tmp_path)
    edit(folder, "config.json", projection_dim=...)
    assert read_folder(folder).dim == DIM


def test_a_siglip_s_vectors_are_as_long_as_its_vision_tower_is_wide(tmp_path: Path) -> None:
    folder = siglip(tmp_path)
    edit(folder, "config.json", vision_config={"hidden_size": 768})
    assert "config.json: vision_config.hidden_size is 768" in refusal(folder)


def test_forms_of_one_graph_for_both_towers_are_picked_alike(tmp_path: Path) -> None:
    folder = jina(tmp_path, combined=True)
    (folder / "onnx/model.onnx").rename(folder / "onnx/model_fp16.onnx")
    assert read_folder(folder).form == "fp16"


# --- the deploy form --------------------------------------------------------------------------

TEXT = {"max_tokens": 64, "pad_id": 1, "padded": True, "cleaning": "canonicalise_words"}


def deployed(folder: Path, source: Path) -> Path:
    """As a deploy form is written: Hugging Face's layout, its rules in search_config.json."""
    model = read_folder(source)
    vision = vision_graph(batch="n", whole=True)
    rules = {
        "text": TEXT | {"language_prefix": ""},
        "pixels": model.pixels.to_json(),
        "ready": True,
        "form": "int8",
        "source_fingerprint": load_clip(source).fingerprint,
    }
    return write(
        folder,
        {
            "config.json": {"model_type": "clip", "projection_dim": DIM},
            "search_config.json": rules,
            "tokenizer.json": json.loads((source / "textual/tokenizer.json").read_text()),
            "onnx/vision_model.onnx": vision,
            "onnx/text_model.onnx": text_graph("all"),
        },
    )


def test_a_deploy_form_needs_no_other_rules_and_embeds_as_its_source(tmp_path: Path) -> None:
    source = immich_siglip(tmp_path / "source")
    folder = deployed(tmp_path / "deploy", source)
    model, from_source = read_folder(folder), read_folder(source)
    assert (model.form, model.pixels) == ("int8", from_source.pixels)
    assert model.vision_tower.ready
    assert model.text_tower.ready
    assert model.vision_tower.takes_pixels
    clip, wanted = load_clip(folder), load_clip(source)
    assert clip.fingerprint == wanted.fingerprint
    texts = ["Snake_case!", ""]
    assert abs(clip.embed_texts(texts) - wanted.embed_texts(texts)).max() < 1e-5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ready": 1}, "ready: 1 is neither true nor false"),
        ({"form": "int4"}, "form: 'int4' is not one of"),
        ({"pixels": []}, "pixels: is not an object"),
        ({"pixels": {"mode": "squash"}}, "pixels: not a pixel specification"),
        ({"text": []}, "text: must hold max_tokens and pad_id, and no more than"),
        ({"text": TEXT | {"more": 1}}, "text: must hold max_tokens and pad_id"),
        ({"text": TEXT | {"pad_id": -1}}, "text.pad_id: -1 is not a token's id"),
        ({"text": TEXT | {"max_tokens": 0}}, "text.max_tokens: 0 is not a whole number"),
        ({"text": TEXT | {"padded": "yes"}}, "text.padded: 'yes' is neither true nor false"),
        ({"text": TEXT | {"cleaning": "scrub"}}, "text.cleaning: 'scrub' is not one of"),
        ({"text": TEXT | {"cleaning": []}}, "text.cleaning: [] is not one of"),
        ({"text": TEXT | {"language_prefix": "fr"}}, "text.language_prefix: 'fr' is not a FLORES"),
    ],
    ids=str,
)
def test_a_deploy_form_s_rule_that_is_wrong_is_named(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    folder = deployed(tmp_path / "deploy", immich_siglip(tmp_path / "source"))
    edit(folder, "search_config.json", **changes)
    assert refusal(folder).startswith(f"search_config.json: {says}")


def test_a_deploy_form_whose_graph_takes_another_length_is_refused(tmp_path: Path) -> None:
    folder = deployed(tmp_path / "deploy", immich_siglip(tmp_path / "source"))
    replace_graph(folder, "onnx/text_model.onnx", text_graph("all", length=16))
    assert refusal(folder) == (
        "search_config.json: text.max_tokens: is 64, but the text tower takes 16 tokens"
    )


def test_a_graph_of_fewer_tokens_cuts_the_texts_of_a_causal_tower(tmp_path: Path) -> None:
    folder = immich_clip(tmp_path, length=16)
    assert read_folder(folder).text.max_tokens == 16
    replace_graph(folder, "textual/model.onnx", immich_graph("end", length="length"))
    assert read_folder(folder).text.max_tokens == 77
