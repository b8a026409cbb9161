"""The file of `--sign-in`, and what the one-machine stack makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import ConfigurationError
from local.__main__ import main
from local.sign_in import SCOPES, SignIn, read_sign_in

POOL = {
    "issuer": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example",
    "url": "https://photos.auth.eu-central-1.amazoncognito.com/",
    "client_id": "abc",
}


def read(folder: Path, given: Any) -> SignIn:
    file = folder / "sign-in.json"
    file.write_text(given if isinstance(given, str) else json.dumps(given))
    return read_sign_in(file)


def test_a_user_pool_is_read_and_told_to_the_page(tmp_path: Path) -> None:
    found = read(tmp_path, POOL)
    assert found.issuer == POOL["issuer"]
    assert found.origin == "https://photos.auth.eu-central-1.amazoncognito.com"
    told = {"url": found.origin, "client_id": "abc", "scopes": list(SCOPES)}
    assert found.for_the_page() == told
    assert read(tmp_path, {**POOL, "scopes": ["openid"]}).scopes == ("openid",)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("{", "is not JSON"),
        ("[]", 'needs {"issuer"'),
        ({**POOL, "client_id": 5}, 'needs {"issuer"'),
        ({**POOL, "client_secret": "s"}, "has client_secret; it takes issuer, url, client_id"),
        ({**POOL, "scopes": "openid"}, "scopes is a list of words"),
        ({**POOL, "url": "http://example.com"}, "url must be an address https://…"),
        ({**POOL, "url": "https://a.example; script-src *"}, "url must be an address"),
        ({**POOL, "url": "https://a.example/?b=c"}, "url must be an address"),
        ({**POOL, "issuer": "https://"}, "issuer must be an address"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(tmp_path: Path, given: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        read(tmp_path, given)
    assert sentence in told.value.message
    assert str(tmp_path / "sign-in.json") in told.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json cannot be read: No such file"):
        read_sign_in(tmp_path / "none.json")


def test_nothing_is_loaded_for_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--sign-in", str(tmp_path / "any.json"), "--photos", str(tmp_path)])
    assert "with --sign-in photos are uploaded on the page" in capsys.readouterr().err
