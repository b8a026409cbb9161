"""What every index promises (chalicelib/index/base.py): reading, writing, listing."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from index_helpers import (
    ANY,
    NOW,
    QUERY,
    bare,
    close_to,
    later,
    name_of,
    put,
    random_units,
    ready,
    scores_of,
    search_ids,
    tombstone,
    toward,
    unit,
    version_of,
)

from chalicelib.errors import InvalidRequest
from chalicelib.facts import Exposure, Location
from chalicelib.index.base import Index, Listing, Write
from chalicelib.records import STATES, Filters, ImageRecord
from chalicelib.sharding import Shard


def full_record() -> ImageRecord:
    """Every field set, none to its default."""
    return ImageRecord(
        id=name_of(1),
        bucket="photos",
        key="Été à la plage/𝕏 'quoted\" 🏖️\u200d\n\t\x00 end.jpg",
        name="👩‍👩‍👧 שלום \u202ereversed\u202c é e\u0301 \\ % _ ;--",
        collection="Été à la plage",
        owner="O'Brien\x00; DROP TABLE images; 日本",
        state="ready",
        etag='"0af1-7"',
        version_id="3/L4kqtJl=",
        bytes=2**53 + 1,
        format="heif",
        width=9000,
        height=7000,
        taken_at=datetime(2019, 7, 1, 23, 59, 59, 999999, timezone(timedelta(hours=-9.5))),
        uploaded_at=datetime(2024, 2, 29, 1, 2, 3, 4, timezone.utc),
        indexed_at=datetime(2024, 3, 1, 0, 0, 0, 1, timezone.utc),
        camera="Fujifilm X100Ⅵ",
        lens='XF 23mm ƒ/2 "II"',
        exposure=Exposure(seconds=1 / 3, f_number=None, iso=12800, focal_mm=23.0),
        location=Location(-33.856784123456, 151.215297000001),
        sha256="f" * 64,
        perceptual_hash="c3d2e1f0",
        text="NO PARKING\n停车",
        text_model="reader-5",
        model="clip-vit-b-32-0123abcd",
        form="int8",
        calibration="0123456789ab",
        response=0.25,
        decoder_version=3,
        thumbnail_key="thumbs/ab.webp",
        placeholder="+/8A" * 12,
        reason="none",
        vector=QUERY * 4,
    )


def test_a_full_record_comes_back_exactly(index: Index) -> None:
    record = full_record()
    defaults = ImageRecord(
        id="", bucket="", key="", name="", collection="", state="ready", indexed_at=NOW
    )
    same = [n for n, v in asdict(defaults).items() if n != "vector" and getattr(record, n) == v]
    assert same == ["state"], "this test must set every field"
    put(index, record)
    read = index.read([record.id])[record.id].record
    found = index.search(QUERY, ANY, limit=1, ranked=1).hits[0].record
    listed = index.list(ANY, ["ready"], limit=1).records[0]
    assert read == found == listed == record
    assert read.taken_at is not None
    assert read.taken_at.utcoffset() == timedelta(hours=-9.5)


def test_odd_text_can_be_filtered_by(index: Index) -> None:
    record = full_record()
    put(index, record, ready(2))
    both = Filters(collection=record.collection, owner=record.owner)
    assert search_ids(index, both) == [record.id]


def test_records_come_without_their_vectors(index: Index) -> None:
    put(index, ready(1))
    assert index.read([name_of(1)])[name_of(1)].record.vector is None
    assert index.search(QUERY, ANY, limit=1, ranked=1).hits[0].record.vector is None
    assert index.list(ANY, ["ready"], limit=1).records[0].vector is None


def test_the_vector_comes_back_bit_for_bit(index: Index) -> None:
    vector = random_units(1, seed=5)[0]
    put(index, ready(1, vector))
    stored = index.vector(name_of(1))
    assert stored is not None
    assert stored.dtype == np.float32
    assert stored.tobytes() == vector.tobytes()


def test_a_stored_vector_is_the_callers_to_change(index: Index, tolerance: float) -> None:
    mine = QUERY.copy()
    put(index, ready(1, mine))
    mine[:] = 0
    stored = index.vector(name_of(1))
    assert stored is not None
    stored[:] = 0
    hits = index.search(QUERY, ANY, limit=1, ranked=1).hits
    assert scores_of(hits) == close_to([1.0], tolerance)


def test_there_is_no_vector_for_the_unknown_and_the_deleted(index: Index) -> None:
    put(index, ready(1), tombstone(2), bare(3))
    put(index, tombstone(1))
    assert [index.vector(name_of(n)) for n in (1, 2, 3, 4)] == [None] * 4


def test_a_write_is_read_at_once(index: Index) -> None:
    for text in "abc":
        put(index, ready(1, text=text))
        assert index.read([name_of(1)])[name_of(1)].record.text == text


def test_read_leaves_out_the_unknown_and_gives_tombstones(index: Index) -> None:
    put(index, ready(1), tombstone(2))
    found = index.read([name_of(1), name_of(2), name_of(3), name_of(1)])
    assert set(found) == {name_of(1), name_of(2)}
    assert found[name_of(2)].record.state == "deleted"
    assert index.read([]) == {}


def test_many_records_are_written_and_read_in_one_call(index: Index) -> None:
    put(index, *(ready(n, row) for n, row in enumerate(random_units(1200))))
    assert len(index.read([name_of(n) for n in range(1300)])) == 1200
    assert index.write([]) == []


def test_create_is_refused_where_there_is_a_record(index: Index) -> None:
    put(index, ready(1, text="first"), tombstone(2))
    writes = [Write(ready(1, text="second"), None), Write(ready(2), None)]
    assert index.write(writes) == ["conflict", "conflict"]
    assert index.read([name_of(1)])[name_of(1)].record.text == "first"


def test_a_write_over_a_stale_version_is_refused(index: Index) -> None:
    put(index, ready(1, text="first"))
    stale = version_of(index, 1)
    put(index, ready(1, text="second"))
    assert index.write([Write(ready(1, text="third"), stale)]) == ["conflict"]
    assert index.write([Write(tombstone(1), stale)]) == ["conflict"]
    assert index.read([name_of(1)])[name_of(1)].record.text == "second"


def test_a_version_is_refused_where_there_is_no_record(index: Index) -> None:
    put(index, ready(1))
    assert index.write([Write(ready(2), version_of(index, 1))]) == ["conflict"]
    assert index.read([name_of(2)]) == {}


def test_each_write_of_a_batch_is_judged_by_itself_and_in_order(index: Index) -> None:
    put(index, ready(1, text="old"))
    held = version_of(index, 1)
    writes = [
        Write(ready(1, text="new"), held),
        Write(ready(1, text="stale by now"), held),
        Write(ready(2, text="made"), None),
        Write(ready(2, text="made twice"), None),
        Write(ready(3), (0, 0)),
        Write(ready(4), None),
    ]
    assert index.write(writes) == [
        "written", "conflict", "written", "conflict", "conflict", "written",
    ]  # fmt: skip
    found = index.read([name_of(n) for n in range(1, 5)])
    assert {name: held.record.text for name, held in found.items()} == {
        name_of(1): "new",
        name_of(2): "made",
        name_of(4): "",
    }


def test_every_write_gives_a_new_version(index: Index) -> None:
    seen = set()
    for _ in range(5):
        put(index, ready(1))
        seen.add(version_of(index, 1))
    assert len(seen) == 5


def test_versions_are_never_used_again_after_a_purge(index: Index) -> None:
    seen = set()
    for _ in range(4):
        put(index, ready(1))
        seen.add(version_of(index, 1))
        put(index, tombstone(1))
        seen.add(version_of(index, 1))
        assert index.purge(later(seconds=1)) == 1
        assert index.write([Write(ready(1), version) for version in seen]) == [
            "conflict" for _ in seen
        ]
    assert len(seen) == 8


def test_a_tombstone_leaves_answers_and_stays_readable(index: Index) -> None:
    put(index, ready(1), ready(2))
    put(index, tombstone(1))
    assert search_ids(index) == [name_of(2)]
    assert search_ids(index, Filters(collection="trips")) == [name_of(2)]
    assert index.list(ANY, ["ready"], limit=10).total == 1
    assert index.read([name_of(1)])[name_of(1)].record.state == "deleted"


def test_a_tombstone_may_come_before_any_record(index: Index) -> None:
    assert index.write([Write(tombstone(1), None)]) == ["written"]
    assert index.write([Write(ready(1), None)]) == ["conflict"]


def test_a_deleted_image_can_come_back(index: Index, tolerance: float) -> None:
    put(index, ready(1))
    put(index, tombstone(1))
    put(index, ready(1, toward(0.5)))
    hits = index.search(QUERY, ANY, limit=5, ranked=5).hits
    assert scores_of(hits) == close_to([0.5], tolerance)


def test_counts_name_every_state(index: Index) -> None:
    assert index.counts() == dict.fromkeys(STATES, 0)
    put(index, ready(1), ready(2), tombstone(3), bare(4), bare(5, state="archived"))
    assert index.counts() == {"ready": 2, "rejected": 1, "archived": 1, "deleted": 1}
    put(index, tombstone(1))
    assert index.counts() == {"ready": 1, "rejected": 1, "archived": 1, "deleted": 2}


def test_purge_takes_old_tombstones_only(index: Index) -> None:
    put(
        index,
        ready(1, indexed_at=later(days=-9)),
        bare(2, indexed_at=later(days=-9)),
        tombstone(3, indexed_at=later(days=-9)),
        tombstone(4, indexed_at=NOW),
        tombstone(5, indexed_at=later(microseconds=-1)),
    )
    assert index.purge(NOW) == 2
    assert set(index.read([name_of(n) for n in range(1, 6)])) == {
        name_of(1), name_of(2), name_of(4),
    }  # fmt: skip
    assert index.purge(NOW) == 0


def test_a_tombstone_written_again_is_not_old(index: Index) -> None:
    put(index, tombstone(1, indexed_at=later(days=-9)))
    put(index, tombstone(1, indexed_at=NOW))
    assert index.purge(NOW) == 0
    assert index.counts()["deleted"] == 1


def test_scan_gives_every_record_once(index: Index) -> None:
    records = [
        ready(n, etag=f"e{n}", thumbnail_key=f"t{n}", calibration=f"c{n}", text_model=f"r{n}")
        for n in range(2500)
    ]
    put(index, *records, tombstone(3000, key="gone.jpg", model="m", decoder_version=7))
    found = list(index.scan())
    assert len(found) == len({summary.id for summary in found}) == 2501
    by_id = {summary.id: summary for summary in found}
    assert by_id[name_of(7)] == (name_of(7), "trips/7.jpg", "e7", "ready", "", 0, "t7", "c7", "r7")
    assert by_id[name_of(3000)] == (name_of(3000), "gone.jpg", "", "deleted", "m", 7, "", "", "")


def test_scan_goes_on_while_records_are_written(index: Index) -> None:
    put(index, *(ready(n) for n in range(2500)))
    seen = []
    for number, summary in enumerate(index.scan()):
        seen.append(summary.id)
        if number % 500 == 0:
            put(index, tombstone(number), ready(5000 + number))
    assert {name_of(n) for n in range(2500)} <= set(seen)
    assert len(seen) == len(set(seen))


def test_the_shards_of_a_scan_together_give_every_record_once(index: Index) -> None:
    put(index, *(ready(n) for n in range(2500)), tombstone(3000))
    everything = Counter(index.scan())
    for count in (1, 2, 7):
        shards = [Shard(number, count) for number in range(count)]
        scans = [list(index.scan(shard)) for shard in shards]
        for shard, scan in zip(shards, scans, strict=True):
            assert all(shard.holds(summary.id) for summary in scan)
            assert len(scan) > 2501 / count / 2
        assert Counter(summary for scan in scans for summary in scan) == everything


def test_a_shard_is_scanned_whole_while_records_are_written(index: Index) -> None:
    put(index, *(ready(n) for n in range(3000)))
    shard = Shard(1, 2)
    seen = []
    for number, summary in enumerate(index.scan(shard)):
        seen.append(summary.id)
        if number % 500 == 0:
            put(index, tombstone(number), ready(5000 + number))
    assert {name_of(n) for n in range(3000) if shard.holds(name_of(n))} <= set(seen)
    assert len(seen) == len(set(seen))


def listed(listing: Listing) -> list[str]:
    return [record.id for record in listing.records]


def test_listings_run_from_the_newest_upload_and_end_with_those_without_a_time(
    index: Index,
) -> None:
    put(
        index,
        ready(1, uploaded_at=later(microseconds=1)),
        ready(2, uploaded_at=NOW),
        ready(3, uploaded_at=NOW),
        ready(4, uploaded_at=None),
        ready(5, uploaded_at=None),
        ready(6, uploaded_at=later(days=-20_000)),
    )
    expected = [
        name_of(1),
        *sorted([name_of(2), name_of(3)]),
        name_of(6),
        *sorted([name_of(4), name_of(5)]),
    ]
    assert listed(index.list(ANY, ["ready"], limit=100)) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_listings_are_paged_without_gaps_or_repeats(index: Index, limit: int) -> None:
    put(index, *(ready(n, uploaded_at=later(days=n // 4) if n % 5 else None) for n in range(20)))
    whole = listed(index.list(ANY, ["ready"], limit=100))
    paged: list[str] = []
    after = None
    while page := index.list(ANY, ["ready"], limit=limit, after=after).records:
        paged += [record.id for record in page]
        after = (page[-1].uploaded_at, page[-1].id)
    assert paged == whole
    assert len(whole) == 20


def test_listings_keep_to_states_and_filters_and_count_all_that_match(index: Index) -> None:
    put(
        index,
        *(ready(n, collection="a" if n % 2 else "b") for n in range(10)),
        bare(20, collection="a"),
        tombstone(21, collection="a"),
    )
    found = index.list(Filters(collection="a"), ["ready", "rejected"], limit=3)
    assert (len(found.records), found.total) == (3, 6)
    assert index.list(ANY, ["deleted"], limit=9).total == 1
    assert index.list(ANY, STATES, limit=99).total == 12
    assert index.list(ANY, [], limit=9) == Listing([], 0)


@pytest.mark.parametrize(
    ("vector", "why"),
    [
        (np.zeros(8, dtype=np.float32), "length 0"),
        (QUERY * 2, "length 2"),
        (unit([1] * 7), r"shape \[7\]"),
        (unit([1] * 9), r"shape \[9\]"),
        (QUERY[None], r"shape \[1, 8\]"),
        (np.array([np.nan] + [0.0] * 7), "not finite"),
        (np.array([np.inf] + [0.0] * 7), "not finite"),
    ],
)
def test_a_bad_vector_is_refused_before_anything_is_written(
    index: Index, vector: np.ndarray, why: str
) -> None:
    with pytest.raises(InvalidRequest, match=why):
        index.write([Write(ready(1), None), Write(ready(2, vector), None)])
    assert index.counts()["ready"] == 0
    with pytest.raises(InvalidRequest, match=why):
        index.search(vector, ANY, limit=1, ranked=1)


def test_a_ready_record_needs_a_vector_and_no_other_may_have_one(index: Index) -> None:
    with pytest.raises(InvalidRequest, match="no vector"):
        index.write([Write(replace(ready(1), vector=None), None)])
    for state in STATES[1:]:
        with pytest.raises(InvalidRequest, match="only ready"):
            index.write([Write(ready(1, state=state), None)])
    assert sum(index.counts().values()) == 0


def test_times_without_an_offset_and_broken_text_are_refused(index: Index) -> None:
    naive = datetime(2024, 1, 1)
    for fields in ({"indexed_at": naive}, {"taken_at": naive}, {"uploaded_at": naive}):
        with pytest.raises(InvalidRequest, match="no UTC offset"):
            index.write([Write(ready(1, **fields), None)])
    with pytest.raises(InvalidRequest, match="not valid Unicode"):
        index.write([Write(ready(1, name="\ud800"), None)])


def test_ensure_and_close_may_be_called_twice(index: Index) -> None:
    index.ensure()
    put(index, ready(1))
    index.ensure()
    assert search_ids(index) == [name_of(1)]
    index.close()
    index.close()
