"""Measures of scores that are dealt to processes; the main one writes them: `streamed FILE PROCESSES`."""

import sys
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from zsl.metrics.stream import MetricStream

if __name__ == "__main__":
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == int(sys.argv[2])
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(203, 7)).astype(np.float32)
    targets = generator.random(scores.shape) < 0.2
    stream = MetricStream(k=(2,), thresholds=(0.1,), ranking=True)
    for number, start in enumerate(range(0, 203, 20)):
        if number % accelerator.num_processes == accelerator.process_index:
            stream.update(scores[start : start + 20], targets[start : start + 20])
    stream.gather(accelerator)
    if accelerator.is_main_process:
        parts = (stream.average_precision().tolist(), stream.at_k(2).micro(), stream.at_threshold(0.1).macro())
        Path(sys.argv[1]).write_text(repr((parts, stream.label_ranking(), stream.images)))
    accelerator.end_training()
