"""A model is fetched from a hub: pinned, whole or not at all, and gone on with where it broke."""

from __future__ import annotations

import json
import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from chalicelib.clip import load_clip
from chalicelib.clip.folder import read_folder
from chalicelib.clip.identity import fingerprint
from chalicelib.errors import ConfigurationError, ModelError, Transient
from models import fetch as fetching
from models.fetch import Request, fetch
from models.fetch_file import Patience
from models.fetch_folder import RECORD, alone
from models.fetch_lock import Pin
from tests.integration.hub import TOKEN, Hub, hub
from tests.unit import tiny_clip, tiny_families
from tests.unit.pictures import encoded, scene

__all__ = ["hub"]

REPO = "tests/tiny-clip"
VISION, TEXT = "onnx/vision_model.onnx", "onnx/text_model.onnx"
NEEDED = {
    "LICENSE",
    "README.md",
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    VISION,
    TEXT,
}
NOT_NEEDED = {
    ".gitattributes": 10,
    "pytorch_model.bin": 5000,
    "model.safetensors": 5000,
    "onnx/model.onnx": 5000,
    "onnx/model_quantized.onnx": 5000,
    "onnx/vision_model_fp16.onnx": 5000,
    "rknn/model.rknn": 5000,
}
AT_ONCE = Patience((0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository's files: the tiny CLIP, its vision graph padded to 600 kB, and other forms."""
    folder = tiny_clip.build(tmp_path_factory.mktemp("published") / "tiny")
    grow(folder / VISION)
    (folder / "LICENSE").write_text("MIT")
    (folder / "README.md").write_text("# Tiny")
    for name, size in NOT_NEEDED.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(bytes(size))
    return folder


def grow(graph: Path, size: int = 600_000) -> None:
    """Make a graph larger without changing what it computes."""
    model = onnx.load(graph)
    model.doc_string = random.Random(0).randbytes(size // 2).hex()
    onnx.save(model, graph)


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No one's own token or proxy, and no connection left open."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield
    from huggingface_hub import close_session

    close_session()


@pytest.fixture
def request_(hub: Hub, published: Path, tmp_path: Path) -> Request:
    """For the tiny CLIP, which the hub has."""
    hub.add(REPO, published)
    return Request(REPO, tmp_path / "models/tiny", lock=tmp_path / "lock", endpoint=hub.endpoint)


def change(request: Request, **changes: Any) -> Request:
    return Request(**({name: getattr(request, name) for name in request.__slots__} | changes))


def get(request: Request) -> Pin:
    return fetch(request, AT_ONCE)


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


# --- what comes ---------------------------------------------------------------------------------


def test_a_fetched_folder_loads_and_embeds(request_: Request, published: Path) -> None:
    get(request_)
    clip, own = load_clip(request_.out), load_clip(published)
    texts = ["red", "a blue thing"]
    assert np.array_equal(clip.embed_texts(texts), own.embed_texts(texts))
    picture = [encoded(scene(), "PNG")]
    assert np.array_equal(clip.embed_images(picture), own.embed_images(picture))


def test_only_what_the_loader_reads_is_asked_for(hub: Hub, request_: Request) -> None:
    get(request_)
    asked = {r.path.rpartition(hub.repos[REPO].commit + "/")[2] for r in hub.files_asked()}
    assert asked == NEEDED
    assert names(request_.out) == NEEDED | {RECORD}
    assert sum("/resolve/" not in r.path and not r.cdn for r in hub.requests) == 1


def test_nothing_is_left_beside_the_folder(request_: Request) -> None:
    get(request_)
    assert [p.name for p in sorted(request_.out.parent.iterdir())] == [".tiny.lock", "tiny"]


def test_the_first_fetch_is_written_into_the_lock(hub: Hub, request_: Request) -> None:
    pin = get(request_)
    noted = json.loads(request_.lock.read_text())["models"][REPO]["fp32"]
    assert noted["commit"] == pin.commit == hub.repos[REPO].commit
    assert noted["revision"] == "main"
    assert set(noted["files"]) == NEEDED
    files = hub.repos[REPO].files
    assert all(entry["size"] == len(files[name]) for name, entry in noted["files"].items())


def test_a_second_fetch_asks_the_hub_nothing(hub: Hub, request_: Request) -> None:
    first = get(request_)
    hub.requests.clear()
    assert get(request_) == first
    assert hub.requests == []


def test_the_fingerprint_is_that_of_the_same_folder_anywhere(
    request_: Request, published: Path, tmp_path: Path
) -> None:
    get(request_)
    copy = shutil.copytree(published, tmp_path / "copy")
    assert fingerprint(read_folder(request_.out)) == fingerprint(read_folder(copy))


def test_weights_that_lie_apart_come_by_the_names_the_graphs_say(
    hub: Hub, request_: Request, published: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(published, tmp_path / "apart")
    name = "2202c01a-47f5-11ef-ab4b-00155d655292"
    onnx.save(
        onnx.load(folder / VISION),
        folder / VISION,
        save_as_external_data=True,
        location=name,
        size_threshold=0,
    )
    (folder / "onnx/other.onnx_data").write_bytes(bytes(1000))
    hub.add(REPO, folder)
    pin = get(request_)
    assert set(pin.files) == NEEDED | {f"onnx/{name}"}
    assert load_clip(request_.out).embed_images([encoded(scene(), "PNG")]).shape == (1, 16)
    # With the lock, the same files come without a look at the graphs or the list.
    shutil.rmtree(request_.out)
    hub.requests.clear()
    assert get(request_) == pin
    assert not any("/api/" in r.path for r in hub.requests)


def test_an_immich_folder_comes_with_its_towers_and_nothing_for_other_runtimes(
    hub: Hub, request_: Request, published: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "immich"
    for old, new in (
        (VISION, "visual/model.onnx"),
        (TEXT, "textual/model.onnx"),
        ("tokenizer.json", "textual/tokenizer.json"),
        ("tokenizer_config.json", "textual/tokenizer_config.json"),
    ):
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(published / old, folder / new)
    config = {"embed_dim": 16, "vision_cfg": {"image_size": 32}, "text_cfg": {"context_length": 77}}
    (folder / "config.json").write_text(json.dumps(config))
    preprocess = {
        "size": [32, 32],
        "mode": "RGB",
        "mean": tiny_clip.MEAN,
        "std": tiny_clip.STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "fill_color": 0,
    }
    (folder / "visual/preprocess_cfg.json").write_text(json.dumps(preprocess))
    wanted = names(folder)
    for name in (
        "visual/fp16/model.armnn",
        "textual/rknpu/rk3588/model.rknn",
        "textual/vocab.json",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes(1000))
    hub.add(REPO, folder)
    assert set(get(request_).files) == wanted
    picture = [encoded(scene(), "PNG")]
    vectors = [load_clip(f).embed_images(picture) for f in (request_.out, published)]
    assert np.array_equal(*vectors)


def test_a_token_goes_to_the_hub_and_not_to_its_cdn(
    hub: Hub, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos[REPO].needs_token = True
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    get(request_)
    assert {r.authorization for r in hub.requests if not r.cdn} == {f"Bearer {TOKEN}"}
    assert {r.authorization for r in hub.requests if r.cdn} == {None}


# --- pins ---------------------------------------------------------------------------------------


@pytest.fixture
def moved_on(hub: Hub, request_: Request, published: Path, tmp_path: Path) -> Pin:
    """The pin of a model whose repository has another text tower since."""
    pin = get(request_)
    newer = shutil.copytree(published, tmp_path / "newer")
    shutil.copy(tiny_clip.build(tmp_path / "other", seed=7) / TEXT, newer / TEXT)
    hub.add(REPO, newer)
    hub.requests.clear()
    return pin


def test_what_is_pinned_is_fetched_though_the_branch_moved_on(
    hub: Hub, request_: Request, moved_on: Pin
) -> None:
    shutil.rmtree(request_.out)
    assert get(request_) == moved_on
    assert not any("/api/" in r.path for r in hub.requests)
    assert (request_.out / TEXT).read_bytes() == hub.history[moved_on.commit][TEXT]


def test_update_pins_anew_and_downloads_only_what_changed(
    hub: Hub, request_: Request, moved_on: Pin
) -> None:
    pin = get(change(request_, update=True))
    assert pin.commit == hub.repos[REPO].commit != moved_on.commit
    assert {r.path.rpartition(pin.commit + "/")[2] for r in hub.files_asked()} == {TEXT}
    assert (request_.out / TEXT).read_bytes() == hub.repos[REPO].files[TEXT]
    assert json.loads(request_.lock.read_text())["models"][REPO]["fp32"]["commit"] == pin.commit
    hub.requests.clear()
    get(request_)
    assert hub.requests == []


def test_what_its_owner_put_into_the_folder_stays_in_it(request_: Request, moved_on: Pin) -> None:
    own = {"search_config.json": '{"query_template": "a photo of a {}"}', "onnx/notes.txt": "mine"}
    for name, text in own.items():
        (request_.out / name).write_text(text)
    assert get(change(request_, update=True)).commit != moved_on.commit
    assert {name: (request_.out / name).read_text() for name in own} == own
    assert read_folder(request_.out).text.query_template == "a photo of a {}"


def test_another_revision_than_the_pinned_is_refused(request_: Request, moved_on: Pin) -> None:
    with pytest.raises(ConfigurationError, match=f"{moved_on.commit}.*--update") as caught:
        get(change(request_, revision="v2"))
    assert caught.value.field == "revision"
    assert get(change(request_, revision=moved_on.commit)) == moved_on
    assert get(change(request_, revision="main")) == moved_on


def test_a_folder_that_is_there_is_pinned_where_the_lock_was_lost(
    hub: Hub, request_: Request, moved_on: Pin
) -> None:
    before = request_.lock.read_bytes()
    request_.lock.unlink()
    assert get(request_) == moved_on
    assert request_.lock.read_bytes() == before
    assert hub.requests == []


def test_a_damaged_file_and_only_that_is_fetched_again(hub: Hub, request_: Request) -> None:
    get(request_)
    hub.requests.clear()
    whole = (request_.out / TEXT).read_bytes()
    (request_.out / TEXT).write_bytes(whole[:-1] + b"?")
    get(request_)
    assert (request_.out / TEXT).read_bytes() == whole
    assert {r.path.rpartition("/")[2] for r in hub.files_asked()} == {"text_model.onnx"}


def test_bytes_other_than_the_pinned_are_refused(
    hub: Hub, request_: Request, moved_on: Pin
) -> None:
    lock = json.loads(request_.lock.read_text())
    entry = lock["models"][REPO]["fp32"]["files"]["config.json"]
    right, entry["sha256"] = entry["sha256"], "0" * 64
    request_.lock.write_text(json.dumps(lock))
    shutil.rmtree(request_.out)
    with pytest.raises(ModelError, match=r"hash differs: config\.json") as caught:
        get(request_)
    assert caught.value.code == "hash_differs"
    said = caught.value.message
    assert "0" * 64 in said
    assert right in said
    assert "--update" in said
    assert not request_.out.exists()


@pytest.mark.parametrize("name", [VISION, "tokenizer.json"])
def test_a_first_fetch_is_checked_by_what_the_hub_lists(
    hub: Hub, request_: Request, name: str
) -> None:
    hub.faults.corrupt.add(name)
    with pytest.raises(ModelError, match=f"hash differs: {name}"):
        get(request_)
    assert not request_.out.exists()
    assert not request_.lock.exists()
    hub.faults.corrupt.clear()
    get(request_)
    assert load_clip(request_.out).dim == 16


@pytest.mark.parametrize(
    "body",
    [
        "{",
        '{"version": 2, "models": {}}',
        '{"version": 1, "models": {"tests/tiny-clip": {"fp32": {"commit": "main"}}}}',
        '{"version": 1, "models": {"tests/tiny-clip": {"fp32": {"commit": "' + "a" * 40 + '", '
        '"revision": "main", "files": {"../x": {"size": 1, "sha256": "' + "b" * 64 + '"}}}}}}',
    ],
)
def test_a_damaged_lock_is_refused(hub: Hub, request_: Request, body: str) -> None:
    request_.lock.write_text(body)
    with pytest.raises(ConfigurationError, match="lock"):
        get(request_)
    assert hub.requests == []
    assert request_.lock.read_text() == body


def test_a_lock_that_cannot_be_written_is_said_before_anything_is_downloaded(
    hub: Hub, request_: Request, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="--lock"):
        get(change(request_, lock=tmp_path / "nowhere/models.lock"))
    assert hub.requests == []


# --- breaks -------------------------------------------------------------------------------------


def test_a_broken_download_goes_on_where_it_stopped(hub: Hub, request_: Request) -> None:
    hub.faults.cuts[VISION] = [100_000, 200_000]
    get(request_)
    asked = [r for r in hub.files_asked() if r.path.endswith("vision_model.onnx")]
    assert [r.range for r in asked] == [None, "bytes=100000-", "bytes=300000-"]
    assert sum(r.sent for r in asked) == len(hub.repos[REPO].files[VISION])
    assert (request_.out / VISION).read_bytes() == hub.repos[REPO].files[VISION]


def test_a_server_without_ranges_is_asked_for_the_whole_again(hub: Hub, request_: Request) -> None:
    hub.faults.cuts[VISION] = [100_000]
    hub.faults.no_ranges = True
    get(request_)
    assert (request_.out / VISION).read_bytes() == hub.repos[REPO].files[VISION]


def test_a_server_that_keeps_breaking_off_is_given_up_and_gone_on_with(
    hub: Hub, request_: Request
) -> None:
    hub.faults.cuts[VISION] = [50_000] * 4
    with pytest.raises(Transient, match=r"200,000 of .* in 4 tries.*goes on from there"):
        get(request_)
    assert not request_.out.exists()
    get(request_)
    assert hub.sent("vision_model.onnx") == len(hub.repos[REPO].files[VISION])
    # What was whole already came once.
    assert hub.sent("tokenizer.json") == len(hub.repos[REPO].files["tokenizer.json"])


def test_a_part_that_was_damaged_on_disk_is_found_out(hub: Hub, request_: Request) -> None:
    hub.faults.cuts[VISION] = [50_000] * 4
    with pytest.raises(Transient):
        get(request_)
    (part,) = request_.out.parent.glob(".fetching-*/parts/onnx/vision_model.onnx")
    part.write_bytes(bytes(200_000))
    with pytest.raises(ModelError, match="hash differs"):
        get(request_)
    get(request_)
    assert (request_.out / VISION).read_bytes() == hub.repos[REPO].files[VISION]


def test_a_busy_hub_is_asked_again(hub: Hub, request_: Request) -> None:
    hub.faults.statuses = {"api": [503, 429], VISION: [500, 502]}
    get(request_)
    assert load_clip(request_.out).dim == 16


def test_a_busy_hub_may_say_when_to_come_again(
    hub: Hub, request_: Request, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.faults.statuses = {"api": [429]}
    hub.faults.headers = {"Retry-After": "1"}
    get(request_)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "429" in line)
    assert line.endswith("trying again in 1 s")


def test_a_hub_that_stays_busy_is_said_to_be(hub: Hub, request_: Request) -> None:
    hub.faults.statuses = {"api": [503] * 9}
    with pytest.raises(Transient, match="503") as caught:
        get(request_)
    assert caught.value.code == "hub_busy"
    assert len(hub.requests) == 4


# --- refusals -----------------------------------------------------------------------------------


def test_an_unknown_model_is_said_to_be_one_or_closed(request_: Request) -> None:
    with pytest.raises(ConfigurationError, match=r"no such model.*HF_TOKEN"):
        get(change(request_, repo="tests/none"))


def test_an_unknown_model_is_named_to_those_with_a_token(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(ConfigurationError, match="There is no model tests/none") as caught:
        get(change(request_, repo="tests/none"))
    assert TOKEN not in caught.value.message


def test_a_gated_model_names_its_page_and_the_token(hub: Hub, request_: Request) -> None:
    hub.repos[REPO].gated = True
    with pytest.raises(ConfigurationError, match=f"conditions at {hub.endpoint}/{REPO}.*HF_TOKEN"):
        get(request_)


def test_an_unknown_revision_is_named(request_: Request) -> None:
    with pytest.raises(ConfigurationError, match="no revision 'v9'") as caught:
        get(change(request_, revision="v9"))
    assert caught.value.field == "revision"


@pytest.mark.parametrize("repo", ["", "a b/c", "a/b/c", "../etc", "/x"])
def test_what_cannot_be_a_name_is_refused(hub: Hub, request_: Request, repo: str) -> None:
    with pytest.raises(ConfigurationError, match="OWNER/NAME"):
        get(change(request_, repo=repo))
    assert hub.requests == []


def test_a_missing_file_is_named_beside_what_there_is(
    hub: Hub, request_: Request, published: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(published, tmp_path / "lacking")
    (folder / "tokenizer.json").unlink()
    hub.add(REPO, folder)
    with pytest.raises(ModelError, match=r"lacks tokenizer\.json\. The repository holds onnx/"):
        get(request_)


def altered(published: Path, folder: Path, name: str, **fields: object) -> Path:
    """A copy of the repository with other fields in one of its JSON files."""
    shutil.copytree(published, folder)
    value = json.loads((folder / name).read_text()) | fields
    (folder / name).write_text(json.dumps(value))
    return folder


def test_a_kind_of_model_that_would_not_load_is_refused_before_its_weights_come(
    hub: Hub, request_: Request, published: Path, tmp_path: Path
) -> None:
    hub.add(REPO, altered(published, tmp_path / "odd", "config.json", model_type="bert"))
    with pytest.raises(ModelError, match="'bert'"):
        get(request_)
    assert [r.path.rpartition("/")[2] for r in hub.files_asked()] == ["config.json"]
    assert [p.name for p in request_.out.parent.iterdir()] == [".tiny.lock"]


def test_a_model_the_loader_refuses_does_not_come_into_place(
    hub: Hub, request_: Request, published: Path, tmp_path: Path
) -> None:
    hub.add(REPO, altered(published, tmp_path / "odd", "preprocessor_config.json", resample=9))
    with pytest.raises(ModelError, match=r"no model that can be loaded: .*resample"):
        get(request_)
    assert not request_.out.exists()
    assert not request_.lock.exists()


def test_jina_clip_comes_with_its_one_graph(hub: Hub, request_: Request, tmp_path: Path) -> None:
    folder = tiny_families.jina(tmp_path / "jina", combined=True)
    hub.add(REPO, folder)
    get(request_)
    assert names(request_.out) == names(folder) | {RECORD}
    texts = ["one", "two three"]
    assert np.array_equal(
        load_clip(request_.out).embed_texts(texts), load_clip(folder).embed_texts(texts)
    )


def test_no_way_to_the_hub_is_said_with_its_address(request_: Request) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Transient, match=f"{closed} cannot be reached.*HF_ENDPOINT") as caught:
            get(change(request_, endpoint=closed))
    assert caught.value.code == "offline"


@pytest.mark.parametrize("endpoint", ["ftp://example.org", "huggingface.co", "http://[::1"])
def test_an_endpoint_that_is_no_address_is_said_to_be_none(
    request_: Request, endpoint: str
) -> None:
    with pytest.raises(ConfigurationError, match="HF_ENDPOINT"):
        get(change(request_, endpoint=endpoint))


@pytest.mark.parametrize("page", [b"<html>log in</html>", b"[]", b'{"id": "x"}', b"{}"])
def test_a_log_in_page_is_not_taken_for_a_hub(hub: Hub, request_: Request, page: bytes) -> None:
    hub.faults.page = page
    with pytest.raises(ModelError, match="HF_ENDPOINT"):
        get(request_)


def test_a_full_disk_is_said_before_the_weights_are_downloaded(
    hub: Hub, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=300_000)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(ConfigurationError, match=r"6\d\d kB .*room for 300 kB") as caught:
        get(request_)
    assert caught.value.code == "disk_full"
    assert hub.sent("vision_model.onnx") == 0


def test_a_folder_of_something_else_is_not_touched(hub: Hub, request_: Request) -> None:
    request_.out.mkdir(parents=True)
    (request_.out / "photo.jpg").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"not fetched.*--out"):
        get(request_)
    assert names(request_.out) == {"photo.jpg"}
    assert hub.requests == []


def test_a_folder_of_another_model_is_not_touched(
    hub: Hub, request_: Request, published: Path
) -> None:
    get(request_)
    hub.add("others/tiny-clip", published)
    with pytest.raises(ConfigurationError, match=f"holds {REPO}, not others/tiny-clip"):
        get(change(request_, repo="others/tiny-clip"))


def test_two_fetches_into_one_folder_do_not_mix(hub: Hub, request_: Request) -> None:
    with (
        alone(request_.out),
        pytest.raises(ConfigurationError, match="Another process is fetching"),
    ):
        get(request_)
    assert hub.requests == []
    get(request_)
