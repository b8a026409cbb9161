"""Which tensors of an ONNX graph are pictures, tokens and vectors, in either layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chalicelib.clip.onnxfile import FLOAT, FLOAT16, INT32, INT64, UINT8, OnnxFile, read_onnx
from chalicelib.clip.pixels import PixelSpec
from chalicelib.clip.spec import Spare, Tower, whole, wrong
from chalicelib.errors import ModelError

PIXELS = ("pixel_values", "image")
TOKENS = ("input_ids", "text")
MASK = "attention_mask"
VECTORS = {
    "vision": (
        "image_embeds",
        "pooler_output",
        "l2norm_image_embeddings",
        "image_embeddings",
        "image_embedding",
        "embedding",
    ),
    "text": (
        "text_embeds",
        "pooler_output",
        "l2norm_text_embeddings",
        "text_embeddings",
        "text_embedding",
        "embedding",
    ),
}
"""Names that exporters give their outputs: transformers.js, Jina's own, Immich's."""

NAFLEX = {"pixel_attention_mask", "spatial_shapes"}


def read_vision(path: Path, file: str, *, ready: bool = False, single: bool = False) -> Tower:
    """The vision tower in `file`. Raises ModelError where the graph is of another kind.

    With `single` an only output is taken whatever its name, as Immich does.
    """
    onnx = read_onnx(path / file, path)
    if NAFLEX & set(onnx.inputs):
        why = "this is a NaFlex graph, which takes patches; take a fixed-resolution checkpoint"
        raise wrong(file, "inputs", why)
    name = _only(onnx, file, PIXELS)
    output = _output(onnx, file, "vision", single=single)
    takes = onnx.types[name] == UINT8
    _check_type(onnx, file, name, (FLOAT, FLOAT16, UINT8), "float32, float16 or uint8")
    return Tower(onnx, name, output, takes_pixels=takes, ready=ready)


def read_text(path: Path, file: str, *, ready: bool = False, single: bool = False) -> Tower:
    """The text tower in `file`; as `read_vision`."""
    onnx = read_onnx(path / file, path)
    ids = next((name for name in TOKENS if name in onnx.inputs), None)
    if ids is None or set(onnx.inputs) - {ids, MASK}:
        wanted = "['input_ids'] or ['attention_mask', 'input_ids'] or ['text']"
        raise wrong(file, "inputs", f"{sorted(onnx.inputs)} should be {wanted}")
    _check_tokens(onnx, file, ids)
    mask = MASK if MASK in onnx.inputs else None
    return Tower(onnx, ids, _output(onnx, file, "text", single=single), mask, ready=ready)


def read_combined(path: Path, file: str, side: int, *, ready: bool) -> tuple[Tower, Tower]:
    """Vision and text towers of one graph that holds both, as Jina CLIP v2's does.

    As transformers.js runs it: asked for texts, it gets no pictures (of `side` pixels); asked for
    pictures, one token to each, since it may not be without texts.
    """
    onnx = read_onnx(path / file, path)
    if not {"pixel_values", "input_ids"} <= set(onnx.inputs) <= {"pixel_values", "input_ids", MASK}:
        raise wrong(
            file, "inputs", f"{sorted(onnx.inputs)} should be ['input_ids', 'pixel_values']"
        )
    _check_type(onnx, file, "pixel_values", (FLOAT, FLOAT16), "float32 or float16")
    _check_tokens(onnx, file, "input_ids")
    mask = MASK if MASK in onnx.inputs else None
    texts = ("input_ids", mask) if mask else ("input_ids",)
    no_pictures = Spare("pixel_values", (3, side, side), rows=False)
    one_token = tuple(Spare(name, (1,), rows=True) for name in texts)
    vision = Tower(
        onnx, "pixel_values", _output(onnx, file, "vision"), ready=ready, spare=one_token
    )
    output = _output(onnx, file, "text")
    return vision, Tower(onnx, "input_ids", output, mask, ready=ready, spare=(no_pictures,))


def _only(onnx: OnnxFile, file: str, names: tuple[str, ...]) -> str:
    for name in names:
        if set(onnx.inputs) == {name}:
            return name
    raise wrong(file, "inputs", f"{sorted(onnx.inputs)} should be {[names[0]]}")


def _check_tokens(onnx: OnnxFile, file: str, name: str) -> None:
    _check_type(onnx, file, name, (INT64, INT32), "int64 or int32")
    if len(onnx.inputs[name]) not in (0, 2):
        raise wrong(file, name, f"has shape {onnx.inputs[name]}, not [texts, tokens]")


def _check_type(onnx: OnnxFile, file: str, name: str, kinds: tuple[int, ...], wanted: str) -> None:
    if onnx.types[name] not in kinds:
        why = f"has element type {onnx.types[name]} (as ONNX numbers them), not {wanted}"
        raise wrong(file, name, why)


def _output(onnx: OnnxFile, file: str, side: str, *, single: bool = False) -> str:
    names = VECTORS[side]
    known = [name for name in names if name in onnx.outputs]
    if not known and single and len(onnx.outputs) == 1:
        known = list(onnx.outputs)
    if not known:
        raise wrong(file, "outputs", f"{sorted(onnx.outputs)} holds no {names[0]!r}")
    if len(onnx.outputs[known[0]]) not in (0, 2):
        raise wrong(file, known[0], f"has shape {onnx.outputs[known[0]]}, not [rows, parts]")
    return known[0]


def vector_length(said: dict[str, int], towers: tuple[Tower, Tower], otherwise: str) -> int:
    """The length of a vector, on which the graphs and the configuration (`said`) must agree.

    `otherwise` is the field of config.json to name where nobody says it.
    """
    for tower in towers:
        shape = tower.onnx.outputs[tower.output]
        if shape and shape[-1] is not None:
            said[f"{tower.onnx.name}: {tower.output}"] = shape[-1]
    if not said:
        raise wrong("config.json", otherwise, "is missing, and the graphs do not say it")
    if len(set(said.values())) > 1:
        differ = ", ".join(f"{where} is {dim}" for where, dim in said.items())
        raise ModelError(f"the vector length is contradictory: {differ}", field=otherwise)
    return next(iter(said.values()))


def number(config: dict[str, Any], field: str, under: str = "") -> dict[str, int]:
    """What config.json says of the vector length: empty where it does not."""
    if field not in config:
        return {}
    name = under + field
    return {f"config.json: {name}": whole("config.json", name, config[field], 65536)}


def check_side(tower: Tower, file: str, field: str, pixels: PixelSpec) -> None:
    """Raises ModelError where the vision tower takes pictures of another size."""
    shape, crop = tower.onnx.inputs[tower.input], pixels.crop
    wanted = (crop, crop, 3) if tower.takes_pixels else (3, crop, crop)
    clash = any(s is not None and s != w for s, w in zip(shape[1:], wanted, strict=False))
    if clash or (shape and len(shape) != 4):
        raise wrong(file, field, f"gives {wanted}, but the vision tower takes {shape[1:]}")


def text_length(tower: Tower, most: int, *, padded: bool, file: str, field: str) -> int:
    """`most` tokens, or as many as the graph is fixed to; raises ModelError where that clashes."""
    shape = tower.onnx.inputs[tower.input]
    fixed = shape[1] if len(shape) == 2 else None
    if fixed is None:
        return most
    if padded and fixed != most:
        raise wrong(file, field, f"is {most}, but the text tower takes {fixed} tokens")
    return min(most, fixed)
