"""`python -m client`: the arguments, and the exit status.

0: all is there; 1: something failed, and why is said; 2: wrong usage; 130: interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from client import commands
from client.api import COLLECTION
from client.errors import ClientError, UsageError
from client.patience import SECONDS
from client.shown import plain
from client.surroundings import default_url

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

MOST_JOBS = 32


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; at its end Python would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ClientError as error:
        if options.json:
            print(json.dumps({"error": error.as_json()}))
        else:
            print(plain(error.told()), file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m client", description="Upload images, and find them by what is in them."
    )
    shared = _shared()
    which = parser.add_subparsers(required=True, metavar="COMMAND")
    upload = which.add_parser("upload", parents=[shared], help="send files, and folders of them")
    _upload(upload)
    search = which.add_parser("search", parents=[shared], help="find images")
    _search(search)
    status = which.add_parser("status", parents=[shared], help="the library, and who you are")
    status.set_defaults(run=commands.status)
    login = which.add_parser("login", parents=[shared], help="sign in with the browser")
    login.add_argument("--no-browser", action="store_true", help="only say where to sign in")
    login.set_defaults(run=commands.login)
    logout = which.add_parser("logout", parents=[shared], help="forget who signed in")
    logout.set_defaults(run=commands.logout)
    return parser


def _shared() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    where = shared.add_argument_group("where, and as whom")
    where.add_argument(
        "--url", default=default_url(), help="of the page or the API; or IMAGES_URL (%(default)s)"
    )
    who = where.add_mutually_exclusive_group()
    who.add_argument("--token", default="", help="an access token; better in IMAGES_TOKEN")
    who.add_argument("--iam", action="store_true", help="sign with AWS credentials")
    where.add_argument(
        "--patience", type=float, default=SECONDS, metavar="SECONDS",
        help="so long something is tried again (%(default)g)",
    )  # fmt: skip
    shared.add_argument("--json", action="store_true", help="one JSON object at the end")
    return shared


def _upload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR")
    parser.add_argument("--collection", default=COLLECTION, help="%(default)s")
    parser.add_argument("--jobs", type=_jobs, default=4, help="files at a time (%(default)s)")
    parser.add_argument("--wait", action="store_true", help="until each is found or rejected")
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent")
    parser.set_defaults(run=commands.upload)


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", help="what to look for")
    parser.add_argument("--image", type=Path, metavar="FILE", help="a picture to look for")
    parser.add_argument("--like", default="", metavar="ID", help="an image of the library")
    parser.add_argument(
        "--region", default="", metavar="L,T,W,H", help="that part only of --image or --like"
    )
    parser.add_argument(
        "--not", dest="without", action="append", default=[], metavar="WORDS", help="but not this"
    )
    parser.add_argument(
        "--filter", action="append", default=[], metavar="NAME=VALUE",
        help="as format=png, date_from=2023-01-01, near=48.14,11.58,5",
    )  # fmt: skip
    parser.add_argument("--order", choices=("best", "newest", "oldest"), default="best")
    parser.add_argument("--collapse", choices=("none", "exact", "near"), default="none")
    parser.add_argument("--closest", action="store_true", help="what is beyond the cut-off too")
    parser.add_argument("--limit", type=_limit, default=20, help="%(default)s")
    parser.add_argument("--download", type=Path, metavar="DIR", help="the files, into this folder")
    parser.set_defaults(run=commands.search)


def _jobs(text: str) -> int:
    jobs = int(text)
    if not 1 <= jobs <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"from 1 to {MOST_JOBS}")
    return jobs


def _limit(text: str) -> int:
    limit = int(text)
    if not 1 <= limit <= 1000:
        raise argparse.ArgumentTypeError("from 1 to 1000")
    return limit
