"""ConSE: what a classifier sees, as a mixture of what its classes mean.

Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (2013). A picture
becomes the mean of its most probable classes' embeddings, weighted by their probabilities; a text
becomes its own embedding in the same space. Both are centred, since all "photo of a …" sentences
lie close together and only their differences tell anything.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray

from chalicelib.errors import ModelError
from models import efficientnet
from models.graph import FLOAT, INT64, Graph
from models.weights import Weights

TEMPLATE = "a photo of a {}"
"""For class names here, and for queries through the folder's search_config.json."""

DEFINITION_WEIGHT = 0.5
"""How much a class's WordNet definition counts beside its name. Definitions bring in the general
words ("dog", "musical instrument"); with more of them, a class's own name finds it less surely.
docs/adr/0002-starter-model.md has the figures."""

TOP_CLASSES = 10
"""How many of the most probable classes are mixed: the paper's T, its "ConSE (10)"."""

_NAMES = "IMAGENET_CLASSNAMES"

Encode = Callable[[list[str]], NDArray[np.float32]]
"""N texts → unit rows, float32 [N, D]."""


def class_names(metadata: bytes) -> list[str]:
    """The tuple IMAGENET_CLASSNAMES out of open_clip's zero_shot_metadata.py, parsed, not run."""
    for node in ast.parse(metadata).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == _NAMES:
            return _thousand([str(name) for name in ast.literal_eval(node.value)], _NAMES)
    raise ModelError(f"zero_shot_metadata.py holds no {_NAMES}")


def class_definitions(synsets: bytes, definitions: bytes) -> list[str]:
    """WordNet's definition of each class, in the order of timm's imagenet_synsets.txt."""
    lines = definitions.decode("utf-8").splitlines()
    by_synset = dict(line.split("\t", 1) for line in lines if "\t" in line)
    try:
        found = [by_synset[synset] for synset in synsets.decode("ascii").split()]
    except KeyError as error:
        raise ModelError(f"no definition of {error} in timm's files") from error
    return _thousand(found, "imagenet_synsets.txt")


def _thousand(values: list[str], where: str) -> list[str]:
    if len(values) != efficientnet.CLASSES:
        raise ModelError(f"{where} holds {len(values)} classes, not {efficientnet.CLASSES}")
    return values


def class_table(
    encode: Encode, names: list[str], definitions: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(centred class embeddings, float32 [1000, D]; the centre of texts, float32 [D]).

    A class embedding is unit(m(template with its name) + 0.5 · m(its definition)), minus the mean
    of them all. Texts are centred on the mean of the names alone: queries are names, too.
    """
    named = encode([TEMPLATE.format(name) for name in names])
    mixed = named + DEFINITION_WEIGHT * encode(definitions)
    table = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return table - table.mean(axis=0), named.mean(axis=0)


def vision(weights: Weights, table: NDArray[np.float32]) -> onnx.ModelProto:
    """pixel_values float32 [N, 3, 260, 260] → image_embeds float32 [N, D], unit rows.

    The weights of a mixture add up to one, so mixing centred embeddings centres the mixture.
    """
    graph = Graph("vision")
    side = efficientnet.SIDE
    pixels = graph.input("pixel_values", FLOAT, ["batch", 3, side, side])
    shares = graph.add("Softmax", efficientnet.logits(graph, pixels, weights), axis=-1)
    best, which = graph.add_all("TopK", shares, graph.integers(TOP_CLASSES), outputs=2, axis=-1)
    total = graph.add("ReduceSum", best, graph.integers(1), keepdims=1)
    weight = graph.add("Unsqueeze", graph.add("Div", best, total), graph.integers(1))
    classes = graph.add("Gather", graph.constant(table), graph.add("Cast", which, to=INT64))
    mixed = graph.add("Squeeze", graph.add("MatMul", weight, classes), graph.integers(1))
    return graph.build(graph.unit(mixed), "image_embeds", ["batch", table.shape[1]])
