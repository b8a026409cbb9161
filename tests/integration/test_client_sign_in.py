"""The client where people must sign in: at a provider shaped like Cognito, with the real stack."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from client import Client
from client.login import CALLBACKS, PORTS
from client.signed_in import SignedIn
from tests.e2e.oidc_server import OidcServer, User, providing
from tests.integration.client_runs import Held, Machine, on_disk, photos, there, way_to
from tests.integration.local_stack import LocalStack, running
from tests.integration.processes import eventually

pytestmark = pytest.mark.xdist_group("client")

UPLOADER = User("grace", "compiles-1952", ("upload",))
READER = User("alan", "reads-1936")


class Guarded(NamedTuple):
    stack: LocalStack
    pool: OidcServer


@pytest.fixture(scope="module")
def guarded(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("members")
    with providing(UPLOADER, READER) as pool:
        pool.redirects |= set(CALLBACKS)
        (folder / "sign-in.json").write_text(pool.file())
        with running(folder / "data", tiny, "--sign-in", folder / "sign-in.json") as stack:
            key = {"Authorization": f"Bearer {pool.access_token(UPLOADER.name)}"}
            body = {"files": [{"name": "any.png", "size": 1}]}
            # The pool's keys are asked for first, in a few seconds or not at all.
            answer = eventually(
                lambda: stack.request("POST", "/uploads", json=body, headers=key),
                lambda said: said.status_code != 503,
            )
            stack.s3_url = answer.json()["uploads"][0]["post"]["url"].rpartition("/")[0]
            yield Guarded(stack, pool)


@pytest.fixture
def pool(guarded: Guarded) -> OidcServer:
    pool = guarded.pool
    pool.lifetime, pool.rotates, pool.down = 3600.0, False, False
    pool.forget_all()
    pool.asked.clear()
    return pool


@pytest.fixture
def member(guarded: Guarded, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "state", guarded.stack.url)


def begun(member: Machine, *more: str) -> tuple[subprocess.Popen[str], str]:
    """A login under way, and the address that it says to sign in at."""
    process = member.start("login", "--no-browser", *more)
    assert process.stderr is not None
    line = process.stderr.readline()
    address = re.search(r"http://\S+", line)
    assert address, line
    return process, address.group()


def entered(address: str, user: User, **form: str) -> requests.Response:
    """What a browser does: the form of the pool, and back to the client. It holds no cookies."""
    form = form or {"username": user.name, "password": user.password}
    return requests.post(address, data=form, timeout=60)


def sign_in(member: Machine, user: User = UPLOADER) -> str:
    process, address = begun(member)
    assert "Signed in. You may close this window." in entered(address, user).text
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return said


def test_who_signs_in_with_the_browser_may_upload_and_stays_signed_in(
    guarded: Guarded, pool: OidcServer, member: Machine, tmp_path: Path
) -> None:
    assert sign_in(member) == "Signed in as grace (may read, upload).\n"
    folder = photos(tmp_path / "pictures", 5)
    told = member.told("upload", folder, "--collection", "signed-in", "--wait")
    assert (told["sent"], told["ready"]) == (5, 5)
    images = member.told("search", "red", "--filter", "collection=signed-in", "--closest")["items"]
    assert {image["owner"] for image in images} == {UPLOADER.sub}
    assert pool.asked[0] == "authorization_code"
    assert set(pool.asked[1:]) == {"refresh_token"}


def test_the_refresh_token_is_in_a_file_of_this_user_alone_and_the_access_token_in_none(
    pool: OidcServer, member: Machine
) -> None:
    sign_in(member)
    kept = [path for path in member.state.rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["sign-in.json"]
    assert kept[0].stat().st_mode & 0o777 == 0o600
    assert member.state.stat().st_mode & 0o777 == 0o700
    assert "eyJ" not in kept[0].read_text()


def test_a_wrong_state_is_not_used_and_the_login_goes_on(pool: OidcServer, member: Machine) -> None:
    process, address = begun(member)
    back = parse_qs(urlsplit(address).query)["redirect_uri"][0]
    forged = requests.get(back, params={"code": "stolen", "state": "forged"}, timeout=60)
    assert forged.status_code == 404
    assert requests.get(back + "favicon.ico", timeout=60).status_code == 404
    assert pool.asked == []
    assert entered(address, UPLOADER).status_code == 200
    assert process.wait(timeout=240) == 0
    process.communicate()


def test_giving_up_is_told(pool: OidcServer, member: Machine) -> None:
    process, address = begun(member)
    assert "Not signed in: The user cancelled" in entered(address, UPLOADER, cancel="").text
    _, complaints = process.communicate(timeout=240)
    assert (process.returncode, complaints) == (1, "Not signed in: The user cancelled.\n")


def test_where_a_port_is_taken_the_next_is_used(pool: OidcServer, member: Machine) -> None:
    first, address = begun(member)
    second, other = begun(member)
    ports = [parse_qs(urlsplit(a).query)["redirect_uri"][0] for a in (address, other)]
    assert ports == [f"http://localhost:{port}/" for port in PORTS[:2]]
    for process, where in ((first, address), (second, other)):
        entered(where, UPLOADER)
        process.communicate(timeout=240)
        assert process.returncode == 0


@pytest.mark.parametrize("rotates", [False, True])
def test_tokens_that_end_in_mid_upload_are_renewed_and_nothing_is_lost(
    guarded: Guarded, pool: OidcServer, member: Machine, tmp_path: Path, rotates: bool
) -> None:
    pool.lifetime, pool.rotates = 1.0, rotates
    sign_in(member)
    pool.asked.clear()
    folder = photos(tmp_path / "pictures", 150)
    collection = f"renewed-{rotates}".lower()
    told = member.told("upload", folder, "--collection", collection, "--jobs", "4")
    assert (told["sent"], told["failed"], told["stopped_by"]) == (150, [], "")
    assert there(guarded.stack, collection) == on_disk(folder)
    assert pool.asked.count("refresh_token") > 1


def test_processes_that_share_a_sign_in_do_not_end_it_for_each_other(
    guarded: Guarded, pool: OidcServer, member: Machine, tmp_path: Path
) -> None:
    pool.lifetime, pool.rotates = 1.0, True
    sign_in(member)
    folder = photos(tmp_path / "pictures", 40)
    both = [
        member.start("upload", folder, "--collection", f"shared-{n}", "--jobs", "1")
        for n in range(2)
    ]
    said = [process.communicate(timeout=240) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    for n in range(2):
        assert there(guarded.stack, f"shared-{n}") == on_disk(folder)


def test_a_token_that_is_not_taken_is_renewed_once_and_the_request_sent_again(
    guarded: Guarded, pool: OidcServer, member: Machine
) -> None:
    sign_in(member)
    images = Client(guarded.stack.url, state=member.state)
    assert images.session()["name"] == UPLOADER.name
    credentials = images.transport.credentials
    assert isinstance(credentials, SignedIn)
    credentials._access = "spoilt"
    asked = len(pool.asked)
    assert images.session()["name"] == UPLOADER.name
    assert pool.asked[asked:] == ["refresh_token"]


def test_a_sign_in_that_ends_in_mid_upload_stops_it_and_the_next_goes_on(
    guarded: Guarded, pool: OidcServer, member: Machine, tmp_path: Path
) -> None:
    # Over as soon as it is there, so that each request needs another; servers allow for clocks
    # that differ.
    pool.lifetime = 0.0
    sign_in(member)
    folder = photos(tmp_path / "pictures", 20)
    with way_to(guarded.stack) as way:
        user = Machine(member.state, way.url)
        forms = Held(way, 5)
        sending = user.start("upload", folder, "--collection", "ended", "--jobs", "1")
        eventually(lambda: forms.held == 1)
        pool.revoke_all()
        forms.going.set()
        said, _ = sending.communicate(timeout=240)
        assert sending.returncode == 1
        assert "Stopped: The sign-in has ended. Sign in with: python -m client login" in said
        sign_in(user)
        told = user.told("upload", folder, "--collection", "ended")
    assert told["complete"]
    assert there(guarded.stack, "ended") == on_disk(folder)


def test_a_sign_in_service_that_is_away_for_a_moment_ends_nothing(
    pool: OidcServer, member: Machine
) -> None:
    sign_in(member)
    pool.down = True
    asking = member.start("status", "--json")
    eventually(lambda: pool.asked.count("refresh_token") > 2)
    pool.down = False
    asking.communicate(timeout=240)
    assert asking.returncode == 0


def test_signing_out_ends_the_token_and_forgets_it(pool: OidcServer, member: Machine) -> None:
    sign_in(member)
    assert member.run("logout").stdout == "Signed out.\n"
    assert pool.asked[-1] == "revoke"
    done = member.run("status")
    assert done.returncode == 1
    assert done.stderr == "Nobody is signed in. Sign in with: python -m client login\n"
    assert member.run("logout").stdout == "Nobody was signed in.\n"


def test_a_reader_is_told_that_they_may_not_upload_before_any_file_is_tried_in_vain(
    pool: OidcServer, member: Machine, tmp_path: Path
) -> None:
    sign_in(member, READER)
    folder = photos(tmp_path / "pictures", 20)
    told = member.told("upload", folder, "--jobs", "1", status=1)
    assert told["stopped_by"] == "This needs the scope images/upload."
    assert len(told["not_tried"]) == 20


def test_a_token_from_the_environment_will_do(
    guarded: Guarded, pool: OidcServer, member: Machine, tmp_path: Path
) -> None:
    token = pool.access_token(UPLOADER.name)
    folder = photos(tmp_path / "pictures", 2)
    told = member.told("upload", folder, "--collection", "by-token", IMAGES_TOKEN=token)
    assert told["sent"] == 2
    told = member.told("status", IMAGES_TOKEN="spoilt", status=1)
    assert (told["error"]["code"], told["error"]["status"]) == ("invalid_token", 401)
    assert told["error"]["request_id"]
