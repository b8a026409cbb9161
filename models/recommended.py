"""Models to begin with: what their authors measured, what they weigh, what they may be used for.

Accuracies are published ones, in per cent: zero-shot top-1 on ImageNet-1k, and how often the right
picture of COCO's 5,000 comes first for its caption. Ours were not measured: this product changes
neither weights nor preprocessing.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.fetch_progress import size_words

OPEN_CLIP = "open_clip's tables, docs/openclip_results.csv and openclip_retrieval_results.csv"
SIGLIP2 = "SigLIP 2's authors, big_vision's README_siglip2.md and arXiv 2502.14786, table 1"


@dataclass(frozen=True, slots=True)
class Recommended:
    """A repository on the hub. `imagenet` and `coco` in per cent, from `source`; `size` in bytes
    of the fp32 form, `about` where it is reckoned from the number of parameters."""

    repo: str
    family: str
    imagenet: float
    coco: float
    source: str
    languages: str
    dim: int
    side: int
    size: int
    about: bool
    licence: str

    def weight(self) -> str:
        return ("about " if self.about else "") + size_words(self.size)


RECOMMENDED = (
    Recommended(
        repo="Xenova/clip-vit-base-patch32",
        family="CLIP ViT-B/32 (OpenAI)",
        imagenet=63.3,
        coco=30.4,
        source=OPEN_CLIP,
        languages="English",
        dim=512,
        side=224,
        size=151_280_000 * 4,
        about=True,
        licence="MIT",
    ),
    Recommended(
        repo="immich-app/ViT-B-32__laion2b-s34b-b79k",
        family="CLIP ViT-B/32 (LAION-2B)",
        imagenet=66.6,
        coco=39.3,
        source=OPEN_CLIP,
        languages="English",
        dim=512,
        side=224,
        size=151_280_000 * 4,
        about=True,
        licence="MIT",
    ),
    Recommended(
        repo="Xenova/siglip-base-patch16-224",
        family="SigLIP ViT-B/16",
        imagenet=76.0,
        coco=47.8,
        source=OPEN_CLIP,
        languages="English",
        dim=768,
        side=224,
        size=813_000_000,
        about=False,
        licence="Apache-2.0",
    ),
    Recommended(
        repo="onnx-community/siglip2-base-patch16-224-ONNX",
        family="SigLIP 2 ViT-B/16",
        imagenet=78.2,
        coco=52.1,
        source=SIGLIP2,
        languages="109",
        dim=768,
        side=224,
        size=1_536_000_000,
        about=True,
        licence="Apache-2.0",
    ),
    Recommended(
        repo="immich-app/ViT-SO400M-16-SigLIP2-384__webli",
        family="SigLIP 2 ViT-SO400M/16",
        imagenet=84.1,
        coco=56.0,
        source=SIGLIP2,
        languages="109",
        dim=1152,
        side=384,
        size=4_550_000_000,
        about=True,
        licence="Apache-2.0",
    ),
)

_HEAD = ("model", "ImageNet", "COCO R@1", "languages", "dim", "pixels", "download", "licence")


def table() -> str:
    """What `python -m models list` prints."""
    rows = [_HEAD, *(_row(model) for model in RECOMMENDED)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD))]
    lines = ["  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines) + (
        "\n\nAccuracies are published ones, in per cent; docs/models.md names their sources.\n"
        "Fetch one: make model MODEL=" + RECOMMENDED[0].repo
    )


def _row(model: Recommended) -> tuple[str, ...]:
    return (
        model.repo,
        f"{model.imagenet:.1f}",
        f"{model.coco:.1f}",
        model.languages,
        str(model.dim),
        str(model.side),
        model.weight(),
        model.licence,
    )
