"""Learning rates that are tried: the best on validation is kept, whatever is stopped or diverges."""

import numpy as np
import pytest
import torch

from embeddings.banks.build import build_bank
from embeddings.io.errors import TrainingError
from embeddings.io.progress import silent
from zsl.context import Context
from zsl.data.dataset import Part, Tensors
from zsl.data.loading import Samples, SeenSamples
from zsl.data.targets import Targets
from zsl.model import ZeroShotModel
from zsl.readouts.gap_text import GapTextReadout
from zsl.training.checkpoint import Checkpoints
from zsl.training.config import TrainConfig
from zsl.training.journal import Journal
from zsl.training.loop import Training
from zsl.training.rates import train_at_best_rate

LABELS = tuple(f"label {number}" for number in range(5))
FEW, RIGHT, MANY = 1e-6, 3e-2, 1e38  # of a linear layer: it stays as it is, it learns, its weights overflow


@pytest.fixture(scope="module")
def samples():
    """Each label has a direction, and an image's one token is the sum of its labels'."""
    targets = np.random.default_rng(0).random((70, 5)) < 0.3
    targets[:, 0] |= ~targets.any(1)
    tokens = (targets @ build_bank(LABELS, "random:7").vectors)[:, None].astype(np.float32)
    part = Part(Tensors(torch.from_numpy(tokens)), Targets.of(targets))
    return Samples(part, np.arange(50)), Samples(part, np.arange(50, 70))


def _arguments(samples, rate=1.0):
    torch.manual_seed(0)
    model = ZeroShotModel(None, GapTextReadout(7, 7))
    config = TrainConfig(epochs=2, batch_size=8, lr=rate, ema=0, precision="fp32")
    vectors = torch.from_numpy(build_bank(LABELS, "random:7").vectors)
    return config, model, SeenSamples(*samples, vectors)


def _tried(samples, folder, rates, progress=silent, watch=None):
    arguments = _arguments(samples)
    journal = Journal(checkpoints=Checkpoints(folder), watch=watch)
    history = train_at_best_rate(rates, *arguments, Context.of("fp32", progress=progress), journal)
    return history, arguments[1].state_dict()


@pytest.fixture(scope="module")
def whole(samples, tmp_path_factory):
    """All rates, tried in one go: the history, the weights, what progress and the watch were told, the folder."""
    told, watched, folder = [], [], tmp_path_factory.mktemp("whole")
    options = {"progress": lambda *line: told.append(line), "watch": watched.append}
    return *_tried(samples, folder, (MANY, RIGHT, FEW), **options), told, watched, folder


def test_the_best_rate_is_kept_as_if_it_had_been_alone(samples, whole):
    history, state, told, watched, folder = whole
    alone = _arguments(samples, RIGHT)
    expected = Training(*alone, Context.of("fp32")).run()
    assert history.validation_map == expected.validation_map
    assert all(torch.equal(state[name], value) for name, value in alone[1].state_dict().items())
    assert history.chosen == {"train.lr": RIGHT, "decoder.rates": [1.0]}
    assert list(history.tried) == ["1e-06", "0.03", "1e+38"]  # in order, whatever order was given
    assert history.tried["1e+38"] is None
    assert history.tried["1e-06"] < history.tried["0.03"] == expected.best
    assert told[-1][:3] == ("train, learning rates", 1, 1)
    assert "0.03 is kept" in told[-1][3]
    assert "1e+38 not finite" in told[-1][3]
    assert watched[-1] is history
    Checkpoints(folder).remove()
    assert not folder.exists()


def test_a_stop_in_the_second_rate_changes_nothing(samples, whole, tmp_path):
    def stop(task, done, total, note):
        if task == "train, lr 0.03" and "mAP" in note:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _tried(samples, tmp_path, (FEW, RIGHT, MANY), progress=stop)
    tasks = []
    history, state = _tried(samples, tmp_path, (FEW, RIGHT, MANY), progress=lambda task, *_: tasks.append(task))
    assert history.as_json() == whole[0].as_json()
    assert all(torch.equal(value, state[name]) for name, value in whole[1].items())
    assert "train, lr 1e-06" not in tasks  # it had ended


def test_if_every_rate_diverges_the_run_fails(samples, tmp_path):
    with pytest.raises(TrainingError, match="train, lr 2e[+]38: .*lower train.lr"):
        _tried(samples, tmp_path, (MANY, 2 * MANY))
