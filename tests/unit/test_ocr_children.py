"""Children that read text, and what goes wrong there: the picture is prepared all the same.

`bad_readers` makes reading misbehave without a hook in the product: a `sitecustomize` on the
children's PYTHONPATH replaces `TextReader.read` with one that does what the name of the folder of
recognisers says ("abort", "loop" …).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chalicelib.clip.pixels import PixelSpec
from chalicelib.decoding import DecoderPool, Gate, Limits, Prepared
from chalicelib.decoding import pool as pool_module
from tests.unit import written
from tests.unit.pictures import encoded, scene

pytestmark = pytest.mark.xdist_group("text_reader")

HALF = (0.5, 0.5, 0.5)
SPEC = PixelSpec("shortest", 32, 32, "bicubic", HALF, HALF)
SIGN = written.as_file(written.sign("PHARMACY", seed=1), "JPEG", quality=90)

Pools = Callable[..., DecoderPool]

BAD_READER = """
import importlib.abc, importlib.machinery, sys

def misbehave(self, image, *, fine=False):
    import os, time
    what = self._folder
    if what == "abort":
        os.abort()
    if what == "loop":
        while True:
            pass
    if what == "sleep":
        time.sleep(3600)
    if what == "memory":
        kept = []
        while True:
            kept.append(bytearray(b"x" * (16 << 20)))
    if what == "raise":
        raise RuntimeError("a bug of the reader's")
    if what == "print":
        print("downloading ...", flush=True)
        os.write(1, b"and past Python too")
        return "pharmacy"
    return 7

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "chalicelib.ocr.reader":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        def patched(module):
            run(module)
            module.TextReader.read = misbehave
        spec.loader.exec_module = patched
        return spec

sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def pools() -> Iterator[Pools]:
    """Makes pools, and closes them after the test."""
    made: list[DecoderPool] = []

    def make(folder: str = "", **limits: float) -> DecoderPool:
        made.append(DecoderPool(1, Limits(**limits), ocr_folder=folder))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for pool in made:
        pool.close()


@pytest.fixture
def bad_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BAD_READER)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What is logged of text that was not read."""
    said: list[dict[str, object]] = []

    class Kept:
        def warning(self, message: str, **fields: object) -> None:
            said.append({"message": message, **fields})

    monkeypatch.setattr(pool_module, "logger", Kept())
    return said


def same_but_for_the_text(one: Prepared, other: Prepared) -> bool:
    names = [n for n in Prepared.__dataclass_fields__ if n not in ("text", "pixels")]
    same = all(getattr(one, n) == getattr(other, n) for n in names)
    return same and np.array_equal(one.pixels, other.pixels)


@pytest.fixture(scope="module")
def plain() -> Prepared:
    """The sign as it is prepared without being read."""
    pool = DecoderPool(1)
    try:
        return pool.prepare(SIGN, SPEC)
    finally:
        pool.close()


def test_text_comes_with_the_picture_where_it_is_asked_for(pools: Pools, plain: Prepared) -> None:
    read = pools().prepare(SIGN, SPEC, read_text=True)
    assert (plain.text, read.text) == ("", "PHARMACY")
    assert same_but_for_the_text(read, plain)


def test_a_large_photo_that_is_decoded_smaller_is_read_in_enough_detail(pools: Pools) -> None:
    photo = scene(4000, 3000)
    small = written.sign("PHARMACY").crop((40, 160, 400, 340))
    photo.paste(small, (500, 2000))
    data = encoded(photo, "JPEG", quality=90)
    pool = pools()
    read = pool.prepare(data, SPEC, exact=False, read_text=True)
    plain = pool.prepare(data, SPEC, exact=False)
    assert read.text == "PHARMACY"
    assert (read.width, read.height) == (4000, 3000)
    assert np.abs(read.pixels.astype(int) - plain.pixels).max() <= 8


def test_a_picture_without_text_starts_no_reader(pools: Pools, bad_readers: None) -> None:
    smooth = encoded(Image.linear_gradient("L").convert("RGB"), "PNG")
    assert pools("abort").prepare(smooth, SPEC, read_text=True).text == ""


def test_one_picture_is_not_read_as_the_one_before(pools: Pools) -> None:
    pool = pools()
    other = written.as_file(written.line("Bakery"))
    texts = [pool.prepare(d, SPEC, read_text=True).text for d in (SIGN, other, SIGN)]
    assert texts == ["PHARMACY", "Bakery", "PHARMACY"]
    assert pool.prepare(other, SPEC).text == ""


@pytest.mark.parametrize(
    ("what", "limits", "reason"),
    [
        ("abort", {}, "crashed"),
        ("loop", {"cpu_seconds": 2}, "over 2 s of processor time"),
        ("sleep", {"wall_seconds": 5.0}, "over 5 s"),
        ("memory", {"memory": 1 << 30}, "more memory than is allowed"),
        ("raise", {}, "RuntimeError: a bug of the reader's"),
        ("nonsense", {}, ""),
    ],
)
def test_whatever_becomes_of_the_reading_the_picture_is_prepared_and_the_log_says_why(
    pools: Pools,
    bad_readers: None,
    plain: Prepared,
    warnings: list[dict[str, object]],
    what: str,
    limits: dict[str, float],
    reason: str,
) -> None:
    pool = pools(what, **limits)
    for _ in range(2):
        read = pool.prepare(SIGN, SPEC, read_text=True)
        assert same_but_for_the_text(read, plain)
        assert read.text == ("7" if what == "nonsense" else "")
    if reason:
        assert [w["message"] for w in warnings] == ["text not read"] * 2
        assert all(reason in str(w["reason"]) for w in warnings)
        assert warnings[0]["perceptual_hash"] == plain.perceptual_hash
    assert same_but_for_the_text(pool.prepare(SIGN, SPEC), plain)
    assert len(pool._all) == 1


def test_what_a_reader_prints_stays_out_of_the_pipe(
    pools: Pools, bad_readers: None, plain: Prepared
) -> None:
    read = pools("print").prepare(SIGN, SPEC, read_text=True)
    assert read.text == "pharmacy"
    assert same_but_for_the_text(read, plain)


def test_too_little_memory_for_the_models_costs_the_text_alone(
    pools: Pools, plain: Prepared, warnings: list[dict[str, object]]
) -> None:
    read = pools(memory=480 << 20).prepare(SIGN, SPEC, read_text=True)
    assert same_but_for_the_text(read, plain)
    assert read.text == ""
    assert [w["message"] for w in warnings] == ["text not read"]


def test_the_room_for_pixels_is_given_back_before_the_text_is_read(
    pools: Pools, bad_readers: None
) -> None:
    gate = Gate(800 * 600)
    pool = pools("sleep", wall_seconds=3.0)
    other = DecoderPool(1)
    try:
        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(pool.prepare, SIGN, SPEC, gate=gate, read_text=True)
            assert other.prepare(SIGN, SPEC, gate=gate).format == "jpeg"
            assert reading.result().text == ""
    finally:
        other.close()


def test_reading_needs_no_network_and_no_home(
    pools: Pools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every socket that a child opens would fail, and so would a file in the wheel."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os, socket\n"
        "def refuse(*given, **more): os.abort()\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("HOME", os.devnull)
    assert pools().prepare(SIGN, SPEC, read_text=True).text == "PHARMACY"
