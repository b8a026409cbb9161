"""What a person may choose, and what is said of a choice that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.errors import ConfigurationError
from infra.config import BOUNDS, Config


def test_no_file_means_all_defaults() -> None:
    assert Config.load(None) == Config()


def test_a_file_is_read_and_what_it_leaves_out_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text('name = "ours"\nversioned = true\ngpu_instances = ["g6.xlarge"]\nbudget = 50\n')
    assert Config.load(path) == Config(
        name="ours", versioned=True, gpu_instances=("g6.xlarge",), budget=50
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no such = 1", "is not TOML"),
        ("colour = 'red'", "There is no choice colour"),
        ("auth = 'none'", "auth must be one of cognito, iam, not 'none'"),
        ("versioned = 'yes'", "versioned must be true or false, not 'yes'"),
        ("budget = '50'", "budget must be a whole number, not '50'"),
        ("budget = true", "budget must be a whole number, not True"),
        ("gpu_instances = 'g6.xlarge'", "gpu_instances must be a list of texts"),
        ("gpu_instances = [6]", "gpu_instances must be a list of texts"),
        ("email = 1", "email must be text in quotes"),
        ("name = 'Our Photos'", "name must be small letters"),
        ("name = 'a'", "name must be small letters"),
        ("opensearch_url = 'https://x'", "opensearch_url needs opensearch_arn"),
        ("opensearch_arn = 'arn:x'", "opensearch_arn needs opensearch_url"),
        ("domain_name = 'x.org'", "domain_name needs certificate_arn"),
        ("bucket_key_arn = 'arn:x'", "bucket_key_arn needs bucket"),
        ("events = 'eventbridge'", "events is for an existing bucket"),
        ("batch_size = 11\nbatch_window = 0", "batch_size above 10 needs a batch_window"),
        ("log_days = 4", "log_days must be one of 1, 3, 5"),
        ("auth = 'iam'\nprivate_collections = true", "private_collections needs auth"),
        ("origins = 'https://x.org'", "origins must be a list of texts"),
        ("origins = ['*']", "origins has '*'"),
        ("origins = ['http://x.org']", "origins has 'http://x.org'"),
        ("origins = ['https://x.org/']", "origins has 'https://x.org/'"),
        ("auth = 'iam'\nsecond_factor = true", "second_factor needs auth"),
    ],
)
def test_a_choice_that_cannot_be_is_named_with_its_file(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        Config.load(path)
    assert caught.value.message.startswith(str(path))
    assert said in caught.value.message


@pytest.mark.parametrize("key", BOUNDS)
def test_a_number_beyond_its_bounds_is_refused_and_the_bounds_are_taken(key: str) -> None:
    least, most = BOUNDS[key]
    for number in (least, most):
        Config.of({key: number})
    for number in (least - 1, most + 1):
        with pytest.raises(ConfigurationError, match=f"{key} must be {least} to {most}"):
            Config.of({key: number})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml cannot be read: No such file"):
        Config.load(tmp_path / "nowhere.toml")


def test_messages_stay_hidden_for_six_times_the_functions_time_and_the_window() -> None:
    assert Config(embedder_timeout=100, batch_window=7).visibility_timeout == 607
