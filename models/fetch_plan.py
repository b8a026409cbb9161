"""Which of a repository's files make a model folder: those that our loader reads, and no other.

A repository on the hub holds one model many times over (PyTorch, safetensors, ONNX in ten forms,
formats of phones and boxes). Of it a folder needs one ONNX form of both towers, the small files
beside them, and the external weights that the graphs themselves name.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from chalicelib.clip.huggingface import MODEL_TYPES
from chalicelib.clip.searchconfig import FORMS as ENDINGS
from chalicelib.errors import ConfigurationError, ModelError

FORMS = {
    form: tuple(ending for ending, held in ENDINGS.items() if held == form)
    for form in dict.fromkeys(ENDINGS.values())
}
"""Form → the file name endings that transformers.js gives it, the one to prefer first."""

NOTES = ("LICENSE*", "LICENCE*", "NOTICE*", "README.md", "search_config.json")
"""Taken along where the repository has them: what the model may be used for, and what it is."""

MAX_NOTE_BYTES = 2**20

_HUGGINGFACE = ("config.json", "preprocessor_config.json", "tokenizer.json")
_TOO = ("tokenizer_config.json", "special_tokens_map.json")
_IMMICH = ("config.json", "visual/preprocess_cfg.json", "textual/tokenizer.json")
_IMMICH_TOO = ("textual/tokenizer_config.json", "textual/special_tokens_map.json")
_IMMICH_GRAPHS: tuple[str, ...] = ("visual/model.onnx", "textual/model.onnx")

_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Remote:
    """One file as the hub lists it: bytes, and the hash that the hub vouches for.

    `sha256` is known of files in Git LFS, `blob` (git's SHA-1 of a blob) of the others; neither of
    a file that a models.lock names, whose sha256 is the lock's.
    """

    path: str
    size: int
    sha256: str | None = None
    blob: str | None = None


Listing = dict[str, Remote]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to fetch: all files, and which of them are the graphs, whose weights may lie apart."""

    files: tuple[Remote, ...]
    graphs: tuple[str, ...]


def plan(listing: Listing, form: str, kind: object, what: str) -> Plan:
    """The files that a folder of this form needs.

    `kind` is `model_type` of config.json, `what` names the repository in errors. Raises
    ConfigurationError where the repository has not that form, ModelError where it is in neither
    layout or of a kind that could not be loaded.
    """
    if any(graph in listing for graph in _IMMICH_GRAPHS):
        if form != "fp32":
            raise ConfigurationError(
                f"{what} is in Immich's layout, which comes in fp32 only, not {form}: fetch it "
                "without --form.",
                field="form",
            )
        graphs, needed, optional = _IMMICH_GRAPHS, _IMMICH, _IMMICH_TOO
    else:
        graphs, needed, optional = _graphs(listing, form, kind, what), _HUGGINGFACE, _TOO
    missing = [name for name in (*needed, *graphs) if name not in listing]
    if missing:
        raise ModelError(f"{what} lacks {', '.join(missing)}. {_holds(listing)}")
    small = [*needed, *(name for name in optional if name in listing), *_notes(listing)]
    return Plan(tuple(listing[name] for name in (*small, *graphs)), graphs)


def _graphs(listing: Listing, form: str, kind: object, what: str) -> tuple[str, ...]:
    """The ONNX files of transformers.js's layout: of both towers, or Jina CLIP's one for both."""
    stems = [("vision_model", "text_model"), *[("model",)] * (kind == "jina_clip")]
    forms = {
        known: [tuple(f"onnx/{s}{ending}.onnx" for s in pair) for pair in stems for ending in ends]
        for known, ends in FORMS.items()
    }
    there = {
        known: graphs
        for known, choices in forms.items()
        for graphs in reversed(choices)
        if all(name in listing for name in graphs)
    }
    if there and kind not in MODEL_TYPES:
        raise ModelError(
            f"{what} cannot be loaded: model_type of its config.json is {kind!r}, and texts and "
            f"pictures are prepared here as for {', '.join(MODEL_TYPES)} only.",
            field="model_type",
        )
    if form in there:
        return there[form]
    if there:
        raise ConfigurationError(
            f"{what} has no {form} form of both towers: name another with --form "
            f"({', '.join(there)}).",
            field="form",
        )
    raise ModelError(
        f"{what} holds no model that can be loaded: neither onnx/vision_model.onnx and "
        "onnx/text_model.onnx (as transformers.js has them) nor visual/model.onnx and "
        f"textual/model.onnx (as Immich has them). {_holds(listing)} docs/models.md says how to "
        "make such a folder of your own model."
    )


def _notes(listing: Listing) -> list[str]:
    return [
        name
        for name in sorted(listing)
        if any(fnmatch.fnmatchcase(name, note) for note in NOTES)
        and "/" not in name
        and listing[name].size <= MAX_NOTE_BYTES
    ]


def _holds(listing: Listing) -> str:
    """What is there instead: graphs first, since a wrong one is what people mostly name."""
    names = [name if name.isprintable() else repr(name) for name in listing]
    names.sort(key=lambda name: (not name.endswith(".onnx"), name))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"The repository holds {', '.join(names[:_MOST_NAMED]) or 'nothing'}{more}."


def weights_beside(graph: str, locations: tuple[str, ...], listing: Listing) -> list[Remote]:
    """The files in which a graph says its weights lie: beside it, under any name.

    Exporters choose the names: `model.onnx_data`, a UUID, or hundreds of files called after their
    tensors. Raises ModelError where one is not a file of the graph's own folder in the repository.
    """
    folder = graph.rpartition("/")[0]
    found = []
    for location in locations:
        plain = location.removeprefix("./")
        name = f"{folder}/{plain}"
        if "/" in plain or plain in ("", ".", "..") or name not in listing:
            raise ModelError(
                f"{graph} keeps weights in {location!r}, which the repository does not hold beside "
                "it."
            )
        found.append(listing[name])
    return found
