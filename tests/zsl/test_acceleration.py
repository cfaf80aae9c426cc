"""Devices and processes, as far as a machine without a GPU can tell."""

import platform
import subprocess
import sys

import pytest
import torch

from embeddings.io.errors import InputError
from experiments.processes import own_environment
from zsl.acceleration import keep_freed_memory, make_accelerator

AGAIN = """
import resource
import torch
from zsl.acceleration import make_accelerator

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**26)  # 256 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.ones(2), faults()
mapped = faults()
make_accelerator("fp32")
print(mapped, min(faults() for _ in range(5)))  # the heap grows at first
"""


def test_more_processes_than_gpus_give_a_one_line_error(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"2 processes on this machine, but 1 GPU: start 1, or set ACCELERATE_USE_CPU"):
        make_accelerator("fp32")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has no such setting")
def test_memory_that_was_freed_is_used_again_without_asking_the_system(monkeypatch):
    pages = 2**28 // 4096
    mapped, kept = _faults()
    assert mapped > pages / 2 > 100 > kept
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", str(2**17))  # the user's own setting stays
    assert not keep_freed_memory()


def _faults() -> list[int]:
    environment = own_environment(ACCELERATE_USE_CPU="true")
    done = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, env=environment, check=True)
    return [int(word) for word in done.stdout.split()]
