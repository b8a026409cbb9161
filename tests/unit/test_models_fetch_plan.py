"""Which files of a repository are fetched. The lists are as repositories on the hub have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.clip.searchconfig import FORMS as LOADED
from chalicelib.errors import ConfigurationError, ModelError
from models.fetch import folder_name
from models.fetch_plan import FORMS, Listing, Remote, plan, weights_beside
from models.recommended import RECOMMENDED, SIGLIP2, table


def names_in(text: str) -> list[str]:
    return text.split()


XENOVA = names_in(""".gitattributes README.md config.json merges.txt preprocessor_config.json
quantize_config.json special_tokens_map.json tokenizer.json tokenizer_config.json vocab.json
onnx/model.onnx onnx/model_fp16.onnx onnx/model_quantized.onnx onnx/text_model.onnx
onnx/text_model_fp16.onnx onnx/text_model_quantized.onnx onnx/vision_model.onnx
onnx/vision_model_fp16.onnx onnx/vision_model_quantized.onnx""")
"""Xenova/clip-vit-base-patch32."""

IMMICH = names_in(""".gitattributes README.md config.json textual/fp16/model.armnn
textual/merges.txt textual/model.armnn textual/model.onnx textual/rknpu/rk3588/model.rknn
textual/special_tokens_map.json textual/tokenizer.json textual/tokenizer_config.json
textual/vocab.json visual/fp16/model.armnn visual/model.armnn visual/model.onnx
visual/preprocess_cfg.json visual/rknpu/rk3588/model.rknn""")
"""immich-app/ViT-B-32__laion2b-s34b-b79k."""

PYTORCH = names_in(""".gitattributes README.md config.json flax_model.msgpack merges.txt
preprocessor_config.json pytorch_model.bin tf_model.h5 tokenizer.json vocab.json""")
"""openai/clip-vit-base-patch32, which has no ONNX."""


def listed(names: list[str], size: int = 100) -> Listing:
    return {name: Remote(name, size) for name in names}


def planned(names: list[str], form: str = "fp32") -> set[str]:
    return {remote.path for remote in plan(listed(names), form, "clip", "X/Y").files}


def test_of_a_transformers_js_repository_two_graphs_and_the_configurations() -> None:
    assert planned(XENOVA) == {
        "README.md", "config.json", "preprocessor_config.json", "special_tokens_map.json",
        "tokenizer.json", "tokenizer_config.json", "onnx/text_model.onnx", "onnx/vision_model.onnx",
    }  # fmt: skip


def test_of_an_immich_repository_nothing_for_other_runtimes() -> None:
    assert planned(IMMICH) == {
        "README.md", "config.json", "textual/model.onnx", "textual/special_tokens_map.json",
        "textual/tokenizer.json", "textual/tokenizer_config.json", "visual/model.onnx",
        "visual/preprocess_cfg.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("form", "ending"), [("fp16", "_fp16"), ("int8", "_quantized"), ("fp32", "")]
)
def test_a_form_is_two_graphs_of_that_ending(form: str, ending: str) -> None:
    graphs = {name for name in planned(XENOVA, form) if name.endswith(".onnx")}
    assert graphs == {f"onnx/text_model{ending}.onnx", f"onnx/vision_model{ending}.onnx"}


def test_forms_are_those_that_the_loader_knows() -> None:
    fetched = {ending: form for form, endings in FORMS.items() for ending in endings}
    assert fetched == LOADED


def test_a_form_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no q4 form .*\(fp32, fp16, int8\)"):
        planned(XENOVA, "q4")
    with pytest.raises(ConfigurationError, match=r"fp32 only, not int8"):
        planned(IMMICH, "int8")


def test_one_graph_for_both_towers_is_taken_of_jina_clip_alone() -> None:
    names = ["config.json", "preprocessor_config.json", "tokenizer.json", "onnx/model.onnx"]
    jina = plan(listed([*names, "onnx/model_fp16.onnx"]), "fp32", "jina_clip", "X/Y")
    assert {remote.path for remote in jina.files} == set(names)
    assert jina.graphs == ("onnx/model.onnx",)
    with pytest.raises(ModelError, match="holds no model"):
        plan(listed(names), "fp32", "clip", "X/Y")


def test_towers_apart_are_taken_before_one_graph_for_both() -> None:
    towers = ("onnx/vision_model.onnx", "onnx/text_model.onnx")
    assert plan(listed(XENOVA), "fp32", "jina_clip", "X/Y").graphs == towers


@pytest.mark.parametrize("kind", [None, "bert", "chinese_clip", 7])
def test_a_kind_that_would_not_load_is_refused_before_its_weights_come(kind: object) -> None:
    with pytest.raises(ModelError, match="model_type") as caught:
        plan(listed(XENOVA), "fp32", kind, "X/Y")
    assert caught.value.field == "model_type"


def test_a_repository_of_pytorch_weights_is_said_to_hold_no_model_for_us() -> None:
    with pytest.raises(ModelError, match=r"holds no model .*pytorch_model\.bin.*docs/models\.md"):
        planned(PYTORCH)


ONE_FORM = [name for name in XENOVA if "_fp16" not in name and "_quantized" not in name]


@pytest.mark.parametrize("names", [ONE_FORM, IMMICH])
def test_a_missing_file_is_named(names: list[str]) -> None:
    for name in sorted(planned(names)):
        rest = [other for other in names if other != name]
        optional = "token" in name and not name.endswith("tokenizer.json")
        if optional or name == "README.md":
            assert planned(rest) == planned(names) - {name}
        else:
            with pytest.raises((ModelError, ConfigurationError), match=name.rpartition("/")[2]):
                planned(rest)


def test_a_licence_is_taken_along_unless_it_is_huge() -> None:
    small = listed([*XENOVA, "LICENSE", "LICENSE.txt", "docs/LICENSE"])
    names = {remote.path for remote in plan(small, "fp32", "clip", "X/Y").files}
    assert {"LICENSE", "LICENSE.txt"} <= names
    assert "docs/LICENSE" not in names
    huge = small | {"LICENSE": Remote("LICENSE", 2**30)}
    assert "LICENSE" not in {remote.path for remote in plan(huge, "fp32", "clip", "X/Y").files}


def test_weights_beside_a_graph_may_have_any_name() -> None:
    names = ["visual/2202c01a-47f5-11ef-ab4b-00155d655292", "visual/layer.0.bias"]
    listing = listed([*IMMICH, *names])
    locations = ("2202c01a-47f5-11ef-ab4b-00155d655292", "./layer.0.bias")
    found = weights_beside("visual/model.onnx", locations, listing)
    assert [remote.path for remote in found] == names


@pytest.mark.parametrize("location", ["", ".", "..", "../config.json", "/etc/passwd", "x/y", "z"])
def test_weights_elsewhere_are_refused(location: str) -> None:
    listing = listed([*IMMICH, "visual/..", "visual/", "visual/x/y"])
    with pytest.raises(ModelError, match=r"visual/model\.onnx keeps weights"):
        weights_beside("visual/model.onnx", (location,), listing)


@given(st.lists(st.text(max_size=20), max_size=20), st.sampled_from(sorted(FORMS)))
def test_whatever_a_repository_holds_no_path_leads_out_of_the_folder(
    names: list[str], form: str
) -> None:
    try:
        listing = listed([*names, *XENOVA, "../LICENSE", "LICENSE/../.."])
        files = plan(listing, form, "clip", "X/Y").files
    except ConfigurationError:
        return
    assert all(".." not in remote.path.split("/") for remote in files)
    assert all(not remote.path.startswith("/") for remote in files)


@given(st.text(max_size=30))
def test_a_folder_is_named_after_the_repository_in_one_plain_part(repo: str) -> None:
    name = folder_name(repo, "fp32")
    assert name
    assert "/" not in name
    assert not name.startswith((".", "-"))
    assert folder_name("Xenova/clip-vit-base-patch32", "int8") == "clip-vit-base-patch32-int8"


def test_the_table_of_recommended_models_holds_each_with_its_licence() -> None:
    lines = table().splitlines()[1:6]
    assert len(RECOMMENDED) == 5
    for model, line in zip(RECOMMENDED, lines, strict=True):
        assert line.startswith(model.repo)
        assert line.endswith(model.licence)
        assert f"{model.imagenet:.1f}" in line


def test_the_documentation_has_the_same_table() -> None:
    lines = (Path(__file__).parents[2] / "docs/models.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| [")]
    for model, row in zip(RECOMMENDED, rows, strict=True):
        _, name, *cells, _ = (cell.strip() for cell in row.split("|"))
        assert name.startswith(f"[{model.repo}](https://huggingface.co/{model.repo})")
        mark = "²" if model.source == SIGLIP2 else "¹"
        assert cells == [
            f"{model.imagenet:.1f} {mark}",
            f"{model.coco:.1f} {mark}",
            model.languages,
            f"{model.dim:,}",
            str(model.side),
            model.weight(),
            model.licence,
        ]
