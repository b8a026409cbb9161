"""`python -m local`: the whole product on one machine. `make demo` runs this."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from chalicelib.clip import load_clip
from chalicelib.config import MAX_BYTES
from chalicelib.errors import IntellisenseError, Transient
from chalicelib.quota import Allowance
from local import samples
from local.client import ApiClient
from local.data import AlreadyRunning
from local.loader import Loader, Report
from local.processes import ROOT, answers
from local.sign_in import read_sign_in
from local.stack import Repair, Stack
from models.cache import cache_folder
from models.starter import build_starter

SHOWN_NAMES = 3

OPENSEARCH = "http://127.0.0.1:9200"
"""Where `make opensearch` and `compose.yaml` put it."""


COMMANDS = {"dlq": "local.dlq", "reconcile": "local.reconcile"}
"""Beside running the stack: each module has `main(arguments) -> int`."""


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        status: int = import_module(COMMANDS[arguments[0]]).main(arguments[1:])
        return status
    options = _options(arguments)
    # kill and docker stop end the stack as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(options)
    except KeyboardInterrupt:
        note("\nStopped. What was loaded stays; run it again to go on.")
        return 130
    except IntellisenseError as error:
        note(f"error: {error.message}")
        return 1


def _run(options: argparse.Namespace) -> int:
    folders = (
        [(options.photos.expanduser(), options.photos.resolve().name)] if options.photos else []
    )
    for folder, _ in folders:
        if not folder.is_dir():
            note(f"error: --photos {folder} is not a folder.")
            return 2
    sign_in = read_sign_in(options.sign_in.expanduser()) if options.sign_in else None
    cache = cache_folder()
    model = options.model or build_starter(cache / "models" / "starter", cache)
    if not options.no_samples and not sign_in:
        folders.insert(0, (samples.sample_photos(cache), samples.COLLECTION))
    port = options.port
    if port is None:
        port = 8000 if options.once is None else 0
    stack = Stack(
        options.data,
        model,
        port,
        log_queries=not options.no_query_log,
        opensearch=_opensearch() if options.index == "opensearch" else "",
        sign_in=sign_in,
        ocr=not options.no_ocr,
        quota=Allowance(options.quota_files, options.quota_bytes),
    )
    _tell_of_calibration(model)
    with _running(stack) as (url, own):
        api = ApiClient(url)
        for folder, collection in folders:
            _load(api, folder, collection, own)
        if options.once is not None:
            if stack.opensearch:
                # The answer is to know what was loaded a moment ago.
                requests.post(f"{stack.opensearch}/images-*/_refresh", timeout=60)
            _answer(api, options)
            return 0
        until = "   (Ctrl-C ends it; your photos stay)" if own else ""
        note(f"\nImage Intellisense is at {url}{until}")
        if own:
            note(f"Drop files straight in: aws --endpoint-url {own.s3_url} s3 cp FILE s3://photos/")
            own.broken.wait()
            own.check()
        return 0


def _tell_of_calibration(model: Path) -> None:
    if load_clip(model).calibration is None:
        note(
            f"The model in {model} has no calibration, so whatever is asked, the closest are "
            f"shown. To be told when nothing matches: python -m models calibrate {model}"
        )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Image Intellisense on one machine."
    )
    parser.add_argument("--photos", type=Path, metavar="DIR", help="load this folder too")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=ROOT / ".local",
        help="where photos and index are kept (.local)",
    )  # fmt: skip
    parser.add_argument("--port", type=int, help="of page and API (8000; with --once: any free)")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="instead of the starter model")
    parser.add_argument(
        "--index", choices=["embedded", "opensearch"], default="embedded",
        help="opensearch: the one at OPENSEARCH_URL, else that of `make opensearch`",
    )  # fmt: skip
    parser.add_argument("--once", metavar="QUERY", help="load, search, print the answer, end")
    parser.add_argument("--limit", type=int, default=20, help="answers with --once (20)")
    parser.add_argument("--json", action="store_true", help="with --once: print JSON")
    parser.add_argument(
        "--closest", action="store_true", help="with --once: what is beyond the cut-off too"
    )
    parser.add_argument(
        "--no-query-log", action="store_true", help="do not write down what is searched for"
    )
    parser.add_argument("--no-ocr", action="store_true", help="do not read the text in pictures")
    parser.add_argument(
        "--quota-files", type=int, metavar="N", default=0,
        help="files that may be uploaded in a day, by each who signs in, or by all together",
    )  # fmt: skip
    parser.add_argument("--quota-bytes", type=int, metavar="N", default=0, help="and bytes")
    parser.add_argument("--no-samples", action="store_true", help="leave the sample photos out")
    parser.add_argument(
        "--sign-in", type=Path, metavar="FILE",
        help="let in only who is signed in to the Cognito user pool that FILE names (JSON)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if min(options.quota_files, options.quota_bytes) < 0:
        parser.error("a quota is 0, for none, or more.")
    if options.sign_in and (options.photos or options.once is not None):
        # This command has no token, and what it loaded would be nobody's.
        parser.error("with --sign-in photos are uploaded on the page; load a folder without it.")
    return options


def _opensearch() -> str:
    """Where OpenSearch is; raises `Transient` when nothing answers there."""
    url = os.environ.get("OPENSEARCH_URL") or OPENSEARCH
    try:
        requests.get(url, timeout=60).raise_for_status()
    except requests.RequestException as error:
        raise Transient(
            f"No OpenSearch answers at {url}. Start one in another window: make opensearch "
            "(or docker compose up), or name one: OPENSEARCH_URL=…"
        ) from error
    return url


@contextlib.contextmanager
def _running(stack: Stack) -> Iterator[tuple[str, Stack | None]]:
    """Start `stack`; or, where one runs on its data already, give only the address of that."""
    try:
        note("Starting …")
        stack.start()
    except AlreadyRunning as running:
        if not running.url or stack.sign_in:
            raise  # that one may let in anyone
        note(f"Using the stack that runs at {running.url}.")
        yield running.url, None
        return
    try:
        _show_repair(stack)
        yield stack.url, stack
    except Transient:
        # It may have failed because a part has just ended: then that is what to say.
        # What was killed is deaf at once, and known to have ended some time later.
        if not answers(stack.s3_url):
            stack.broken.wait(timeout=30)
        stack.check()
        raise
    finally:
        stack.stop()


def _show_repair(stack: Stack) -> None:
    """Wait for the reconcile at start; a bar only where there is something to repair."""
    bar = None

    def progress(repair: Repair) -> None:
        nonlocal bar
        if repair.total:
            bar = bar if bar is not None else _bar("Repairing the index", repair.total)
            bar.update(repair.done - bar.n)

    try:
        stack.wait_repaired(progress)
    finally:
        if bar is not None:
            bar.close()


def _load(api: ApiClient, folder: Path, collection: str, stack: Stack | None) -> None:
    check = stack.check if stack else (lambda: None)
    with _bar(f"Loading {folder.name}", 0) as bar:

        def expect(total: int) -> None:
            bar.total = total
            bar.refresh()

        report = Loader(api, expect, bar.update, MAX_BYTES, check).load(folder, collection)
    _tell(report)


def _tell(report: Report) -> None:
    parts = [f"{report.indexed} indexed"]
    if report.already:
        parts.append(f"{report.already} there already")
    if report.rejected:
        parts.append(f"{len(report.rejected)} rejected")
    if report.not_images:
        kinds = ", ".join(f"{n} {ending}" for ending, n in report.not_images.most_common(5))
        parts.append(f"{report.not_images.total()} no images ({kinds})")
    if report.waiting:
        parts.append(f"{len(report.waiting)} still waiting")
    note("  " + ", ".join(parts))
    reasons: dict[str, list[str]] = {}
    for name, reason in report.rejected:
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        note(f"  rejected: {', '.join(map(repr, names[:SHOWN_NAMES]))}{more}: {reason}")


def _answer(api: ApiClient, options: argparse.Namespace) -> None:
    body = {"text": options.once, "limit": options.limit}
    answer = api.post("/search", body | ({"closest": True} if options.closest else {}))
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
        return
    for item in answer["items"]:
        sure = item["confidence"]
        print(f"{item['score']:7.3f}" if sure is None else f"{sure:7.0%}", item["key"], sep="  ")
    if answer.get("matched") is False:
        note("Nothing here matches." + (" --closest shows the closest." if answer["rest"] else ""))


def _bar(title: str, total: int) -> Any:
    return tqdm(
        desc=title, total=total, unit=" photos", file=sys.stderr, dynamic_ncols=True, smoothing=0.1
    )


def note(text: str) -> None:
    """To a person; standard output is for answers."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
