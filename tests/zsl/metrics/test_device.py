"""What an accelerator computes, here."""

import numpy as np
import pytest
import torch

from tests.zsl.metrics.random_scores import random_scores
from zsl.metrics import average_precision as ap_module
from zsl.metrics import device, f1
from zsl.metrics.average_precision import FEW, average_precision, mean_average_precision
from zsl.metrics.f1 import f1_at_k, f1_at_threshold
from zsl.metrics.label_ranking import label_ranking


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("partial", [False, True])
def test_tensors_give_what_arrays_give(levels, partial, monkeypatch):
    scores, targets = random_scores(8, images=2 * FEW + 1, levels=levels)
    annotated = np.random.default_rng(9).random(scores.shape) < 0.7 if partial else None
    mask = None if annotated is None else torch.from_numpy(annotated)
    tensors = torch.from_numpy(scores), torch.from_numpy(targets)
    expected = average_precision(scores, targets, annotated)
    np.testing.assert_array_equal(average_precision(*tensors, mask).numpy(), expected)
    assert f1_at_k(*tensors, 3, annotated=mask) == f1_at_k(scores, targets, 3, annotated=annotated)
    assert label_ranking(*tensors) == label_ranking(scores, targets)
    # what an accelerator would compute, here
    monkeypatch.setattr(ap_module, "on_device", lambda values: isinstance(values, torch.Tensor))
    monkeypatch.setattr(f1, "on_device", lambda values: isinstance(values, torch.Tensor))
    for block in (device.BLOCK, 7 * len(scores)):
        monkeypatch.setattr(device, "BLOCK", block)
        np.testing.assert_allclose(average_precision(*tensors, mask).numpy(), expected, rtol=0, atol=1e-12)
    for average in ("macro", "weighted", "micro"):
        there = mean_average_precision(*tensors, "zero", average, mask)
        assert there == pytest.approx(mean_average_precision(scores, targets, "zero", average, annotated), abs=1e-12)
    assert f1_at_k(*tensors, 3, annotated=mask) == f1_at_k(scores, targets, 3, annotated=annotated)
    there = f1_at_threshold(*tensors, 0.1, annotated=mask)
    assert there == f1_at_threshold(scores, targets, 0.1, annotated=annotated)
