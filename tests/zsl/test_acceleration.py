"""Devices and processes, as far as a machine without a GPU can tell."""

import pytest
import torch

from embeddings.io.errors import InputError
from zsl.acceleration import make_accelerator


def test_more_processes_than_gpus_give_a_one_line_error(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"2 processes on this machine, but 1 GPU: start 1, or set ACCELERATE_USE_CPU"):
        make_accelerator("fp32")
