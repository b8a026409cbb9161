"""`python -m infra.cost --images 100000 --searches 100000 --region us-east-1`."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path

from chalicelib.errors import ConfigurationError
from infra.config import Config
from infra.cost.measured import PHOTOS, Measured, Use
from infra.cost.prices import TABLE, Prices
from infra.cost.report import Report

CHEAPEST = Path(__file__).with_name("cheapest.toml")
USUAL_REGION = "us-east-1"


def _count(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 0:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra.cost", description="What a deployment costs a month."
    )
    add = parser.add_argument
    add("--images", type=_count, default=100_000, metavar="N", help="in the library (100,000)")
    add("--searches", type=_count, default=100_000, metavar="N", help="a month (100,000)")
    add(
        "--new-images-per-month",
        type=_count,
        metavar="N",
        help="that come in (a hundredth of the library)",
    )
    add("--photo", choices=PHOTOS, default=PHOTOS[0], help="what the images are like")
    add("--people", type=_count, default=5, metavar="N", help="who sign in (5)")
    add("--region", metavar="REGION", help=f"that of CONFIG, else {USUAL_REGION}")
    add("--config", type=Path, metavar="FILE", help="the deployment's choices")
    add(
        "--free-tier",
        action="store_true",
        help="leave out what AWS gives for nothing each month for ever",
    )
    add("--prices", type=Path, default=TABLE, metavar="FILE", help="a price table of your own")
    add("--json", action="store_true", help="with every quantity, figure and source")
    return parser


def report(arguments: list[str], today: date) -> tuple[Report, bool]:
    """(the report, whether as JSON). Raises ConfigurationError."""
    options = _parser().parse_args(arguments)
    config = Config.load(options.config)
    new = options.new_images_per_month
    made = Report(
        config=config,
        cheapest=Config.load(CHEAPEST),
        use=Use(
            images=options.images,
            searches=options.searches,
            new_images=options.images // 100 if new is None else new,
            photo=options.photo,
            people=options.people,
        ),
        prices=Prices.load(options.region or config.region or USUAL_REGION, options.prices),
        measured=Measured.load(),
        free=options.free_tier,
        today=today,
    )
    return made, options.json


def main(arguments: list[str] | None = None) -> int:
    try:
        made, as_json = report(sys.argv[1:] if arguments is None else arguments, date.today())
        told = json.dumps(made.as_json(), indent=1) + "\n" if as_json else made.as_text()
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return 2
    sys.stdout.write(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
