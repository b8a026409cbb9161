"""`python -m local dlq`: the dead letters of the stack that runs, by its API."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from chalicelib.errors import ConfigurationError, IntellisenseError
from local.client import ApiClient
from local.data import address_of
from local.processes import ROOT


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.command in ("redrive", "discard") and bool(options.id) == options.all:
        _parser().error(f"{options.command} takes the id of a letter, or --all")
    try:
        answer = _asked(options)
    except IntellisenseError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print("\n".join(_in_words(options.command, answer)))
    return 0


def _parser() -> argparse.ArgumentParser:
    data: dict[str, Any] = {"type": Path, "metavar": "DIR", "help": "of the stack (.local)"}
    as_json: dict[str, Any] = {"action": "store_true", "help": "print the API's answer"}
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", default=argparse.SUPPRESS, **data)
    shared.add_argument("--json", default=argparse.SUPPRESS, **as_json)

    parser = argparse.ArgumentParser(
        prog="python -m local dlq",
        description="Messages that were given up, and why. Without a command: list them.",
    )
    parser.add_argument("--data", default=ROOT / ".local", **data)
    parser.add_argument("--json", default=False, **as_json)
    parser.set_defaults(command="list")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.default = "list"
    commands.add_parser("list", parents=[shared], help="list them")
    redrive = commands.add_parser("redrive", parents=[shared], help="send back, to be tried again")
    discard = commands.add_parser("discard", parents=[shared], help="delete, with a reason")
    for command in (redrive, discard):
        command.add_argument("id", metavar="ID", nargs="?", default="", help="of one letter")
        command.add_argument("--all", action="store_true", help="every letter")
    discard.add_argument("--reason", required=True, help="is written to the log with the letter")
    return parser


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    url = address_of(options.data)
    if not url:
        raise ConfigurationError(
            f"No stack runs on {options.data}. Start one (make demo), or name its folder: --data."
        )
    api = ApiClient(url)
    if options.command == "list":
        return api.get("/dead-letters")
    chosen = {"all": True} if options.all else {"id": options.id}
    if options.command == "discard":
        chosen["reason"] = options.reason
    return api.post(f"/dead-letters/{options.command}", chosen)


def _in_words(command: str, answer: dict[str, Any]) -> list[str]:
    if command != "list":
        count = answer["redriven" if command == "redrive" else "discarded"]
        said = "sent back" if command == "redrive" else "discarded; see logs/api.log"
        more = ["More are left: run it again."] if answer["more"] else []
        return [f"{count} {said}", *more]
    lines = [line for item in answer["items"] for line in _letter(item)]
    if hidden := answer["total"] - len(answer["items"]):
        lines.append(f"{hidden} more could not be listed now.")
    return lines or ["No dead letters."]


def _letter(item: dict[str, Any]) -> list[str]:
    tries = f", tried {item['receives']} times" if item["receives"] else ""
    more = f" and {item['more_keys']} more" if item["more_keys"] else ""
    about = (", ".join(item["keys"]) + more) or "no event that can be read"
    return [
        item["id"],
        f"  {item['came_at']}{tries}: {_printable(about)}",
        f"  {item['code']}: {_printable(item['error'])}",
    ]


def _printable(text: str) -> str:
    """Keys are anybody's; a terminal obeys control characters."""
    return "".join(c if c.isprintable() else "�" for c in text)
