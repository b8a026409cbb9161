"""The page gets into the site bucket whole, and what is no longer there goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.commands import page
from infra.commands.account import Account
from tests.infra import deploy_world

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "site"
WEB = {"index.html": "<p>", "js/main.js": "1", "js/old.js": "2", "favicon.svg": "<svg/>"}


@pytest.fixture
def account(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Account:
    deploy_world.enter(endpoint, monkeypatch)
    account = deploy_world.account()
    account.client("s3").create_bucket(
        Bucket=BUCKET,
        CreateBucketConfiguration={"LocationConstraint": deploy_world.REGION},
    )
    return account


@pytest.fixture
def distribution(account: Account) -> str:
    made = account.client("cloudfront").create_distribution(
        DistributionConfig=deploy_world.DISTRIBUTION
    )
    return str(made["Distribution"]["Id"])


def invalidations(account: Account, distribution: str) -> int:
    listed = account.client("cloudfront").list_invalidations(DistributionId=distribution)
    return int(listed["InvalidationList"]["Quantity"])


def there(account: Account) -> dict[str, Any]:
    s3 = account.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key: s3.get_object(Bucket=BUCKET, Key=key) for key in keys}


def test_the_first_publishing_puts_every_file_with_its_type(
    account: Account, distribution: str, tmp_path: Path
) -> None:
    files = page.files_of(deploy_world.folder_of(tmp_path, WEB), {"api": "api"})
    done = page.publish(account, BUCKET, distribution, files)
    assert done.put[-2:] == ["config.json", "index.html"]
    found = there(account)
    assert sorted(found) == sorted([*WEB, "config.json"])
    assert found["js/main.js"]["ContentType"] == "text/javascript; charset=utf-8"
    assert found["index.html"]["ContentType"] == "text/html; charset=utf-8"
    assert found["index.html"]["CacheControl"] == "no-cache"
    assert found["config.json"]["CacheControl"] == "no-cache"
    assert "max-age=0" in found["js/main.js"]["CacheControl"]
    assert json.loads(found["config.json"]["Body"].read()) == {"api": "api"}
    assert invalidations(account, distribution) == 1


def test_publishing_the_same_again_changes_nothing(
    account: Account, distribution: str, tmp_path: Path
) -> None:
    files = page.files_of(deploy_world.folder_of(tmp_path, WEB), {"api": "api"})
    page.publish(account, BUCKET, distribution, files)
    again = page.publish(account, BUCKET, distribution, files)
    assert again == page.Published([], [], invalidated=False)
    assert invalidations(account, distribution) == 1


def test_only_what_changed_is_put_and_what_is_gone_is_deleted(
    account: Account, distribution: str, tmp_path: Path
) -> None:
    web = deploy_world.folder_of(tmp_path, WEB)
    page.publish(account, BUCKET, distribution, page.files_of(web, {"api": "api"}))
    (web / "js" / "old.js").unlink()
    (web / "js" / "main.js").write_text("3")
    done = page.publish(account, BUCKET, distribution, page.files_of(web, {"api": "api"}))
    assert (done.put, done.deleted) == (["js/main.js"], ["js/old.js"])
    assert "js/old.js" not in there(account)
    assert invalidations(account, distribution) == 2


def test_a_file_whose_headers_are_not_ours_is_put_again(
    account: Account, distribution: str, tmp_path: Path
) -> None:
    files = page.files_of(deploy_world.folder_of(tmp_path, WEB), {"api": "api"})
    page.publish(account, BUCKET, distribution, files)
    account.client("s3").put_object(Bucket=BUCKET, Key="index.html", Body=b"<p>")
    assert page.publish(account, BUCKET, distribution, files).put == ["index.html"]


def test_a_run_that_died_before_cloudfront_knew_is_made_good(
    account: Account, distribution: str, tmp_path: Path
) -> None:
    files = page.files_of(deploy_world.folder_of(tmp_path, WEB), {"api": "api"})
    with pytest.raises(account.client("cloudfront").exceptions.NoSuchDistribution):
        page.publish(account, BUCKET, "GONE", files)
    assert page.MARK in there(account)
    again = page.publish(account, BUCKET, distribution, files)
    assert again.put == []
    assert again.invalidated
    assert sorted(there(account)) == sorted(files)


def test_the_page_is_told_where_people_sign_in() -> None:
    outputs = {"SignInUrl": "https://me.auth.example/", "UserPoolClientId": "abc"}
    assert page.config_of(outputs) == {
        "api": "api",
        "sign_in": {
            "url": "https://me.auth.example",
            "client_id": "abc",
            "scopes": ["openid", "images/read", "images/upload", "images/admin"],
        },
    }
    assert page.config_of({}) == {"api": "api"}


def test_every_file_of_the_page_has_a_type_that_browsers_run() -> None:
    files = page.files_of(ROOT / "web", {})
    assert {Path(key).suffix for key in files} <= set(page.TYPES)
    assert "index.html" in files
