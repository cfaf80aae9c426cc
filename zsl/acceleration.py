"""Devices, processes, precision and memory, by Accelerate and torch."""

import ctypes
import os
import platform
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.tracking import get_available_trackers
from accelerate.utils import parse_flag_from_env

from embeddings.io.errors import InputError
from zsl.config import Precision

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
KEPT_BYTES = 2**31 - 1  # the largest that mallopt takes


def make_accelerator(precision: Precision, trackers: tuple[str, ...] = (), folder: Path | None = None) -> Accelerator:
    """An Accelerator: device, processes and precision. Afterwards, do not use an earlier one of the same process.

    Args:
        precision: of the arithmetic; "auto" is bf16 if the hardware computes in it, else float32.
        trackers: names of Accelerate's trackers ("tensorboard", "wandb", ...) to which training reports.
        folder: where trackers write.
    Returns:
        the accelerator.
    Raises:
        InputError: a precision that this machine lacks, a tracker that is not installed.
    """
    _check_gpus()
    if _state().device.type == "cpu":
        keep_freed_memory()
    if precision == "auto":
        precision = "bf16" if _multiplies_bf16() else "fp32"
    mixed = "no" if precision == "fp32" else precision
    if precision == "fp16" and _state().device.type == "cpu":
        raise InputError("train.precision = 'fp16' needs a GPU, and there is none; set train.precision to bf16 or fp32")
    there = sorted(str(getattr(found, "value", found)) for found in get_available_trackers())
    for tracker in trackers:
        if tracker not in there:
            raise InputError(f"train.trackers: {tracker!r} is not installed; installed: {', '.join(there) or 'none'}")
    AcceleratorState._reset_state()  # Accelerate refuses a second precision in one process
    try:
        return Accelerator(mixed_precision=mixed, log_with=list(trackers) or None, project_dir=folder)
    except (ValueError, ImportError, NotImplementedError) as error:
        raise InputError(f"train.precision = {precision!r}: {error}") from error


def keep_freed_memory() -> bool:
    """Lets the C library keep freed memory for the next tensors, instead of giving it back to the system at once.

    On a CPU, each step of a training frees large tensors and asks for tensors of the same sizes. By default, glibc maps
    them anew each time, and the system clears every page: up to half of the time
    (benchmarks/allocation.md). Peak memory grows by what lies between the blocks.

    Returns:
        whether it was set: not with another C library, nor where the environment sets it (`MALLOC_*_` or
        `GLIBC_TUNABLES`).
    """
    theirs = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in theirs):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))


def is_main_process() -> bool:
    """Whether this process is the one that prints and writes."""
    return _state().is_main_process


def _state() -> PartialState:
    """The processes and the device that every `Accelerator` of this process will have; the first call fixes them."""
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))


def memory_of(device: torch.device) -> int:
    """Total memory of a device in bytes; for the CPU, that of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _check_gpus() -> None:
    """Checks that each process on a machine with GPUs can have its own; Accelerate would fail with an error of CUDA.

    Raises:
        InputError: there are fewer GPUs than processes.
    """
    processes, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
    if 0 < gpus < processes and not parse_flag_from_env("ACCELERATE_USE_CPU"):
        raise InputError(
            f"{processes} processes on this machine, but {gpus} GPU{'s' * (gpus > 1)}: start {gpus}, or set "
            "ACCELERATE_USE_CPU=true in the environment to train on the CPU"
        )


def _multiplies_bf16() -> bool:
    if torch.cuda.is_available() and not parse_flag_from_env("ACCELERATE_USE_CPU"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    # torch 2.9 has the same checks under private names
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
