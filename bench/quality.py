"""How well models find labelled photos, and whether they know when they do not.

`python -m bench.quality [--model FOLDER …] [--photos SOURCE] [--words FILE] [--outside FILE]
[--json]`. SOURCE (the sample photos) is a folder with a folder of photos for each label, or a CSV
file `key,label[,label…]` with paths from where it lies: the first label is the specific one, the
others are general words; `?word` says that the photo may show it. FILE of `--words` is a CSV file
`label,word[,word…]` that gives labels their general words; that of `--outside` has a query a line
that no photo answers. `make bench-quality MODEL='A B' PHOTOS=SOURCE` runs it.

Labels are asked as they are written, by the product's own index and rules. "Removed category" asks
a general word when all its photos are gone, "absent sibling" a specific one when its own are, and
others of its kind are not. A model without calibration is compared by raw cosine alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from bench.quality_library import seen_by
from bench.quality_measure import Figures, measure
from bench.quality_photos import Photo, labelled
from bench.quality_queries import outside
from bench.quality_table import markdown
from chalicelib.clip import load_clip
from chalicelib.errors import ConfigurationError, IntellisenseError
from local.samples import sample_photos
from models.cache import cache_folder

SAMPLES = Path(__file__).with_name("quality_samples.csv")


def figures(models: list[Path], photos: list[Photo], queries: list[str]) -> list[Figures]:
    """Each model's, in turn. Raises ModelError where one fails, ConfigurationError where no photo
    can be read."""
    found = []
    for folder in models:
        clip = load_clip(folder)
        seen = seen_by(clip, photos)
        if not seen.photos:
            raise ConfigurationError("None of the photos can be read.", field="photos")
        if len(seen.photos) < len(photos):
            lost = len(photos) - len(seen.photos)
            print(f"{folder.name}: {lost} files are no pictures that can be read", file=sys.stderr)
        found.append(measure(folder.name, clip, seen, queries))
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--model", type=Path, action="append", help="a model folder (the starter)")
    parser.add_argument(
        "--photos", type=Path, help="a folder of folders, or a CSV (the sample photos)"
    )
    parser.add_argument("--words", type=Path, help="a CSV of general words: label,word[,word…]")
    parser.add_argument("--outside", type=Path, help="queries that no photo answers, one a line")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")
    given = parser.parse_args(arguments)
    try:
        photos = labelled(given.photos, given.words) if given.photos else sample_set(cache_folder())
        queries = outside((one for photo in photos for one in photo.labels), given.outside)
        found = figures(given.model or [_starter()], photos, queries)
    except IntellisenseError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    print(json.dumps([asdict(one) for one in found], indent=2) if given.json else markdown(found))
    return 0


def sample_set(cache: Path) -> list[Photo]:
    """The sample photos, with our own labels. Raises as `sample_photos` does."""
    return labelled(SAMPLES, folder=sample_photos(cache))


def _starter() -> Path:
    from models.starter import build_starter

    cache = cache_folder()
    return build_starter(cache / "models" / "starter", cache)


if __name__ == "__main__":
    sys.exit(main())
