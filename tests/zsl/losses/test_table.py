"""Every loss of the table."""

import pytest
import torch

from zsl.losses.table import LOSSES
from zsl.training.config import TrainConfig


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_finite_at_extreme_logits(name):
    logits = torch.tensor([[-200.0, 200.0, -200.0, 200.0]], requires_grad=True)
    loss = LOSSES[name].of(TrainConfig(loss=name))(logits, torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
    assert loss.ndim == 0
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(("name", "options"), [("asymmetric", {"gamma_neg": 7.0, "margin": 0.2}), ("bce", {})])
def test_a_loss_takes_its_options_from_the_config(name, options):
    logits, targets = torch.tensor([[-1.0, 2.0, 0.5]]), torch.tensor([[0.0, 1.0, 0.0]])
    config = TrainConfig(loss=name, gamma_neg=7.0, margin=0.2)
    torch.testing.assert_close(
        LOSSES[name].of(config)(logits, targets), LOSSES[name].compute(logits, targets, **options)
    )


def test_an_unknown_loss_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="should be 'asymmetric', 'bce', 'focal', 'softmax', 'ranking' or 'two_way'"):
        TrainConfig(loss="bec")
