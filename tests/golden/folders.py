"""What every golden folder has in common: seeded weights, ONNX files, what the reference gives."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from tests.golden.pictures import RAMP, read_as_is, shown
from tests.golden.texts import AS_QUERIED

OPSET = 17


@dataclass
class Reference:
    """One folder's reference, with its own tokenizer and processor; a text or picture at a time.

    `name` is "transformers" or "open_clip", `pixels` which of the pixel sets its pictures become.
    """

    name: str
    model: Any
    pixels: str
    ids: Callable[[str], list[int]]
    text: Callable[[str], torch.Tensor]
    picture: Callable[[Any], torch.Tensor]
    """A PIL picture → float32 [3, side, side]."""
    image: Callable[[torch.Tensor], torch.Tensor]
    """float32 [1, 3, side, side] → [1, D]."""
    french: Callable[[str], torch.Tensor] | None = None
    """As `text`, with the language set to French: NLLB's only."""


def give_weights(model: nn.Module, seed: int) -> nn.Module:
    """Random weights under which every input counts: other texts and pictures, other vectors.

    Rounded to bfloat16's 8 bits, which float32 holds exactly and git compresses to half.
    """
    torch.manual_seed(seed)
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim < 2 or id(weight) in tables:
                scale = 1.0 if weight.ndim > 1 else 0.2
                start = 1.0 if weight.ndim == 1 and name.endswith("weight") else 0.0
                weight.copy_(start + scale * torch.randn_like(weight))
            else:
                weight.copy_(torch.randn_like(weight) * 1.4 / weight[0].numel() ** 0.5)
            weight.copy_(weight.bfloat16().float())
    return model.eval().requires_grad_(False)


class Called(nn.Module):
    """A function of a model's, as the module that the exporter wants."""

    def __init__(self, model: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model
        self.call = call
        self.eval()  # else the exporter leaves the model with its dropout on

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.call(*inputs)


def export(
    path: Path,
    module: nn.Module,
    inputs: dict[str, torch.Tensor],
    outputs: list[str],
    free: dict[str, dict[int, str]] | None = None,
) -> None:
    """Write one ONNX file, weights within. `free` names the axes that any size fits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def record(folder: Path, reference: Reference, files: dict[str, bytes]) -> np.ndarray[Any, Any]:
    """Write the folder's golden.json and golden.npz; returns uint8 pixels [N, side, side, 3].

    The reference is given texts with single spaces and none around them, as the product makes of
    every query. With others, SiglipTokenizer puts an empty piece first and Siglip2Tokenizer keeps
    each space as a token, which their training texts never had.
    """
    floats = {}
    for name, data in files.items():
        image = Image.open(io.BytesIO(data)) if read_as_is(name, reference.name) else shown(data)
        floats[name] = reference.picture(image)
    with torch.inference_mode():
        images = torch.cat([reference.image(pixels[None]) for pixels in floats.values()])
        rows = {"images": images, "texts": _texts(reference.text)}
        if reference.french is not None:
            rows["french"] = _texts(reference.french)
    write_json(
        folder / "golden.json",
        {
            "reference": reference.name,
            "pixels": reference.pixels,
            "ids": [reference.ids(text) for text in AS_QUERIED],
        },
    )
    vectors = {name: _unit(value) for name, value in rows.items()}
    np.savez_compressed(folder / "golden.npz", ramp=floats[RAMP].numpy(), **vectors)
    return _levels(torch.stack(list(floats.values())), floats[RAMP])


def _texts(text: Callable[[str], torch.Tensor]) -> torch.Tensor:
    return torch.cat([text(query) for query in AS_QUERIED])


def _unit(rows: torch.Tensor) -> np.ndarray[Any, Any]:
    return nn.functional.normalize(rows.double(), dim=-1).float().numpy()


def _levels(floats: torch.Tensor, ramp: torch.Tensor) -> np.ndarray[Any, Any]:
    """The 8-bit levels that the reference's floats stand for, found by the ramp, which has all.

    Raises AssertionError where a float is none of them: then they would not tell all.
    """
    out = np.empty((len(floats), *floats.shape[2:], 3), np.uint8)
    for channel in range(3):
        values = np.unique(ramp[channel].numpy())
        assert len(values) == 256
        found = np.searchsorted(values, floats[:, channel].numpy())
        assert (values[found.clip(0, 255)] == floats[:, channel].numpy()).all()
        out[..., channel] = found
    return out
