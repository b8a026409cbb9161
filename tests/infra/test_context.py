"""The build context: exactly what the Dockerfiles copy, the same on every machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from chalicelib.clip import load_clip
from chalicelib.errors import ConfigurationError, ModelError
from infra.context import BATCH, FUNCTION, GPU, ROOT, context_hash, main, sources, stage
from infra.models import deployed_model, source_model
from tests.unit import tiny_clip


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_context_holds_the_product_and_its_model_and_nothing_else(
    tiny: Path, tmp_path: Path
) -> None:
    stage(tmp_path / "context", tiny)
    held = names(tmp_path / "context")
    assert {name.split("/")[0] for name in held} == {
        *("app.py", "chalicelib", "container_embedder", "model", "Dockerfile", "Dockerfile.gpu"),
        *("requirements.txt", "requirements-batch.txt", "requirements-gpu.txt"),
    }
    assert {Path(name).suffix for name in held if not name.startswith("model/")} == {
        *(".py", ".txt", ".gpu", ""),
    }
    assert load_clip(tmp_path / "context" / "model").fingerprint == load_clip(tiny).fingerprint


def test_every_file_of_the_packages_is_copied_or_builds_the_image() -> None:
    """A file of data that some room comes to need must not be left behind."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "chalicelib",
         "container_embedder"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    copied = {path.relative_to(ROOT).as_posix() for path, _ in sources()}
    left = {name for name in tracked if name not in copied}
    assert {Path(name).suffix for name in left} <= {".in"}


def test_the_hash_is_of_names_and_bytes_alone(tiny: Path, tmp_path: Path) -> None:
    first = stage(tmp_path / "one", tiny)
    elsewhere = shutil.copytree(tiny, tmp_path / "moved" / "tiny")
    for path in elsewhere.rglob("*"):
        os.utime(path, (1, 1))
    (elsewhere / "identity.json").unlink(missing_ok=True)
    assert stage(tmp_path / "two", elsewhere) == first
    assert names(tmp_path / "one") == names(tmp_path / "two")


@pytest.mark.parametrize("change", ["bytes", "name", "gone", "more", "border"])
def test_whatever_changes_in_the_context_changes_the_hash(change: str, tmp_path: Path) -> None:
    folder = tmp_path / "context"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "b").write_bytes(b"one")
    (folder / "c").write_bytes(b"two")
    before = context_hash(folder)
    if change == "bytes":
        (folder / "c").write_bytes(b"tow")
    elif change == "name":
        (folder / "c").rename(folder / "d")
    elif change == "gone":
        (folder / "c").unlink()
    elif change == "more":
        (folder / "empty").touch()
    else:
        (folder / "a" / "b").write_bytes(b"onetwo")
        (folder / "c").write_bytes(b"")
    assert context_hash(folder) != before


def test_the_hash_does_not_depend_on_the_python_or_the_day(tmp_path: Path) -> None:
    (tmp_path / "é").mkdir()
    (tmp_path / "é" / "b.txt").write_bytes(b"content")
    (tmp_path / "Z").write_bytes(b"")
    assert context_hash(tmp_path) == "e7197ff16b0a6191"


def test_everyone_may_read_the_context(tiny: Path, tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        stage(tmp_path / "context", tiny)
    finally:
        os.umask(mask)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {True: 0o755, False: 0o644}


def test_linked_weights_are_copied_and_other_forms_beside_them_are_not(
    tiny: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(tiny, tmp_path / "tiny")
    weights = model / "onnx" / "vision_model.onnx"
    weights.rename(tmp_path / "blob")
    weights.symlink_to(tmp_path / "blob")
    for name in ("onnx/vision_model_q4.onnx", "pytorch_model.bin", "notes.txt"):
        (model / name).write_bytes(b"not wanted")
    (model / "LICENSE").write_text("MIT")
    (model / "calibration.npz").write_bytes(b"what its vectors are measured by")
    stage(tmp_path / "context", model)
    held = names(tmp_path / "context" / "model")
    assert not (tmp_path / "context" / "model" / "onnx" / "vision_model.onnx").is_symlink()
    assert held == names(tiny) - {"identity.json"} | {"LICENSE", "calibration.npz"}


def test_a_model_that_is_absent_or_broken_is_refused_with_a_sentence(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"nowhere does not exist\."):
        stage(tmp_path / "context", tmp_path / "nowhere")
    model = shutil.copytree(tiny, tmp_path / "tiny")
    text = model / "onnx" / "text_model.onnx"
    text.write_bytes(text.read_bytes()[:-40])
    with pytest.raises(ModelError, match="text_model"):
        stage(tmp_path / "context", model)
    assert not (tmp_path / "context").exists()


def test_a_folder_that_holds_something_is_no_place_for_a_context(
    tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(ConfigurationError, match="needs an empty folder"):
        stage(tmp_path, tiny)
    assert names(tmp_path) == {"photo.jpg"}


def test_each_image_has_its_own_tag_and_stage() -> None:
    tags = {image.tag("0123456789abcdef", "arm64") for image in (FUNCTION, BATCH, GPU)}
    assert len(tags) == 3
    assert FUNCTION.tag("0123456789abcdef", "x86_64") == "function-x86_64-0123456789abcdef"
    arguments = BATCH.build_arguments("arm64")
    assert " ".join(arguments) == (
        "--file Dockerfile --target batch --build-arg REQUIREMENTS=requirements-batch.txt "
        "--platform linux/arm64 --provenance=false"
    )


def test_a_model_is_a_folder_or_what_was_fetched(tiny: Path, tmp_path: Path) -> None:
    assert source_model(str(tiny), tmp_path) == tiny
    fetched = shutil.copytree(tiny, tmp_path / "models" / "clip-vit-base-patch32")
    assert source_model("Xenova/clip-vit-base-patch32", tmp_path) == fetched
    with pytest.raises(ConfigurationError, match=r"make model MODEL=Xenova/other\)"):
        source_model("Xenova/other", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="is not a model folder"):
        source_model(str(tmp_path / "empty"), tmp_path)


def test_a_context_can_be_made_by_hand(
    tiny: Path, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 2
    assert main([str(tmp_path / "context"), str(tmp_path / "nowhere")]) == 1
    assert "error: There is no model" in capsys.readouterr().err
    model = shutil.copytree(tiny, tmp_path / "tiny")
    assert main([str(tmp_path / "context"), str(model)]) == 0
    assert capsys.readouterr().out == f"{context_hash(tmp_path / 'context')}\n"
    baked = load_clip(tmp_path / "context" / "model")
    assert baked.fingerprint == load_clip(tiny).fingerprint


def test_the_deploy_form_is_made_once_and_made_again_for_another_model(
    tiny: Path, samples: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(tiny, tmp_path / "tiny")
    form = deployed_model(str(model))
    assert (form.name, load_clip(form).form) == ("tiny-int8", "int8")
    assert (form / "calibration.npz").read_bytes() == (model / "calibration.npz").read_bytes()
    made = (form / "optimised.json").stat()
    assert deployed_model(str(model)) == form
    assert (form / "optimised.json").stat() == made
    (form / "calibration.npz").unlink()
    assert load_clip(deployed_model(str(model))).calibration is not None
    tiny_clip.build(tmp_path / "other", seed=1)
    shutil.rmtree(model)
    (tmp_path / "other").rename(model)
    again = load_clip(deployed_model(str(model)))
    assert again.fingerprint == load_clip(model).fingerprint
    assert again.fingerprint != load_clip(tiny).fingerprint


def test_a_model_in_int8_is_refused_for_gpus_with_a_sentence(
    tiny: Path, samples: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(tiny, tmp_path / "tiny")
    form = deployed_model(str(model))
    assert deployed_model(str(form)) == form
    with pytest.raises(ConfigurationError, match="set gpu = false"):
        deployed_model(str(form), device="gpu")
    assert load_clip(deployed_model(str(model), device="gpu"), device="cpu").form == "fp16"
