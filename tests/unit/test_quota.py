"""The daily quota: whose day it is, what a refusal says, and what the API makes of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.config import Settings
from chalicelib.errors import QuotaExceeded, QuotaUnavailable
from chalicelib.quota import (
    Allowance,
    DailyQuota,
    DynamoTally,
    NoQuota,
    SqliteTally,
    Standing,
    Used,
)
from chalicelib.uploads import Uploads
from tests.fakes.issuer import Issuer, serving
from tests.fakes.tally import MemoryTally
from tests.unit.sentences import faults
from tests.unit.test_api import Site, serve
from tests.unit.test_auth import ANNA, BERT, bearer, settings

MB = 1024 * 1024
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def daily(files: int = 0, size: int = 0, *, clock: Clock | None = None) -> DailyQuota:
    return DailyQuota(MemoryTally(), Allowance(files, size), clock or Clock())


def refused(quota: DailyQuota, owner: str, *sizes: int) -> QuotaExceeded:
    with pytest.raises(QuotaExceeded) as caught:
        quota.take(owner, sizes, field="files")
    return caught.value


# --- days and owners --------------------------------------------------------------------------


def test_a_day_ends_at_midnight_in_utc(clock: Clock) -> None:
    quota = daily(2, clock=clock)
    clock.now = datetime(2026, 11, 26, 23, 59, 59, 999_999, tzinfo=timezone.utc)
    quota.take("anna", [1, 1], field="files")
    assert refused(quota, "anna", 1).retry_after == 1
    clock.now += timedelta(microseconds=1)
    quota.take("anna", [1, 1], field="files")
    assert refused(quota, "anna", 1).retry_after == 24 * 3600


def test_the_day_is_that_of_utc_whatever_the_clocks_own_zone(clock: Clock) -> None:
    quota = daily(2, clock=clock)
    quota.take("anna", [1, 1], field="files")
    clock.now = datetime(2026, 11, 27, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert refused(quota, "anna", 1).retry_after == 30 * 60
    standing = quota.standing("anna")
    assert standing == Standing(
        Allowance(2), Used(2, 2), datetime(2026, 11, 27, tzinfo=timezone.utc)
    )


def test_each_owner_has_a_quota_and_all_without_a_name_share_one() -> None:
    quota = daily(1)
    for owner in ("anna", "bert", ""):
        quota.take(owner, [1], field="files")
        refused(quota, owner, 1)


@hypothesis(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 3), st.integers(0, 3))
def test_no_owner_on_any_day_has_the_count_of_another(
    one: str, other: str, day: int, later: int
) -> None:
    clock = Clock()
    quota = daily(1, clock=clock)
    clock.now = NOON + timedelta(days=day)
    quota.take(one, [1], field="files")
    clock.now = NOON + timedelta(days=later)
    if (one, day) == (other, later):
        refused(quota, other, 1)
    else:
        quota.take(other, [1], field="files")


def test_a_count_is_kept_two_days_longer_than_its_day(clock: Clock) -> None:
    kept: list[int] = []

    class Watching(MemoryTally):
        def add(self, *arguments: Any, expires_at: int) -> Used | None:
            kept.append(expires_at)
            return super().add(*arguments, expires_at=expires_at)

    DailyQuota(Watching(), Allowance(1), clock).take("anna", [1], field="files")
    assert kept == [int(datetime(2026, 11, 29, tzinfo=timezone.utc).timestamp())]


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowance", "before", "asked", "sentence"),
    [
        (
            Allowance(files=100), [1] * 97, [1] * 10,
            "Your quota of uploads, 100 files a day, has room for 3 files more today; of these "
            "10 files the first 3 fit. It begins anew at 00:00 UTC.",
        ),
        (
            Allowance(files=1), [1], [1],
            "Your quota of uploads, 1 file a day, has room for 0 files more today. It begins "
            "anew at 00:00 UTC.",
        ),
        (
            Allowance(bytes=10 * MB), [6 * MB], [3 * MB, 2 * MB],
            "Your quota of uploads, 10 MB a day, has room for 4 MB more today; of these 2 files "
            "the first one fits. It begins anew at 00:00 UTC.",
        ),
        (
            Allowance(2000, 5 * 1024 * MB), [MB] * 2, [5 * 1024 * MB, 1],
            "Your quota of uploads, 2,000 files and 5,120 MB a day, has room for 1,998 files and "
            "5,118 MB more today; of these 2 files not even the first fits. It begins anew at "
            "00:00 UTC.",
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_what_still_fits(
    allowance: Allowance, before: list[int], asked: list[int], sentence: str
) -> None:
    quota = DailyQuota(MemoryTally(), allowance, Clock())
    quota.take("anna", before, field="files")
    error = refused(quota, "anna", *asked)
    assert error.message == sentence
    assert (error.code, error.status, error.field) == ("quota_exceeded", 429, "files")
    assert error.retry_after == 12 * 3600
    assert faults(error.message) == []


_SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=6)


@hypothesis(deadline=None)
@given(st.integers(0, 12), st.integers(0, 200), st.lists(_SIZES, max_size=6))
def test_what_is_taken_is_never_over_the_quota_and_what_is_refused_would_be(
    files: int, size: int, requests: list[list[int]]
) -> None:
    quota = daily(files, size)
    taken: list[int] = []
    for sizes in requests:
        after = [*taken, *sizes]
        fits = (not files or len(after) <= files) and (not size or sum(after) <= size)
        if fits:
            quota.take("anna", sizes, field="files")
            taken = after
        else:
            assert faults(refused(quota, "anna", *sizes).message) == []
        standing = quota.standing("anna")
        assert standing
        assert standing.used == (len(taken), sum(taken))


# --- which one the settings name --------------------------------------------------------------


def test_without_limits_nothing_is_counted() -> None:
    quota = wiring.quota_of(Settings(bucket="p", thumbnails_bucket="t", quota_table="counted"))
    assert isinstance(quota, NoQuota)
    quota.take("anna", [1] * 100, field="files")
    assert quota.standing("anna") is None


def test_the_settings_name_a_table_or_a_file() -> None:
    least: dict[str, Any] = {"bucket": "p", "thumbnails_bucket": "t", "region": "us-east-1"}
    in_table = wiring.quota_of(Settings(**least, quota_files=5, quota_table="counted"))
    in_file = wiring.quota_of(Settings(**least, quota_bytes=7, quota_file="/tmp/q.sqlite"))
    assert isinstance(in_table, DailyQuota)
    assert isinstance(in_file, DailyQuota)
    assert isinstance(in_table.tally, DynamoTally)
    assert isinstance(in_file.tally, SqliteTally)
    assert (in_table.allowance, in_file.allowance) == (Allowance(5, 0), Allowance(0, 7))


# --- over the API -----------------------------------------------------------------------------


def with_quota(site: Site, quota: DailyQuota) -> Site:
    """`site`, whose uploads are held to `quota`."""
    uploads = Uploads(bucket=site.known.bucket, max_bytes=1000, seconds=300, quota=quota)
    changed = {"quota": quota, "uploads": uploads}
    site.services = wiring.Services(**{**vars(site.services), **changed})
    return site


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


@pytest.fixture
def quota(clock: Clock) -> DailyQuota:
    return daily(5, 2000, clock=clock)


@pytest.fixture
def site(issuer: Issuer, quota: DailyQuota, monkeypatch: pytest.MonkeyPatch) -> Site:
    return with_quota(serve(Site(settings(issuer)), monkeypatch), quota)


def files(*sizes: int, **fields: Any) -> dict[str, Any]:
    return {"files": [{"name": "a.png", "size": size, **fields} for size in sizes]}


def image(data: bytes) -> dict[str, Any]:
    return {"file": base64.b64encode(data).decode()}


def used(quota: DailyQuota, owner: str) -> Used | None:
    standing = quota.standing(owner)
    assert standing
    return standing.used


def test_places_and_uploads_in_requests_are_counted_for_their_owner(
    site: Site, issuer: Issuer, quota: DailyQuota
) -> None:
    anna, bert = bearer(issuer.person(ANNA, "upload")), bearer(issuer.person(BERT, "admin"))
    assert site.call("POST", "/uploads", files(100, 200), anna).status == 201
    assert site.call("POST", "/images", image(b"12345"), anna).status == 201
    assert site.call("POST", "/uploads", files(7), bert).status == 201
    assert (used(quota, ANNA), used(quota, BERT)) == (Used(3, 305), Used(1, 7))


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/uploads", files(*[1] * 6), "files"),
        ("/uploads", files(1000, 1000, 1), "files"),
        ("/images", image(b"x"), "file"),
    ],
)
def test_what_does_not_fit_is_answered_429_and_neither_counted_nor_stored(
    site: Site, issuer: Issuer, quota: DailyQuota, path: str, body: Any, field: str
) -> None:
    # Admins too: a token of theirs that is stolen should not fill the bucket either.
    token = bearer(issuer.person(ANNA, "admin"))
    before = [1] * 5 if path == "/images" else [1]
    quota.take(ANNA, before, field="")
    answer = site.call("POST", path, body, token)
    assert answer.error == (429, "quota_exceeded", field)
    assert answer.headers["retry-after"] == str(12 * 3600)
    assert used(quota, ANNA) == Used(len(before), len(before))
    assert site.known.bucket.objects == {}


def test_after_a_refusal_what_fits_is_still_taken(
    site: Site, issuer: Issuer, quota: DailyQuota
) -> None:
    token = bearer(issuer.person(ANNA, "upload"))
    assert site.call("POST", "/uploads", files(*[1] * 6), token).status == 429
    assert site.call("POST", "/uploads", files(*[1] * 5), token).status == 201
    assert site.call("POST", "/uploads", files(1), token).status == 429


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/uploads", files(1, type="text/html"), 415),
        ("/uploads", files(1001), 413),
        ("/uploads", files(0), 400),
        ("/uploads", {"files": []}, 400),
        ("/images", {"file": "not base64!"}, 400),
        ("/images", {"file": ""}, 400),
    ],
)
def test_what_is_refused_for_another_reason_is_not_counted(
    site: Site, issuer: Issuer, quota: DailyQuota, path: str, body: Any, status: int
) -> None:
    token = bearer(issuer.person(ANNA, "upload"))
    assert site.call("POST", path, body, token).status == status
    assert used(quota, ANNA) == Used(0, 0)


def test_who_may_not_upload_is_told_so_and_not_counted(
    site: Site, issuer: Issuer, quota: DailyQuota
) -> None:
    token = bearer(issuer.person(ANNA))
    assert site.call("POST", "/uploads", files(1), token).error[:2] == (403, "insufficient_scope")
    assert used(quota, ANNA) == Used(0, 0)


def test_nobody_uploads_while_nobody_counts(site: Site, issuer: Issuer, quota: DailyQuota) -> None:
    assert isinstance(quota.tally, MemoryTally)
    quota.tally.down = True
    token = bearer(issuer.person(ANNA, "upload"))
    for (
        path,
        body,
    ) in (("/uploads", files(1)), ("/images", image(b"x"))):
        assert site.call("POST", path, body, token).error == (503, "quota_unavailable", None)
    assert site.known.bucket.objects == {}
    with pytest.raises(QuotaUnavailable):
        quota.take(ANNA, [1], field="")


def test_the_session_says_how_much_of_the_quota_is_used(
    site: Site, issuer: Issuer, quota: DailyQuota
) -> None:
    token = bearer(issuer.person(ANNA, "upload"))
    site.call("POST", "/uploads", files(100, 200), token)
    says = {
        "files": {"limit": 5, "used": 2},
        "bytes": {"limit": 2000, "used": 300},
        "resets_at": "2026-11-27T00:00:00+00:00",
    }
    for method in ("GET", "POST"):
        assert site.call(method, "/session", headers=token).json["quota"] == says


def test_the_session_of_who_may_not_upload_has_no_quota(site: Site, issuer: Issuer) -> None:
    token = bearer(issuer.person(ANNA))
    assert site.call("GET", "/session", headers=token).json["quota"] is None


def test_the_session_stands_when_nobody_counts(
    site: Site, issuer: Issuer, quota: DailyQuota
) -> None:
    assert isinstance(quota.tally, MemoryTally)
    quota.tally.down = True
    token = bearer(issuer.person(ANNA, "upload"))
    answer = site.call("GET", "/session", headers=token)
    assert answer.status == 200
    assert answer.json["quota"]["files"] == {"limit": 5, "used": None}


def test_whether_uploads_can_be_counted_is_a_matter_of_health(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    place = tmp_path / "quota.sqlite"
    known: dict[str, Any] = {
        "bucket": "photos", "thumbnails_bucket": "small", "region": "us-east-1",
        "endpoint": "http://127.0.0.1:9", "index_folder": str(tmp_path / "index"),
        "model_folder": str(tiny),
    }  # fmt: skip
    without = wiring.build(Settings(**known))
    services = wiring.build(Settings(**known, quota_files=1, quota_file=str(place)))
    monkeypatch.setattr(services.bucket, "check", lambda: None)
    try:
        assert services.health.look()["quota"] == "ok"
        place.write_bytes(b"no database, " * 100)
        assert services.health.look()["quota"].startswith("Uploads cannot be counted")
        assert "quota" not in without.health._parts
    finally:
        services.close()
        without.close()


def test_on_one_machine_everyone_shares_a_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    quota = daily(3)
    site = with_quota(serve(Site(), monkeypatch), quota)
    assert site.call("POST", "/uploads", files(1, 1, 1)).status == 201
    assert site.call("POST", "/uploads", files(1)).error == (429, "quota_exceeded", "files")
    assert site.get("/session").json["quota"]["files"] == {"limit": 3, "used": 3}
    assert site.get("/session").json["quota"]["bytes"] == {"limit": None, "used": 3}
