"""The bill: arithmetic by hand, sources, limits, and what can never be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import ConfigurationError
from infra.config import Config
from infra.cost import sizes
from infra.cost.__main__ import CHEAPEST, main, report
from infra.cost.backfill import ways
from infra.cost.bill import PHOTOS, Line, Month
from infra.cost.measured import Measured, Use
from infra.cost.prices import TABLE, Prices

ROOT = Path(__file__).resolve().parents[2]
PRICES = Prices.load("us-east-1")
MEASURED = Measured.load()
USE = Use(images=100_000, searches=100_000, new_images=1_000)


def month(use: Use = USE, config: Config = Config(), *, free: bool = False) -> Month:  # noqa: B008
    return Month(config, use, PRICES, MEASURED, free)


def line(made: Month, part: str, what: str) -> Line:
    (found,) = [x for x in made.lines() if (x.part, x.what) == (part, what)]
    return found


def parts(made: Month) -> dict[str, float]:
    found: dict[str, float] = {}
    for x in made.lines():
        found[x.part] = found.get(x.part, 0) + x.dollars
    return found


def test_one_small_node_and_ten_gigabytes_for_a_month() -> None:
    # 730 h × 0.036 + 10 GB × 0.122
    assert parts(month())["OpenSearch"] == pytest.approx(26.28 + 1.22)
    two = month(config=Config(opensearch_nodes=2, opensearch_volume_gb=50))
    assert parts(two)["OpenSearch"] == pytest.approx(2 * 26.28 + 2 * 50 * 0.122)


def test_an_existing_domain_is_not_on_the_bill() -> None:
    config = Config(opensearch_url="https://x.example", opensearch_arn="arn:aws:es:x")
    assert "OpenSearch" not in parts(month(config=config))


def test_a_thousand_photos_embedded() -> None:
    # 3008 MB are 1.7004 processors: 0.1486 s / 1.7004 = 0.08739 s; 4,068,053 B at 75 MB/s are
    # 0.05424 s; 0.15 s of waiting shared by ten. 0.15663 s × 2.9375 GB × 1,000 = 460.1 GB-s.
    found = line(month(config=Config(ocr=False)), "embedding", "Lambda")
    assert found.quantity == pytest.approx(460.1, abs=0.1)
    assert found.dollars == pytest.approx(460.1 * 0.0000166667, rel=1e-3)
    # One message an image, and a receive and a delete for ten of them.
    assert line(month(), "embedding", "messages").quantity == 1_200
    assert line(month(), "embedding", "uploads and thumbnails").dollars == pytest.approx(0.01)


def test_reading_the_text_in_photos_takes_its_time_of_the_function() -> None:
    # 0.42 s more of a processor, 1.7004 of which are there: 0.40363 s in all.
    found = line(month(), "embedding", "Lambda")
    assert found.quantity == pytest.approx(0.40363 * 2.9375 * 1000, rel=1e-4)


def test_a_hundred_thousand_searches() -> None:
    # 0.0027 + 0.0241 + 0.01 s, and 2.3 s for one in a hundred: 0.0598 s × 1769 / 1024 GB × 100,000.
    assert line(month(), "searching", "Lambda").quantity == pytest.approx(10_331, abs=1)
    # The search itself, three calls around it, and one for each new image.
    assert line(month(), "API", "API Gateway").dollars == pytest.approx(401_000 * 3.5e-6)


def test_uploads_are_counted_where_there_is_a_quota() -> None:
    # 1,000 new images, each a write of 0.625 dollars a million.
    assert line(month(), "API", "uploads counted").dollars == pytest.approx(0.000625)
    without = month(config=Config(quota_files=0, quota_gb=0))
    assert "uploads counted" not in {x.what for x in without.lines()}


def test_pictures_that_are_sent() -> None:
    found = month()
    # 2,000,000 thumbnails of 28,225 bytes and 10,000 visits of 120,000.
    sent = line(found, "pictures shown", "page and thumbnails, CloudFront")
    assert sent.dollars == pytest.approx((56.45 + 1.2) * 0.085)
    # 10,000 photos of 4.068 MB.
    assert line(found, "pictures shown", "photos opened, from S3").dollars == pytest.approx(
        40.68053 * 0.09
    )


def test_an_hour_without_a_metric_costs_none() -> None:
    # 100 batches fall into 100 of 730 hours at most; searches into all of them.
    found = line(month(), "watching", "metrics")
    assert found.quantity == pytest.approx(9 * 100 / 730 + 4)
    assert found.dollars == pytest.approx(0.3 * (9 * 100 / 730 + 4))


def test_a_year_of_hours_kept_warm() -> None:
    config = Config(search_provisioned=2, search_memory=2048)
    found = line(month(config=config), "searching", "kept warm")
    assert found.dollars == pytest.approx(2 * 2 * 730 * 3600 * 0.0000041667)


def test_what_is_chosen_is_on_the_bill_and_what_is_not_is_not() -> None:
    def whats(config: Config) -> set[str]:
        return {x.what for x in month(config=config).lines()}

    assert "NAT" in whats(Config(vpc=True))
    assert "NAT" not in whats(Config())
    assert line(month(config=Config(vpc=True)), "standing by", "NAT").dollars == pytest.approx(
        32.85
    )
    assert "web ACL" in whats(Config(web_acl_arn="arn:aws:wafv2:x"))
    assert "traces" not in whats(Config(traces=False))
    assert "reconcile" not in whats(Config(reconcile_hours=0))
    assert not {"people", "requests to CloudFront"} & whats(Config(auth="iam"))
    assert "thumbnails, from S3" in whats(Config(auth="iam"))


def test_photos_are_told_apart_from_what_searching_them_costs() -> None:
    made = month()
    # 101,000 photos of 4,068,053 bytes.
    assert parts(made)[PHOTOS] == pytest.approx(410.873 * 0.023, rel=1e-4)
    assert made.total() == pytest.approx(sum(parts(made).values()) - parts(made)[PHOTOS])


def test_idle_costs_the_domain_and_a_few_dollars_more() -> None:
    made, _ = report([], PRICES.read)
    idle = made.idle()
    assert 27.5 < idle < 35
    assert made.month(made.config, Use(images=100_000, searches=0)).total() == pytest.approx(idle)


def test_a_million_images_by_functions_and_by_jobs() -> None:
    unread = Config(ocr=False)
    found = {way.name: way for way in ways(unread, USE, PRICES, MEASURED, 1_000_000)}
    by_lambda = found["Lambda, 10 at a time"]
    assert by_lambda.hours == pytest.approx(1_000_000 * 0.15663 / 10 / 3600, rel=1e-3)
    # GB-seconds, 100,000 calls, 1,200,000 messages; a read and a write an image.
    assert by_lambda.dollars == pytest.approx(7.67 + 0.02 + 0.48 + 0.4 + 5, abs=0.02)
    by_jobs = found["Fargate, 16 processors"]
    assert by_jobs.hours == pytest.approx(1_000_000 * 0.1486 / 16 / 3600)
    hourly = 16 * 0.04048 + 32 * 0.004445
    assert by_jobs.dollars == pytest.approx(by_jobs.hours * hourly + 5.4)
    spot = found["Fargate, 16 processors, spot"]
    assert spot.dollars == pytest.approx(by_jobs.hours * hourly * 0.3 + 5.4)
    assert any("not measured" in name for name in found)
    read = {way.name: way for way in ways(Config(), USE, PRICES, MEASURED, 1_000_000)}
    more = {name: (read[name].hours - way.hours) * 3600 for name, way in found.items()}
    assert more["Fargate, 16 processors"] == pytest.approx(1_000_000 * 0.42 / 16)
    # A device does not help with it: its four processors do it all.
    assert more["one g4dn.xlarge, spot (not measured)"] == pytest.approx(1_000_000 * 0.42 / 4)
    without = ways(Config(gpu=False), USE, PRICES, MEASURED, 1_000_000)
    assert not any("spot (" in way.name for way in without)


def test_ten_times_less_than_the_guidance_but_for_the_pictures_sent() -> None:
    """What docs/cost.md says, and what prevents more."""
    found = parts(month())
    total = month().total()
    assert 412 / total >= 8
    assert 412 / (total - found["pictures shown"]) > 10
    assert 412 / month(free=True).total() > 10


def test_the_cheapest_is_a_config_and_costs_less() -> None:
    cheapest = Config.load(CHEAPEST)
    assert month(config=cheapest).total() < month().total()
    fit = sizes.fit(cheapest, 900_000, MEASURED)
    assert fit
    assert fit.warnings == []


def test_the_default_domain_holds_what_it_is_said_to_hold() -> None:
    fine, over = (sizes.fit(Config(), n, MEASURED) for n in (250_000, 260_000))
    assert fine
    assert fine.warnings == []
    assert over
    assert "from disk, slowly" in over.warnings[0]
    # 2 GiB, half of it heap, half a GiB for the system.
    assert sizes.cache("t3.small.search") == 0.5 * 2**30


def test_a_domain_that_is_too_small_is_told_with_one_that_is_not() -> None:
    made, _ = report(["--images", "5000000"], PRICES.read)
    said = made.warnings()
    assert "read from disk" in said[0]
    assert "writes will be refused" in said[1]
    right = made.domain(5_050_000)
    assert f'opensearch_instance = "{right.instance}"' in said[2]
    better = replace(
        made.config,
        opensearch_instance=right.instance,
        opensearch_nodes=right.nodes,
        opensearch_volume_gb=right.volume_gb,
    )
    assert replace(made, config=better).warnings() == []


def test_every_price_has_a_source_and_every_line_a_price() -> None:
    assert all(source.startswith("https://aws.amazon.com/") for source in PRICES.sources())
    everything = Config(vpc=True, search_provisioned=1, web_acl_arn="arn:aws:wafv2:x")
    for config in (everything, replace(everything, auth="iam", architecture="arm64")):
        for x in month(config=config).lines():
            assert PRICES.table[x.price].source
            assert x.usd == PRICES[x.price]


def test_every_figure_was_measured_by_a_command_or_assumed_for_a_reason() -> None:
    assert MEASURED.machine
    for name, figure in MEASURED.figures().items():
        assert bool(figure.command) != bool(figure.why), name
        if figure.command:
            module = figure.command.removeprefix("python -m ").replace(".", "/") + ".py"
            target = figure.command.split()[1]
            makefile = (ROOT / "Makefile").read_text()
            assert (ROOT / module).is_file() or f"\n{target}:" in makefile, figure.command


def test_an_unknown_region_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--region", "mars-north-1"]) == 2
    said = capsys.readouterr().err
    assert "There are no prices for mars-north-1; there are for us-east-1, us-west-2." in said


def test_an_instance_without_a_price_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "deploy.toml"
    path.write_text('opensearch_instance = "x9.huge.search"\n')
    assert main(["--config", str(path)]) == 2
    assert "has no opensearch.x9.huge.search for us-east-1" in capsys.readouterr().err


def test_prices_older_than_a_year_warn() -> None:
    fresh, _ = report([], PRICES.read + timedelta(days=365))
    old, _ = report([], PRICES.read + timedelta(days=366))
    assert fresh.warnings() == []
    assert old.warnings() == [f"These prices are as of {PRICES.read}, more than a year ago."]
    assert old.warnings()[0] in old.as_text()


def table(**changes: Any) -> str:
    return json.dumps(json.loads(TABLE.read_text()) | changes)


ROW = {"unit": "hour", "source": "https://aws.amazon.com/x", "usd": {"us-east-1": 1.0}}


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        table(read="some day"),
        table(prices={"x": {**ROW, "source": ""}}),
        table(prices={"x": {**ROW, "usd": {}}}),
        table(prices={"x": {**ROW, "usd": {"us-east-1": -1}}}),
        table(prices={"x": {**ROW, "usd": {"us-east-1": "1"}}}),
    ],
)
def test_a_table_of_another_form_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="is no price table"):
        Prices.load("us-east-1", path)


def test_a_table_of_ones_own_brings_its_region(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(TABLE.read_text())
    for row in told["prices"].values():
        row["usd"] = {"eu-central-1": 2 * next(iter(row["usd"].values()))}
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(told))
    assert main(["--region", "eu-central-1", "--prices", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["region"] == "eu-central-1"
    assert found["month"] == pytest.approx(2 * month().total(), abs=0.01)


def test_a_region_counts_only_if_every_price_is_known_there(tmp_path: Path) -> None:
    told = json.loads(TABLE.read_text())
    del told["prices"]["opensearch.gp3"]["usd"]["us-west-2"]
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(told))
    with pytest.raises(ConfigurationError, match="there are for us-east-1\\."):
        Prices.load("us-west-2", path)


def test_json_has_every_quantity_figure_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["month"] == pytest.approx(
        sum(x["dollars"] for x in found["lines"] if x["part"] != PHOTOS), abs=0.01
    )
    assert found["idle_month"] < found["month"]
    assert {way["name"].split(",")[0] for way in found["backfill"]["ways"]} >= {"Lambda", "Fargate"}
    assert found["sources"] == PRICES.sources()
    assert found["prices_read"] == PRICES.read.isoformat()


def test_free_tiers_are_counted_only_when_asked_for_and_never_below_nothing() -> None:
    plain, free = month(), month(free=True)
    assert free.total() < plain.total()
    assert all(x.dollars >= 0 for x in free.lines())
    # Ten metrics and a dashboard cost nothing; the domain has no free part here.
    assert line(free, "watching", "dashboard").dollars == 0
    assert parts(free)["OpenSearch"] == parts(plain)["OpenSearch"]
    twice = [x for x in free.lines() if x.price == "lambda.request"]
    assert sum(x.free for x in twice) <= 1_000_000


COUNTS = st.integers(0, 10**7)


@given(images=COUNTS, more=COUNTS, searches=COUNTS, new=COUNTS, free=st.booleans())
def test_more_images_never_cost_less(
    images: int, more: int, searches: int, new: int, free: bool
) -> None:
    few = Use(images=images, searches=searches, new_images=new)
    many = replace(few, images=images + more)
    assert month(many, free=free).total() >= month(few, free=free).total()


@given(images=COUNTS, searches=COUNTS, new=COUNTS, more=COUNTS)
def test_more_searches_and_more_uploads_never_cost_less(
    images: int, searches: int, new: int, more: int
) -> None:
    use = Use(images=images, searches=searches, new_images=new)
    least = month(use).total()
    assert month(replace(use, searches=searches + more)).total() >= least
    assert month(replace(use, new_images=new + more)).total() >= least


def test_nothing_of_use_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match="images must be 0 or more"):
        Use(images=-1, searches=0)
    with pytest.raises(ConfigurationError, match="photo must be one of 12mp, 500px"):
        Use(images=1, searches=0, photo="raw")


def test_docs_show_what_the_command_prints() -> None:
    shown = (ROOT / "docs" / "cost.md").read_text()
    made, _ = report([], date(2026, 11, 26))
    assert f"```\n{made.as_text()}```\n" in shown


def test_docs_say_how_many_times_less_it_is() -> None:
    shown = " ".join((ROOT / "docs" / "cost.md").read_text().split())
    total, free = month().total(), month(free=True).total()
    without = total - parts(month())["pictures shown"]
    idle = month(Use(images=100_000, searches=0)).total()
    assert f"this is {412 / total:.1f} times less" in shown
    assert f"without the pictures that go to those who search {412 / without:.1f} times" in shown
    assert f"(`--free-tier`) {412 / free:.1f} times: {free:.2f} dollars" in shown
    assert f"27.50 of {idle:.2f} dollars without any use" in shown


def test_docs_show_the_cheapest_config() -> None:
    assert f"```toml\n{CHEAPEST.read_text()}```\n" in (ROOT / "docs" / "cost.md").read_text()
