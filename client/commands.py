"""What each command does; returns the exit status."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from typing import Any

from client import asking, shown
from client.api import Client
from client.errors import UsageError
from client.login import sign_in
from client.models import Match, Part
from client.oidc import Provider
from client.places import SignInPlace
from client.progress import progress_on
from client.reports import Report
from client.signed_in import KeptSignIns
from client.surroundings import default_token


def client_of(options: argparse.Namespace) -> Client:
    token = "" if options.iam else options.token or default_token()
    return Client(options.url, token=token, iam=options.iam, patience=options.patience)


def say(*lines: str) -> None:
    for line in lines:
        print(line)


def say_json(body: Any) -> None:
    print(json.dumps(body, ensure_ascii=False))


# --- upload -----------------------------------------------------------------------------------


def upload(options: argparse.Namespace) -> int:
    client = client_of(options)
    if options.dry_run:
        return _would_upload(client, options)
    report = client.upload(
        options.paths,
        collection=options.collection,
        jobs=options.jobs,
        wait=options.wait,
        progress=progress_on(silent=options.json),
    )
    if options.json:
        say_json(report.as_json())
    else:
        say(*shown.report_lines(report, _again()))
    return _status(report)


def _status(report: Report) -> int:
    return 130 if report.interrupted else 0 if report.complete else 1


def _again() -> str:
    """The same command: the journal knows the rest. A token is not repeated."""
    words = iter(sys.argv[1:])
    kept = [word for word in words if not (word == "--token" and next(words, True))]
    kept = [word for word in kept if not word.startswith("--token=")]
    return shown.plain(shlex.join(["python", "-m", "client", *kept]))


def _would_upload(client: Client, options: argparse.Namespace) -> int:
    known, report = client.would_upload(options.paths, collection=options.collection)
    report.failed += known.failed
    report.already = len(known.already)
    report.not_tried = list(known.to_send)
    if options.json:
        say_json({**report.as_json(), "to_send_bytes": sum(known.to_send.values())})
        return 1 if report.failed else 0
    for path in known.to_send:
        say(shown.plain(path))
    total = sum(known.to_send.values()) / 1e6
    there = f"{len(known.already)} are there already"
    say(f"{len(known.to_send)} would be sent ({total:.1f} MB), {there}")
    say(*shown.some([(f.path, f.reason) for f in report.failed], "cannot be sent"))
    say(*shown.some([(x.path, x.reason) for x in report.left_out], "left out"))
    return 1 if report.failed else 0


# --- search -----------------------------------------------------------------------------------


def search(options: argparse.Namespace) -> int:
    client = client_of(options)
    pages = list(
        client.search_pages(
            parts=_parts(options),
            filters=asking.filters_of(options.filter),
            order=options.order,
            closest=options.closest,
            collapse=options.collapse,
            limit=options.limit,
        )
    )
    matches = [match for page in pages for match in page.matches]
    saved = _saved(client, matches, options)
    if options.json:
        items = [{**match.image.raw, **saved.get(match.image.id, {})} for match in matches]
        say_json({**pages[0].raw, "items": items, "next_cursor": pages[-1].next_cursor})
    elif not matches:
        say(shown.nothing(pages[0].rest))
    else:
        say(*map(shown.match_line, matches))
    return 0


def _parts(options: argparse.Namespace) -> list[Part]:
    region = asking.region_of(options.region) if options.region else None
    if region and not (options.image or options.like):
        raise UsageError("--region goes with --image or --like.")
    parts = []
    if words := " ".join(options.words).strip():
        parts.append(Part(text=words))
    if options.image:
        parts.append(Part(image=asking.picture(options.image), region=region))
    if options.like:
        parts.append(Part(id=options.like, region=None if options.image else region))
    if not parts:
        raise UsageError("Say what to look for: words, --image FILE or --like ID.")
    return parts + [Part(text=words, weight=asking.TURNED_AWAY) for words in options.without]


def _saved(
    client: Client, matches: list[Match], options: argparse.Namespace
) -> dict[str, dict[str, str]]:
    """Where each file was put, with --download."""
    saved = {}
    for match in matches if options.download else ():
        path = client.download(match.image, options.download)
        saved[match.image.id] = {"saved": str(path)}
        print(f"saved {shown.plain(path)}", file=sys.stderr)
    return saved


# --- who is here ------------------------------------------------------------------------------


def status(options: argparse.Namespace) -> int:
    client = client_of(options)
    stats, session = client.stats(), client.session()
    if options.json:
        say_json({"url": client.transport.url, "stats": stats, "session": session})
    else:
        say(f"At {client.transport.url}", *shown.status_lines(stats, session))
    return 0


def login(options: argparse.Namespace) -> int:
    client = client_of(options)
    place = _sign_in_place(client)
    sign_in(
        Provider(place),
        KeptSignIns(client.state),
        say=lambda sentence: print(sentence, file=sys.stderr, flush=True),
        browser=not options.no_browser,
    )
    who = client.session()
    if options.json:
        say_json({"session": who})
    else:
        say(shown.plain(f"Signed in as {who['name']} (may {', '.join(who['scopes'])})."))
    return 0


def logout(options: argparse.Namespace) -> int:
    client = client_of(options)
    place, kept = _sign_in_place(client), KeptSignIns(client.state)
    token = kept.read(place)
    ended = bool(token) and Provider(place).revoke(token)
    kept.write(place, "")
    if options.json:
        say_json({"state": "signed out" if token else "was not signed in", "revoked": ended})
    elif token and not ended:
        say("Forgotten here; the sign-in service did not answer: the token ends by itself.")
    else:
        say("Signed out." if token else "Nobody was signed in.")
    return 0


def _sign_in_place(client: Client) -> SignInPlace:
    if client.place.sign_in is None:
        raise UsageError(f"{client.url} names no place to sign in at.")
    return client.place.sign_in
