"""Where a model runs: what is asked for is had, or refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from chalicelib.clip import load_clip
from chalicelib.clip.devices import (
    CPU,
    CUDA,
    device_for,
    place_of,
    reason_against_cuda,
    why_no_cuda,
)
from chalicelib.errors import ConfigurationError
from tests.unit import tiny_clip


class Driver:
    """Stands in for libcuda: what it answers, and how many devices it lists."""

    def __init__(self, *, started: int = 0, devices: int = 1) -> None:
        self.started = started
        self.devices = devices

    def cuInit(self, flags: int) -> int:
        return self.started

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.devices
        return 0


class Runtime:
    """Stands in for an onnxruntime that was built with CUDA: the libraries it lacks, the error it
    raises; without either it opens sessions with CUDA."""

    def __init__(self, *, lacks: tuple[str, ...] = (), raises: str = "") -> None:
        self.lacks = lacks
        self.raises = raises

    def get_available_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def preload_dlls(self) -> None:
        for name in self.lacks:
            print(f"Failed to load {name}: cannot open shared object file")  # noqa: T201

    def InferenceSession(self, graph: bytes, **options: Any) -> Runtime:
        onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        if self.raises:
            raise RuntimeError(self.raises)
        return self

    def get_providers(self) -> list[str]:
        return self.get_available_providers()[1 if self.lacks else 0 :]


def no_library(name: str) -> Any:
    raise OSError(f"{name}: cannot open shared object file")


def a_driver(**answers: int) -> Callable[[str], Any]:
    return lambda name: Driver(**answers)


def test_cuda_that_works_has_nothing_against_it() -> None:
    assert reason_against_cuda(Runtime(), a_driver()) is None


REASONS = {
    "no driver": (Runtime(), no_library, ["no NVIDIA driver", "libcuda.so.1", "--gpus all"]),
    "no device": (Runtime(), a_driver(started=100), ["finds no device", "nvidia-smi"]),
    "none listed": (Runtime(), a_driver(devices=0), ["finds no device"]),
    "driver fails": (Runtime(), a_driver(started=803), ["error 803", "nvidia-smi"]),
    "no libraries": (
        Runtime(lacks=("libcublas.so.13", "libcudnn.so.9")),
        a_driver(),
        ["CPUExecutionProvider only", "libcublas.so.13, libcudnn.so.9", "onnxruntime-gpu[cuda"],
    ),
    "old driver": (
        Runtime(raises="CUDA failure 35: CUDA driver version is insufficient"),
        a_driver(),
        ["does not start", "driver version is insufficient", "new enough"],
    ),
}


@pytest.mark.parametrize("case", REASONS)
def test_what_cuda_lacks_is_said(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    runtime, library, parts = REASONS[case]
    reason = reason_against_cuda(runtime, library)
    assert reason is not None
    assert [part for part in parts if part not in reason] == []
    assert capsys.readouterr().out == "", "stdout is for answers"


def test_an_onnxruntime_for_processors_only_is_named() -> None:
    class Plain(Runtime):
        def get_available_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    reason = reason_against_cuda(Plain(), a_driver())
    assert reason
    assert "it has CPUExecutionProvider" in reason
    assert "Install onnxruntime-gpu in place of onnxruntime" in reason


def test_cuda_is_had_or_refused_before_any_picture_and_auto_follows(tmp_path: Path) -> None:
    tiny_clip.build(tmp_path)
    if why_no_cuda() is None:
        assert (place_of("cuda"), place_of("auto")) == (CUDA, CUDA)
        assert load_clip(tmp_path, device="cuda").device == "cuda"
    else:
        assert place_of("auto") == CPU
        with pytest.raises(ConfigurationError, match="The device cuda cannot be used: "):
            load_clip(tmp_path, device="cuda")
    assert place_of("cpu") == CPU


@pytest.mark.parametrize("form", ["int8", "uint8"])
def test_weights_of_8_bits_stay_on_the_processor(form: str) -> None:
    assert (device_for("auto", form), device_for("cpu", form)) == ("cpu", "cpu")
    with pytest.raises(ConfigurationError, match=f"not for weights held as {form}. Give it the"):
        device_for("cuda", form)
    assert device_for("auto", "fp16") == "auto"


def test_a_device_of_no_known_name_is_refused(tmp_path: Path) -> None:
    tiny_clip.build(tmp_path)
    with pytest.raises(ConfigurationError, match="one of auto, cpu, cuda, not 'tpu'"):
        load_clip(tmp_path, device="tpu")  # type: ignore[arg-type]


def test_a_model_says_where_it_runs(tmp_path: Path) -> None:
    tiny_clip.build(tmp_path)
    assert load_clip(tmp_path, device="cpu").device == "cpu"
    assert load_clip(tmp_path).device == place_of("auto").name


def test_every_device_gives_the_same_vectors(tmp_path: Path) -> None:
    tiny_clip.build(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3)).astype(np.uint8)
    texts = [f"{'word ' * (n % 9)}red" for n in range(300)]
    one, other = load_clip(tmp_path, device="cpu"), load_clip(tmp_path, device="auto")
    for ours, theirs in (
        (one.embed_pixels(pixels), other.embed_pixels(pixels)),
        (one.embed_texts(texts), other.embed_texts(texts)),
    ):
        assert ((ours * theirs).sum(axis=1) >= 0.999).all()
