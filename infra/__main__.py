"""`python -m infra COMMAND`: what `make deploy` and `make destroy` run."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import IntellisenseError
from infra.commands import preflight
from infra.commands.account import Account, outputs_of
from infra.commands.deploy import SHOW, SHOWN, STEPS, next_steps, recall_email
from infra.commands.deployment import Deployment, run_steps
from infra.commands.destroy import Destruction
from infra.commands.findings import as_json, blocking, told
from infra.commands.parts import RealParts
from infra.commands.telling import Teller
from infra.config import Config
from models.cache import cache_folder

ROOT = Path(__file__).resolve().parents[1]

AGAIN = "the same command goes on from there: what is done is skipped"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = _parser().parse_args(arguments)
    # kill and a closing terminal end it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status: int = given.run(given)
    except KeyboardInterrupt:
        _note(f"\nstopped; {AGAIN}")
        return 130
    except IntellisenseError as error:
        _note(f"error: {error.message}")
        return 1
    except (ClientError, BotoCoreError) as error:
        _note(f"error: AWS said: {error}; {AGAIN}")
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra", description="The AWS stack.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    every: list[tuple[str, Callable[[argparse.Namespace], int], str]] = [
        ("preflight", _preflight, "say what the account lacks"),
        ("synth", _synth, "write the templates (.cache/deploy/NAME/assembly)"),
        ("diff", _diff, "say what a deployment would change"),
        ("deploy", _deploy, "make or bring up to date everything, after asking"),
        ("outputs", _outputs, "print the addresses and names of what is deployed"),
        ("destroy", _destroy, "remove what runs; photos and index stay"),
    ]
    for name, run, words in every:
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("--config", type=Path, help="a TOML file (all defaults)")
        command.add_argument("--json", action="store_true", help="print JSON on stdout")
        command.set_defaults(run=run)
        if name in ("deploy", "destroy"):
            command.add_argument("--yes", action="store_true", help="ask nothing")
        if name in ("synth", "diff", "deploy"):
            command.add_argument(
                "--bulk-only", action="store_true", help="a new model for bulk work alone"
            )
        if name == "destroy":
            reach = command.add_mutually_exclusive_group()
            for kept in ("index", "photos"):
                reach.add_argument(
                    f"--{kept}-too",
                    dest="reach",
                    action="store_const",
                    const=kept,
                    help=f"the {kept} too",
                )
            command.set_defaults(reach="service")
    return parser


def _preflight(given: argparse.Namespace) -> int:
    config = Config.load(given.config)
    account = Account.of(config)
    findings = preflight.look(account.settle(config), account)
    if given.json:
        _json(as_json(findings))
    else:
        _print("\n".join(told(findings)))
    return int(blocking(findings))


def _synth(given: argparse.Namespace) -> int:
    run = _deployment(given)
    recall_email(run)
    run_steps(SHOWN, run)
    _print(json.dumps({"assembly": str(run.assembly)}) if given.json else str(run.assembly))
    return 0


def _diff(given: argparse.Namespace) -> int:
    run = _deployment(given)
    recall_email(run)
    run_steps((*SHOWN, SHOW), run)
    return 0


def _deploy(given: argparse.Namespace) -> int:
    run = _deployment(given)
    run_steps(STEPS, run)
    outputs = run.outputs()
    if given.json:
        _json(outputs)
    else:
        _print(next_steps(run.config, outputs))
    return 0


def _outputs(given: argparse.Namespace) -> int:
    config = Config.load(given.config)
    outputs = outputs_of(Account.of(config), config)
    if given.json:
        _json(outputs)
    else:
        _print("\n".join(f"{name}: {value}" for name, value in outputs.items()))
    return 0 if outputs else 1


def _destroy(given: argparse.Namespace) -> int:
    config = Config.load(given.config)
    account = Account.of(config)
    Destruction(
        config=account.settle(config),
        account=account,
        tell=Teller(yes=given.yes),
        reach=given.reach,
    ).run()
    return 0


def _deployment(given: argparse.Namespace) -> Deployment:
    config = Config.load(given.config)
    account = Account.of(config)
    return Deployment(
        config=account.settle(config),
        account=account,
        tell=Teller(yes=getattr(given, "yes", False)),
        parts=RealParts(),
        work=cache_folder() / "deploy" / config.name,
        web=ROOT / "web",
        bulk_only=given.bulk_only,
    )


def _json(value: Any) -> None:
    _print(json.dumps(value, indent=2))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
