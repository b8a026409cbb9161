"""Decoding in real child processes, and decoders that misbehave.

`bad_decoders` makes children misbehave without a hook in the product: a `sitecustomize` on the
children's PYTHONPATH replaces `chalicelib.images.open_upright` with one that looks for words in
the image's bytes ("abort", "exit", "loop" …) and otherwise decodes as ever.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from chalicelib import images
from chalicelib.clip.pixels import PixelSpec, to_pixels
from chalicelib.decoding import DecoderPool, Gate, Limits, frames
from chalicelib.decoding.process import Child
from chalicelib.errors import (
    DecoderUnavailable,
    OutOfTime,
    Permanent,
    TooLarge,
    UnreadableImage,
)
from tests.unit.pictures import encoded, exif, scene
from tests.unit.sentences import faults

ROOT = Path(__file__).resolve().parents[2]
SPEC = PixelSpec("shortest", 32, 32, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
GOOD = encoded(scene(80, 60), "PNG")

Pools = Callable[..., DecoderPool]


@pytest.fixture
def pools() -> Iterator[Pools]:
    """Makes pools, and closes them after the test."""
    made: list[DecoderPool] = []

    def make(size: int = 1, **limits: float) -> DecoderPool:
        made.append(DecoderPool(size, Limits(**limits)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for pool in made:
        pool.close()


BAD_DECODER = """
import importlib.abc, importlib.machinery, sys

WORDS = (b"abort", b"exit", b"loop", b"sleep", b"memory", b"print", b"frame", b"raise", b"lie",
         b"pause", b"stuck")

class Soon:
    def isoformat(self):
        return "soon"

def misbehave(data, images):
    import os, signal, time
    word = next((w for w in WORDS if data.startswith(b"BAD " + w)), b"")
    if word == b"abort":
        os.abort()
    if word == b"exit":
        os._exit(0)
    if word == b"loop":
        if path := data.split(b"\\n")[0].partition(b"|")[2]:
            with open(path, "a") as journal:
                journal.write("+")
        while True:
            pass
    if word == b"sleep":
        time.sleep(3600)
    if word == b"memory":
        kept = []
        while True:
            kept.append(bytearray(b"x" * (16 << 20)))
    if word == b"print":
        print("libdecoder: warning, odd chunk", flush=True)
        os.write(1, b"and past Python too")
    if word == b"frame":
        os.write(1, bytes(100_000))
    if word == b"raise":
        raise RuntimeError("a bug of ours, not the image's")
    if word == b"pause":
        with open(data.split(b"\\n")[0].split(b"|")[1], "a") as journal:
            journal.write("+"); journal.flush()
            time.sleep(0.3)
            journal.write("-")
    if word == b"stuck":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(3600)
    return word

def patch(images):
    open_upright, read_header = images.open_upright, images.read_header
    good = {}

    def bad_open(data, **limits):
        word = misbehave(data, images)
        picture = open_upright(data.split(b"\\n", 1)[1] if word else data, **limits)
        if word == b"lie":
            object.__setattr__(picture, "taken_at", Soon())
        return picture

    def bad_header(data, **limits):
        bad = data.startswith(b"BAD ")
        return read_header(data.split(b"\\n", 1)[1] if bad else data, **limits)

    images.open_upright, images.read_header = bad_open, bad_header

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "chalicelib.images":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (run(module), patch(module))
        return spec

sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def bad_decoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BAD_DECODER)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def bad(word: str, note: str = "") -> bytes:
    return b"BAD " + word.encode() + b"|" + note.encode() + b"\n" + GOOD


def refusal(pool: DecoderPool, data: bytes) -> Permanent:
    with pytest.raises(Permanent) as caught:
        pool.prepare(data, SPEC)
    assert faults(caught.value.message) == []
    return caught.value


def children_of(pool: DecoderPool) -> list[int]:
    return [child.process.pid for child in pool._all]


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(FileNotFoundError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    ps = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return ps.stdout.strip()[:1] not in ("", "Z")


def wait_until(true: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return true()


# --- the same as in-process -------------------------------------------------------------------


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_a_child_gives_the_pixels_and_facts_that_decoding_here_gives(
    pools: Pools, format: str
) -> None:
    data = encoded(scene(300, 200), format, exif=exif({0x010F: "Canon", 0x0112: 6}))
    here = images.open_upright(data)
    there = pools().prepare(data, SPEC)
    assert np.array_equal(there.pixels, to_pixels(here.image, SPEC))
    assert there.pixels.shape == (32, 32, 3)
    assert there.thumbnail == images.thumbnail(here.image)
    assert there.perceptual_hash == images.perceptual_hash(images.small(here.image))
    higher = here.height > here.width
    assert there.placeholder == images.placeholder(images.small(here.image), higher=higher)
    assert (there.width, there.height) == here.image.size
    facts = ("format", "taken_at", "camera", "location")
    assert [getattr(there, f) for f in facts] == [getattr(here, f) for f in facts]


def test_time_and_place_come_through_the_pipe_whole(pools: Pools) -> None:
    tags = exif(
        {},
        ifds={
            0x8769: {0x9003: "2019:05:04 12:30:00", 0x9011: "+02:00"},
            0x8825: {1: "S", 2: (33.0, 30.0, 0.0), 3: "E", 4: (70.0, 0.0, 0.0)},
        },
    )
    data = encoded(scene(), "JPEG", exif=tags)
    here, there = images.open_upright(data), pools().prepare(data, SPEC)
    assert there.taken_at is not None
    assert there.taken_at.isoformat() == "2019-05-04T12:30:00+02:00"
    assert there.location == here.location is not None


def test_no_thumbnail_is_made_unless_asked_for(pools: Pools) -> None:
    assert pools().prepare(GOOD, SPEC, thumbnail=False).thumbnail == b""


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", UnreadableImage),
        (b"no image", UnreadableImage),
        (GOOD[:1000], UnreadableImage),
        (encoded(scene(400, 300), "PNG"), TooLarge),
    ],
    ids=["empty", "text", "cut", "large"],
)
def test_a_refusal_comes_through_the_pipe_as_it_was(
    pools: Pools, data: bytes, kind: type[Permanent]
) -> None:
    pool = pools(max_pixels=100_000)
    with pytest.raises(kind) as here:
        images.open_upright(data, max_pixels=100_000)
    there = refusal(pool, data)
    assert (type(there), there.message, there.code) == (kind, here.value.message, here.value.code)
    assert pool.prepare(GOOD, SPEC).format == "png"
    assert len(children_of(pool)) == 1


def test_one_child_serves_many_images(pools: Pools) -> None:
    pool = pools()
    pool.prepare(GOOD, SPEC)
    first = children_of(pool)
    for _ in range(20):
        pool.prepare(GOOD, SPEC)
    assert children_of(pool) == first


# --- decoders that misbehave ------------------------------------------------------------------


@pytest.mark.usefixtures("bad_decoders")
@pytest.mark.parametrize(
    ("word", "limits", "reason"),
    [
        ("abort", {}, "the decoder crashed"),
        ("exit", {}, "the decoder crashed"),
        ("loop", {"cpu_seconds": 1}, "decoding took over 1 s of processor time"),
        ("sleep", {"wall_seconds": 4.5}, "decoding took over 4.5 s"),
        ("raise", {}, "the decoder crashed"),
    ],
)
def test_a_decoder_that_dies_or_hangs_costs_its_image_only(
    pools: Pools, word: str, limits: dict[str, float], reason: str
) -> None:
    pool = pools(**limits)
    before = pool.prepare(GOOD, SPEC)
    error = refusal(pool, bad(word))
    assert isinstance(error, UnreadableImage)
    assert error.message == f"The image could not be decoded: {reason}."
    after = pool.prepare(GOOD, SPEC)
    assert np.array_equal(before.pixels, after.pixels)


@pytest.mark.usefixtures("bad_decoders")
def test_a_decoder_that_used_up_its_processor_time_gets_no_second_try(
    pools: Pools, tmp_path: Path
) -> None:
    pool = pools(cpu_seconds=1)
    journal = tmp_path / "journal"
    error = refusal(pool, bad("loop", str(journal)))
    assert error.message.endswith("over 1 s of processor time.")
    assert journal.read_text() == "+"


@pytest.mark.usefixtures("bad_decoders")
def test_a_decoder_that_hangs_beyond_its_callers_time_is_ended_and_may_try_again(
    pools: Pools,
) -> None:
    pool = pools()
    pool.prepare(GOOD, SPEC)
    (first,) = children_of(pool)
    with pytest.raises(OutOfTime):
        pool.prepare(bad("sleep"), SPEC, until=time.monotonic() + 1)
    assert pool.prepare(GOOD, SPEC).format == "png"
    assert children_of(pool) != [first]


@pytest.mark.usefixtures("bad_decoders")
def test_who_waits_for_a_decoder_waits_no_longer_than_its_time(pools: Pools) -> None:
    pool = pools(wall_seconds=5)
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(refusal, pool, bad("sleep"))
        assert wait_until(lambda: bool(children_of(pool)))
        with pytest.raises(OutOfTime):
            pool.prepare(GOOD, SPEC, until=time.monotonic() + 0.2)
        assert isinstance(busy.result(timeout=60), UnreadableImage)
    assert pool.prepare(GOOD, SPEC).format == "png"


@pytest.mark.usefixtures("bad_decoders")
def test_a_decoder_that_eats_memory_costs_its_image_only(pools: Pools) -> None:
    pool = pools(memory=1536 * 1024**2)
    error = refusal(pool, bad("memory"))
    assert isinstance(error, TooLarge)
    assert "memory" in error.message
    assert pool.prepare(GOOD, SPEC).format == "png"


def test_a_child_that_has_hardly_begun_is_not_interrupted(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C in a terminal reaches children while they still import what they need."""
    child = Child(Limits())
    try:
        os.kill(child.process.pid, signal.SIGINT)
        answer, _ = child.ask({"op": "open", "max_pixels": 10**6}, [GOOD])
        assert answer["format"] == "png"
    finally:
        child.end()
    assert "Traceback" not in capfd.readouterr().err
    # Whoever started it still is.
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.usefixtures("bad_decoders")
def test_what_a_decoder_prints_does_not_get_into_the_answers(pools: Pools) -> None:
    pool = pools()
    expected = pool.prepare(GOOD, SPEC)
    for _ in range(3):
        assert np.array_equal(pool.prepare(bad("print"), SPEC).pixels, expected.pixels)
    assert np.array_equal(pool.prepare(bad("frame"), SPEC).pixels, expected.pixels)
    assert len(children_of(pool)) == 1


@pytest.mark.usefixtures("bad_decoders")
def test_an_answer_that_makes_no_sense_is_the_images_fault(pools: Pools) -> None:
    pool = pools()
    error = refusal(pool, bad("lie"))
    assert error.message == "The image could not be decoded: the decoder answered nonsense."
    assert pool.prepare(GOOD, SPEC).camera == ""


def test_a_child_that_dies_between_images_is_replaced(pools: Pools) -> None:
    pool = pools()
    pool.prepare(GOOD, SPEC)
    (first,) = children_of(pool)
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: not alive(first))
    assert pool.prepare(GOOD, SPEC).format == "png"
    (second,) = children_of(pool)
    assert second != first


@pytest.mark.usefixtures("bad_decoders")
def test_an_image_whose_child_was_killed_by_something_else_gets_a_second_try(
    pools: Pools, tmp_path: Path
) -> None:
    pool = pools()
    pool.prepare(GOOD, SPEC)
    (first,) = children_of(pool)
    journal = tmp_path / "journal"
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(pool.prepare, bad("pause", str(journal)), SPEC)
        assert wait_until(journal.exists)
        os.kill(first, signal.SIGKILL)
        assert answer.result(timeout=60).format == "png"
    assert journal.read_text() == "++-"


@pytest.mark.usefixtures("bad_decoders")
def test_a_child_that_stops_reading_does_not_hold_its_caller(pools: Pools) -> None:
    """More bytes than a pipe holds, and nobody who takes them."""
    pool = pools(wall_seconds=3)
    pool.prepare(GOOD, SPEC)
    (first,) = children_of(pool)
    os.kill(first, signal.SIGSTOP)
    started = time.monotonic()
    # The stopped child is given up after its time; a fresh one then reads the same image.
    prepared = pool.prepare(encoded(scene(700, 500), "BMP"), SPEC)
    assert (prepared.width, prepared.height) == (700, 500)
    assert 2.9 < time.monotonic() - started < 60
    assert not alive(first)


@pytest.mark.usefixtures("bad_decoders")
def test_threads_share_few_children_and_bad_images_hurt_no_others(pools: Pools) -> None:
    pool = pools(2)
    expected = pool.prepare(GOOD, SPEC)
    work = [GOOD, bad("abort"), GOOD, b"no image", GOOD, bad("exit"), GOOD, bad("raise")] * 3

    def run(data: bytes) -> object:
        try:
            return pool.prepare(data, SPEC).pixels
        except Permanent as error:
            return error.message

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(run, work))
    for data, answer in zip(work, answers, strict=True):
        if data is GOOD:
            assert isinstance(answer, np.ndarray)
            assert np.array_equal(answer, expected.pixels)
        else:
            assert isinstance(answer, str)
            assert faults(answer) == []
    assert len(children_of(pool)) <= 2


def test_an_interrupted_question_does_not_answer_the_next_one(pools: Pools) -> None:
    """Whoever raises between question and answer (Ctrl-C) must not leave the answer behind."""
    pool = pools()
    pool.prepare(GOOD, SPEC)
    (child,) = pool._all

    class Interrupted(BaseException):
        pass

    real_read = child._read

    def interrupt(size: int, deadline: float) -> bytes:
        child._read = real_read  # type: ignore[method-assign]
        raise Interrupted

    child._read = interrupt  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        pool.prepare(encoded(scene(100, 90, seed=5), "PNG"), SPEC)
    prepared = pool.prepare(GOOD, SPEC)
    assert (prepared.width, prepared.height) == (80, 60)


# --- the gate ---------------------------------------------------------------------------------


def test_a_gate_lets_no_more_through_than_its_budget() -> None:
    gate, lock = Gate(100), threading.Lock()
    inside, most = 0, 0

    def enter(amount: int) -> None:
        nonlocal inside, most
        with gate(amount):
            with lock:
                inside += amount
                most = max(most, inside)
            time.sleep(0.002)
            with lock:
                inside -= amount

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(enter, [30, 50, 70, 20, 100, 10] * 10))
    assert inside == 0
    assert 70 < most <= 100


def test_more_than_the_whole_budget_goes_alone() -> None:
    gate, large_in, large_may_go, small_in = Gate(100), *(threading.Event() for _ in range(3))

    def large() -> None:
        with gate(1_000_000):
            large_in.set()
            large_may_go.wait(20)

    def small() -> None:
        with gate(1):
            small_in.set()

    with ThreadPoolExecutor(2) as threads:
        threads.submit(large)
        assert large_in.wait(20)
        threads.submit(small)
        assert not small_in.wait(0.2)
        large_may_go.set()
        assert small_in.wait(20)


def test_an_error_inside_the_gate_gives_its_room_back() -> None:
    gate = Gate(10)
    with pytest.raises(RuntimeError), gate(10):
        raise RuntimeError
    with gate(10):
        pass


@pytest.mark.usefixtures("bad_decoders")
def test_images_are_decoded_within_the_gates_pixels(pools: Pools, tmp_path: Path) -> None:
    """Each image has 4,800 pixels: two fit in 10,000, though four children stand ready."""
    journal = tmp_path / "journal"
    pool, gate = pools(4), Gate(10_000)
    with ThreadPoolExecutor(4) as threads:
        data = bad("pause", str(journal))
        list(threads.map(lambda _: pool.prepare(data, SPEC, gate=gate), range(8)))
    depth, most = 0, 0
    for mark in journal.read_text():
        depth += 1 if mark == "+" else -1
        most = max(most, depth)
    assert (journal.read_text().count("+"), depth, most) == (8, 0, 2)


@pytest.mark.usefixtures("bad_decoders")
def test_a_decoder_that_dies_gives_the_gates_room_back(pools: Pools) -> None:
    pool, gate = pools(), Gate(4_800)
    for _ in range(2):
        with pytest.raises(UnreadableImage):
            pool.prepare(bad("abort"), SPEC, gate=gate)
    assert pool.prepare(GOOD, SPEC, gate=gate).format == "png"


# --- the end ----------------------------------------------------------------------------------


def test_closing_leaves_no_child_and_may_be_done_twice(pools: Pools) -> None:
    pool = pools(2)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: pool.prepare(GOOD, SPEC), range(8)))
    pids = children_of(pool)
    assert pids
    pool.close()
    pool.close()
    assert [pid for pid in pids if alive(pid)] == []


def test_a_pool_that_was_never_used_closes_too(pools: Pools) -> None:
    pools().close()


def test_a_closed_pool_says_so(pools: Pools) -> None:
    pool = pools()
    pool.prepare(GOOD, SPEC)
    pool.close()
    for _ in range(2):
        with pytest.raises(DecoderUnavailable) as caught:
            pool.prepare(GOOD, SPEC)
        assert faults(caught.value.message) == []


@pytest.mark.usefixtures("bad_decoders")
def test_closing_ends_a_child_at_work_and_its_caller_is_told_at_once(
    pools: Pools, tmp_path: Path
) -> None:
    pool = pools()
    pool.prepare(GOOD, SPEC)
    pids = children_of(pool)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.prepare, bad("stuck"), SPEC)
        time.sleep(0.5)
        pool.close()
        with pytest.raises(DecoderUnavailable):
            waiting.result(timeout=20)
    assert [pid for pid in pids if alive(pid)] == []


def test_a_machine_that_cannot_start_processes_is_transient(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DecoderUnavailable) as caught:
        pools().prepare(GOOD, SPEC)
    assert faults(caught.value.message) == []


PARENT = """
import sys, threading
from chalicelib.decoding import DecoderPool, Limits
from tests.unit.test_decoding import GOOD, SPEC, bad, children_of
pool = DecoderPool(2, Limits(wall_seconds=2))
threads = [threading.Thread(target=pool.prepare, args=(GOOD, SPEC)) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
if sys.argv[1] == "busy":
    threading.Thread(target=pool.prepare, args=(bad("stuck"), SPEC), daemon=True).start()
    import time; time.sleep(0.7)
print(*children_of(pool), flush=True)
sys.stdin.read()
"""


@pytest.mark.usefixtures("bad_decoders")
@pytest.mark.parametrize("at_work", ["idle", "busy"])
def test_children_end_when_their_parent_is_killed(at_work: str) -> None:
    path = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, at_work],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=ROOT,
    )
    with parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert pids
        assert all(alive(pid) for pid in pids)
        parent.kill()
    assert wait_until(lambda: not any(alive(pid) for pid in pids), seconds=15)


def test_a_child_started_by_hand_speaks_frames_and_ends_with_its_input() -> None:
    """What the pipe carries is a length, JSON and raw bytes: nothing is unpickled."""
    asked = b"".join(frames.pack({"op": "open", "max_pixels": 100_000}, [GOOD]))
    answer = subprocess.run(
        [sys.executable, "-m", "chalicelib.decoding.child", str(3 << 30), "30", "90"],
        input=asked,
        capture_output=True,
        cwd=ROOT,
        check=True,
    ).stdout
    size = int.from_bytes(answer[:4], "big")
    assert json.loads(answer[4 : 4 + size]) == {
        "format": "png",
        "width": 80,
        "height": 60,
        "blobs": [],
    }


# --- frames -----------------------------------------------------------------------------------


def reader(data: bytes) -> Callable[[int], bytes]:
    rest = [data]

    def read(size: int) -> bytes:
        part, rest[0] = rest[0][:size], rest[0][size:]
        return part

    return read


def test_a_frame_comes_out_as_it_went_in() -> None:
    packed = b"".join(frames.pack({"op": "é", "n": 1}, [b"", b"abc", bytes(300)]))
    assert frames.unpack(reader(packed)) == (
        {"op": "é", "n": 1, "blobs": [0, 3, 300]},
        [b"", b"abc", bytes(300)],
    )


def test_a_frame_that_breaks_off_anywhere_is_an_end() -> None:
    packed = b"".join(frames.pack({"op": "open"}, [b"abc"]))
    assert [frames.unpack(reader(packed[:n])) for n in range(len(packed))] == [None] * len(packed)


def framed(header: str) -> bytes:
    return len(header).to_bytes(4, "big") + header.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x04nope",
        framed('{"blobs": [-1]}'),
        framed('{"blobs": [9999999999]}'),
        framed('{"blobs": ["3"]}'),
    ],
    ids=["long header", "no JSON", "negative blob", "long blob", "blob of text"],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        frames.unpack(reader(data))
