"""Settings from the environment."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.config import PREFIX, Settings
from chalicelib.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[2]
LEAST = {"IMAGES_BUCKET": "photos", "IMAGES_THUMBNAILS_BUCKET": "thumbnails"}
NAMES = [PREFIX + field.name.upper() for field in dataclasses.fields(Settings)]


def load(**variables: str) -> Settings:
    return Settings.load(LEAST | variables)


def test_two_buckets_are_all_that_must_be_set() -> None:
    settings = load()
    assert (settings.bucket, settings.thumbnails_bucket) == ("photos", "thumbnails")
    assert settings == Settings(bucket="photos", thumbnails_bucket="thumbnails")


def test_the_defaults_are_the_ones_the_design_names() -> None:
    settings = load()
    assert settings.max_bytes == 64 * 1024 * 1024
    assert settings.max_pixels == 64_000_000
    assert settings.presign_seconds == 300
    assert settings.auth == "iam"
    assert settings.log_queries is True


def test_without_an_argument_the_environment_of_the_process_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [n for n in os.environ if n.startswith(PREFIX) or n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**LEAST, "IMAGES_MAX_BYTES": "17"}.items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == load(IMAGES_MAX_BYTES="17")


ERRORS: dict[str, tuple[dict[str, str], str]] = {
    "no bucket": (
        {"IMAGES_BUCKET": ""},
        "Set IMAGES_BUCKET in the environment.",
    ),
    "no thumbnails": (
        {"IMAGES_THUMBNAILS_BUCKET": ""},
        "Set IMAGES_THUMBNAILS_BUCKET in the environment.",
    ),
    "neither": (
        {"IMAGES_BUCKET": "", "IMAGES_THUMBNAILS_BUCKET": ""},
        "Set IMAGES_BUCKET, IMAGES_THUMBNAILS_BUCKET in the environment.",
    ),
    "the same bucket twice": (
        {"IMAGES_THUMBNAILS_BUCKET": "photos"},
        "IMAGES_THUMBNAILS_BUCKET must differ from IMAGES_BUCKET: "
        "each thumbnail would come back as a new photo.",
    ),
    "no number": (
        {"IMAGES_MAX_BYTES": "64 MB"},
        "IMAGES_MAX_BYTES must be a whole number, not '64 MB'.",
    ),
    "half a number": (
        {"IMAGES_DECODERS": "1.5"},
        "IMAGES_DECODERS must be a whole number, not '1.5'.",
    ),
    "an empty number": (
        {"IMAGES_DECODERS": ""},
        "IMAGES_DECODERS must be a whole number, not ''.",
    ),
    "a negative number": (
        {"IMAGES_MAX_PIXELS": "-1"},
        "IMAGES_MAX_PIXELS must not be negative.",
    ),
    "no price": (
        {"IMAGES_PRICE_PER_HOUR": "$1"},
        "IMAGES_PRICE_PER_HOUR must be a number, not '$1'.",
    ),
    "a price without end": (
        {"IMAGES_PRICE_PER_HOUR": "inf"},
        "IMAGES_PRICE_PER_HOUR must be a number, not 'inf'.",
    ),
    "a negative price": (
        {"IMAGES_PRICE_PER_HOUR": "-0.5"},
        "IMAGES_PRICE_PER_HOUR must not be negative.",
    ),
    "an origin that is a pattern": (
        {"IMAGES_ORIGINS": "https://photos.example.org, *"},
        "IMAGES_ORIGINS has '*'; it takes origins of pages with commas between them, such as "
        "https://photos.example.org: small letters, no path, no *.",
    ),
    "an origin that is an address": (
        {"IMAGES_ORIGINS": "https://photos.example.org/"},
        "IMAGES_ORIGINS has 'https://photos.example.org/'; it takes origins of pages with commas "
        "between them, such as https://photos.example.org: small letters, no path, no *.",
    ),
    "an origin without TLS": (
        {"IMAGES_ORIGINS": "http://localhost.example.org"},
        "IMAGES_ORIGINS has 'http://localhost.example.org'; it takes origins of pages with commas "
        "between them, such as https://photos.example.org: small letters, no path, no *.",
    ),
    "no truth": (
        {"IMAGES_LOG_QUERIES": "maybe"},
        "IMAGES_LOG_QUERIES must be true or false, not 'maybe'.",
    ),
    "no such way to sign in": (
        {"IMAGES_AUTH": "open"},
        "IMAGES_AUTH must be one of none, cognito, iam, not 'open'.",
    ),
    "a quota that nothing counts": (
        {"IMAGES_QUOTA_FILES": "100"},
        "IMAGES_QUOTA_FILES and IMAGES_QUOTA_BYTES need either IMAGES_QUOTA_TABLE or, on one "
        "machine, IMAGES_QUOTA_FILE: uploads are counted there.",
    ),
    "a quota that is counted twice": (
        {"IMAGES_QUOTA_BYTES": "1", "IMAGES_QUOTA_TABLE": "t", "IMAGES_QUOTA_FILE": "f"},
        "IMAGES_QUOTA_FILES and IMAGES_QUOTA_BYTES need either IMAGES_QUOTA_TABLE or, on one "
        "machine, IMAGES_QUOTA_FILE: uploads are counted there.",
    ),
    "a quota's file in Lambda": (
        {
            "IMAGES_QUOTA_BYTES": "1",
            "IMAGES_QUOTA_FILE": "/tmp/quota",
            "AWS_LAMBDA_FUNCTION_NAME": "api",
        },
        "IMAGES_QUOTA_FILE does not count in Lambda, where each function instance has a disk of "
        "its own. Set IMAGES_QUOTA_TABLE.",
    ),
    "none in Lambda": (
        {"IMAGES_AUTH": "none", "AWS_LAMBDA_FUNCTION_NAME": "api"},
        "IMAGES_AUTH=none is for one machine only and does not start in Lambda. "
        "Set cognito or iam.",
    ),
    "none under a public address": (
        {"IMAGES_AUTH": "none", "IMAGES_PUBLIC_URL": "https://photos.example.org/api"},
        "IMAGES_AUTH=none is for one machine only, and IMAGES_PUBLIC_URL says "
        "https://photos.example.org/api. Set cognito or iam.",
    ),
    "no issuer": (
        {"IMAGES_AUTH": "cognito"},
        "IMAGES_AUTH=cognito needs IMAGES_TOKEN_ISSUER, such as "
        "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI.",
    ),
    "an issuer without TLS": (
        {"IMAGES_AUTH": "cognito", "IMAGES_TOKEN_ISSUER": "http://issuer.example.org"},
        "IMAGES_TOKEN_ISSUER must be an https:// address, not 'http://issuer.example.org': "
        "the keys that tokens are checked with come from there.",
    ),
    "an issuer that only looks like this machine": (
        {"IMAGES_AUTH": "cognito", "IMAGES_TOKEN_ISSUER": "http://localhost@evil.example.org"},
        "IMAGES_TOKEN_ISSUER must be an https:// address, not 'http://localhost@evil.example.org': "
        "the keys that tokens are checked with come from there.",
    ),
    "an issuer that is no address": (
        {"IMAGES_AUTH": "cognito", "IMAGES_TOKEN_ISSUER": "http://[::1"},
        "IMAGES_TOKEN_ISSUER must be an https:// address, not 'http://[::1': "
        "the keys that tokens are checked with come from there.",
    ),
    "private without persons": (
        {"IMAGES_AUTH": "iam", "IMAGES_PRIVATE_COLLECTIONS": "true"},
        "IMAGES_PRIVATE_COLLECTIONS needs IMAGES_AUTH=cognito: "
        "only tokens tell one person from another.",
    ),
    "half a key for cookies": (
        {"IMAGES_COOKIE_KEY_PARAMETER": "/n/cookie-key"},
        "IMAGES_COOKIE_KEY_PARAMETER needs IMAGES_COOKIE_KEY_ID beside it.",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_every_mistake_is_named_in_one_sentence(name: str) -> None:
    variables, sentence = ERRORS[name]
    with pytest.raises(ConfigurationError) as caught:
        load(**variables)
    assert caught.value.message == sentence


def test_an_index_of_no_known_kind_is_refused_with_the_kinds_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"^IMAGES_INDEX must be one of .*, not 'flat'\.$"):
        load(IMAGES_INDEX="flat")


@pytest.mark.parametrize(
    ("text", "value"),
    [(t, True) for t in ("1", "true", "TRUE", "yes", "on")]
    + [(t, False) for t in ("0", "false", "False", "no", "off", "")],
)
def test_truth_may_be_written_in_several_ways(text: str, value: bool) -> None:
    assert load(IMAGES_LOG_QUERIES=text).log_queries is value


def test_none_is_allowed_on_one_machine_and_iam_in_lambda() -> None:
    assert load(IMAGES_AUTH="none").auth == "none"
    local = {"IMAGES_AUTH": "none", "IMAGES_PUBLIC_URL": "http://localhost:8000/api"}
    assert load(**local).auth == "none"
    for issuer in ("https://id.example.org/pool", "http://127.0.0.1:9/pool", "http://[::1]:9"):
        assert load(IMAGES_AUTH="cognito", IMAGES_TOKEN_ISSUER=issuer).token_issuer == issuer
    assert load(AWS_LAMBDA_FUNCTION_NAME="api").auth == "iam"


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, ""),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-central-1"),
        ({"IMAGES_REGION": "us-east-2", "AWS_REGION": "eu-central-1"}, "us-east-2"),
    ],
)
def test_the_region_is_ours_or_else_that_of_aws(variables: dict[str, str], region: str) -> None:
    assert load(**variables).region == region


@pytest.mark.parametrize(
    ("variables", "shard"),
    [
        ({}, ""),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "3"}, "3/"),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "3", "AWS_BATCH_JOB_ARRAY_SIZE": "8"}, "3/8"),
        ({"IMAGES_SHARD": "1/2", "AWS_BATCH_JOB_ARRAY_INDEX": "3"}, "1/2"),
    ],
)
def test_a_child_of_an_array_job_has_its_own_shard(variables: dict[str, str], shard: str) -> None:
    assert load(**variables).shard == shard


def test_variables_of_others_are_left_alone() -> None:
    assert load(PATH="/bin", IMAGES="x", BUCKET="y") == load()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().bucket = "other"  # type: ignore[misc]


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
_CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "queue_url": _TEXT,
    "region": _TEXT,
    "endpoint": _TEXT,
    "index_folder": _TEXT,
    "model_folder": _TEXT,
    "max_bytes": st.integers(0, 2**62),
    "decoders": st.integers(0, 64),
    "presign_seconds": st.integers(0, 10_000),
    "price_per_hour": st.floats(0, 1e6),
    "auth": st.sampled_from(["none", "iam"]),
    "log_queries": st.booleans(),
}


@given(st.fixed_dictionaries({}, optional=_CHANGES))
def test_settings_written_to_an_environment_are_read_back_the_same(changes: dict[str, Any]) -> None:
    settings = Settings(bucket="photos", thumbnails_bucket="thumbnails", **changes)
    written = settings.environment()
    assert sorted(written) == sorted(NAMES)
    assert Settings.load(written | {"AWS_REGION": "somewhere-else-1"}) == settings


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_explained_in_the_operations_manual(name: str) -> None:
    manual = (ROOT / "docs" / "operations.md").read_text()
    assert re.search(rf"`{name}`", manual), f"{name} is not in docs/operations.md"


def test_the_operations_manual_names_no_setting_that_is_not_there() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text()
    assert sorted(set(re.findall(r"\bIMAGES_[A-Z0-9_]+", manual)) - set(NAMES)) == []
