"""A context: one accelerator, and progress of the main process alone."""

from dataclasses import replace

import torch
from accelerate import Accelerator

from embeddings.io.progress import silent
from zsl.context import Context


def test_a_context_has_the_precision_that_is_asked_for():
    one = Context.of("fp32", batch_size=7, workers=2, progress=print)
    assert (one.batch_size, one.workers, one.progress) == (7, 2, print)
    assert one.accelerator.mixed_precision == "no"
    assert one.is_main
    assert one.device == one.accelerator.device
    assert one.on_gpu == torch.cuda.is_available()
    assert Context.of("bf16").accelerator.mixed_precision == "bf16"  # another one in the same process


def test_other_processes_report_no_progress():
    class Other(Accelerator):
        is_main_process = False

    context = Context(Other(), progress=print)
    assert context.progress is silent
    assert replace(context, progress=print).progress is silent
