"""Where a graph runs: the processor, or an NVIDIA device through onnxruntime's CUDA provider.

onnxruntime goes back to the processor with a warning where CUDA cannot be had
(https://onnxruntime.ai/docs/execution-providers/); here nothing is believed of a provider but
what a session that was opened with it says.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, Literal, get_args

from chalicelib.errors import ConfigurationError

Device = Literal["auto", "cpu", "cuda"]
"""What may be asked for. "auto": CUDA where it can be had, else the processor."""

Provider = tuple[str, dict[str, str]]

CPU_BATCH = 32
"""Rows in one run: more is no faster on a CPU, and needs more memory."""
CUDA_BATCH = 128
"""Rows in one run on a device that is half idle with fewer."""

MOST_SAID = 320
"""Characters of a library's message that are passed on."""

_CPU: Provider = ("CPUExecutionProvider", {})
_CUDA: Provider = (
    "CUDAExecutionProvider",
    {
        # By default the arena doubles, and cuDNN tries every algorithm for each new batch size.
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
    },
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where graphs run: onnxruntime's providers in order, and the rows of one run.

    `memory`: the device whose memory inputs and outputs are bound to; None: handed over as arrays.
    """

    name: Literal["cpu", "cuda"]
    providers: tuple[Provider, ...]
    batch: int
    memory: Literal["cpu", "cuda"] | None = None


CPU = Place("cpu", (_CPU,), CPU_BATCH)
CUDA = Place("cuda", (_CUDA, _CPU), CUDA_BATCH, memory="cuda")


def place_of(device: Device) -> Place:
    """The place for `device`. Raises ConfigurationError where it cannot be had."""
    if device not in get_args(Device):
        raise ConfigurationError(
            f"The device is one of {', '.join(get_args(Device))}, not {device!r}."
        )
    if device == "cpu":
        return CPU
    reason = why_no_cuda()
    if reason is None:
        return CUDA
    if device == "auto":
        return CPU
    raise ConfigurationError(f"The device cuda cannot be used: {reason}")


def device_for(device: Device, form: str) -> Device:
    """`device` for weights held as `form`; "auto" is decided later, by who runs the model.

    8-bit weights stay on the processor: the operators that make int8 of activations have no CUDA
    kernels, so a graph of them would be sent to and fro. Raises ConfigurationError where "cuda" is
    asked for them, or cannot be had.
    """
    if form in ("int8", "uint8") and device in ("auto", "cuda"):
        if device == "cuda":
            raise ConfigurationError(
                f"The device cuda is not for weights held as {form}. "
                "Give it the model's fp16 or fp32 folder, or set the device to cpu."
            )
        return "cpu"
    if device != "auto":
        place_of(device)
    return device


@functools.cache
def why_no_cuda() -> str | None:
    """None where CUDA works; else a sentence. Tried once."""
    import onnxruntime

    return reason_against_cuda(onnxruntime)


def reason_against_cuda(runtime: Any, library: Callable[[str], Any] | None = None) -> str | None:
    """`runtime` is the onnxruntime module, a graph of one node is opened with it; `library` loads
    the driver's."""
    name = _CUDA[0]
    there = runtime.get_available_providers()
    if name not in there:
        return (
            f"this onnxruntime has no {name} (it has {', '.join(there)}). "
            "Install onnxruntime-gpu in place of onnxruntime."
        )
    return _reason_against_driver(library) or _reason_against_session(runtime)


def _reason_against_driver(library: Callable[[str], Any] | None) -> str | None:
    """https://docs.nvidia.com/cuda/cuda-driver-api/: 0 is success, 100 means no device."""
    import ctypes

    try:
        driver = (library or ctypes.CDLL)("libcuda.so.1")
    except OSError:
        return (
            "there is no NVIDIA driver (libcuda.so.1). Install it; in a container, start that "
            "with its devices (docker run --gpus all)."
        )
    count = ctypes.c_int()
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status not in (0, 100):
        return f"the NVIDIA driver gives error {status}. See what nvidia-smi says."
    if status == 100 or count.value < 1:
        return "the NVIDIA driver finds no device. See what nvidia-smi lists."
    return None


def _reason_against_session(runtime: Any) -> str | None:
    name = _CUDA[0]
    said = io.StringIO()
    try:
        # It looks for the libraries that the nvidia-* packages bring, and prints what it misses.
        with redirect_stdout(said):
            runtime.preload_dlls()
        session = runtime.InferenceSession(
            _ONE_NODE, providers=list(CUDA.providers), enable_fallback=False
        )
    except Exception as error:  # onnxruntime raises many kinds, with no common root
        return (
            f"CUDA does not start ({in_one_line(str(error))}). "
            "Check that nvidia-smi lists a device, and that its driver is new enough."
        )
    got = session.get_providers()
    if name in got:
        return None
    lacking = ", ".join(re.findall(r"Failed to load (\S+):", said.getvalue())) or "it does not say"
    return (
        f"onnxruntime has {name}, but opens a session with {', '.join(got)} only "
        f"(libraries it lacks: {lacking}). "
        "Install those of CUDA and cuDNN: pip install 'onnxruntime-gpu[cuda,cudnn]'."
    )


def open_session(graph: str | bytes, options: Any, place: Place) -> Any:
    """An onnxruntime session that raises, and does not go on with fewer providers, if one fails."""
    import onnxruntime

    return onnxruntime.InferenceSession(
        graph, options, providers=list(place.providers), enable_fallback=False
    )


def in_one_line(said: str) -> str:
    """What a library said, without where in its source it said it."""
    return _PLACES.sub("", " ".join(said.split())).strip()[:MOST_SAID]


_PLACES = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : "
    r"|Load model from .*? failed:"
    r"|/\S*onnxruntime\S*:\d+ .*?\)(?: const)? (?=[A-Z])"
)

_ONE_NODE = bytes.fromhex(
    "08083a320a0b0a017812017922034e65671201675a0f0a0178120a0a08080112040a02080162"
    "0f0a0179120a0a08080112040a02080142040a00100d"
)
"""x float [1] → Neg → y, as `onnx` writes it with opset 13."""
