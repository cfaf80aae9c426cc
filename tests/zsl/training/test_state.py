"""A checkpoint holds every number of a training."""

import numpy as np
import pytest
import torch

from embeddings.banks.build import build_bank
from embeddings.io.errors import TrainingError
from tests.zsl.toy import SEEN, seen_samples, toy_data
from zsl.backbones.backbone import Backbone
from zsl.backbones.config import BackboneConfig
from zsl.context import Context
from zsl.data.dataset import Part, Tensors
from zsl.data.loading import Samples, SeenSamples
from zsl.data.targets import Targets
from zsl.model import ZeroShotModel
from zsl.readouts.max_pooled import MaxPooledReadout
from zsl.training.checkpoint import Checkpoints
from zsl.training.config import TrainConfig
from zsl.training.journal import Journal
from zsl.training.loop import Training
from zsl.training.state import Saved


@pytest.fixture(scope="module")
def data():
    return toy_data()


def test_a_loss_that_fails_names_the_checkpoint(data, tmp_path):
    values = data.train.inputs.values.clone()
    values[140 - 125] = 3e38  # finite, but its products are not
    spoilt = Part(Tensors(values), data.train.targets)
    model = ZeroShotModel(None, MaxPooledReadout(16, 16))
    samples = Samples(spoilt, np.arange(120)), Samples(data.train, np.arange(120, 150))
    config = TrainConfig(epochs=1, batch_size=4, precision="fp32", ema=0, checkpoint_steps=1, loss="bce")
    seen = SeenSamples(*samples, seen_samples(data).vectors)
    checkpoints = Checkpoints(tmp_path, 1)
    with pytest.raises(TrainingError, match=r"at step \d+ of epoch 1, with .*image 15\b.*the last checkpoint is"):
        Training(config, model, seen, Context.of("fp32"), Journal(checkpoints=checkpoints)).run()
    tensors, _ = checkpoints.load(Saved)
    assert all(torch.isfinite(value).all() for value in tensors.values())


def _photographed(folder, stop_at=None):
    """Three epochs of a small convolutional backbone, in one go or in two; its last checkpoint."""
    images = torch.randint(0, 256, (60, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    targets = np.random.default_rng(0).random((60, 8)) < 0.3
    targets[:, 0] |= ~targets.any(1)
    part = Part(Tensors(images), Targets.of(targets))
    vectors = torch.from_numpy(build_bank(SEEN, "random:16").vectors)
    seen = SeenSamples(Samples(part, np.arange(45)), Samples(part, np.arange(45, 60)), vectors)
    config = TrainConfig(epochs=3, batch_size=16, lr=3e-3, ema=0.5, precision="fp32", clip=100.0, accumulate=2)

    def begun():
        torch.manual_seed(0)
        backbone = Backbone(BackboneConfig(name="resnet10t", level=2))
        model = ZeroShotModel(backbone, MaxPooledReadout(backbone.channels(32), 16))
        return Training(config, model, seen, Context.of("fp32"), Journal(checkpoints=Checkpoints(folder, 2)))

    training = begun()
    if stop_at is not None:
        step = training._step

        def stopped(*arguments):
            if training.state.done == stop_at:
                raise KeyboardInterrupt
            step(*arguments)

        training._step = stopped
        with pytest.raises(KeyboardInterrupt):
            training.run()
        training = begun()
        assert stop_at - 2 < training.state.done <= stop_at
    training.run()
    return Checkpoints(folder).load(Saved)


@pytest.mark.parametrize("stop_at", [3, 5, 8])
def test_every_number_of_a_checkpoint_survives_a_stop(tmp_path, stop_at):
    """Also the moments of convolutions, which lie in memory in another order than in a file."""
    tensors, state = _photographed(tmp_path / "whole")
    assert any(name.startswith("optimizer.") and value.ndim == 4 for name, value in tensors.items())
    others, again = _photographed(tmp_path / "cut", stop_at)
    assert again == state
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        assert torch.equal(value, others[name]), name


def test_weights_that_are_not_finite_are_not_saved(data, tmp_path):
    model = ZeroShotModel(None, MaxPooledReadout(16, 16))
    config = TrainConfig(epochs=1, batch_size=16, precision="fp32", ema=0)
    journal = Journal(checkpoints=Checkpoints(tmp_path))
    training = Training(config, model, seen_samples(data), Context.of("fp32"), journal)
    training.run_epoch()
    training._save()
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    model.readout.bias.data.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"model.readout.bias is not finite after step 8; the last checkpoint is"):
        training._save()
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
