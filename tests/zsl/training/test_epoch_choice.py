"""The epoch that held-out labels choose, against trainings on datasets without these labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError, TrainingError
from tests.zsl.toy import seen_samples, toy_data
from zsl.context import Context
from zsl.data.dataset import Part
from zsl.data.folds import fold_columns
from zsl.data.loading import Samples, SeenSamples
from zsl.model import ZeroShotModel
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.scoring import score
from zsl.training.checkpoint import Checkpoints
from zsl.training.config import TrainConfig
from zsl.training.epoch_choice import EpochChoice, Trials, choose_epoch, train_by_held_out
from zsl.training.history import validation_map
from zsl.training.journal import Journal
from zsl.training.loop import Training

TRAIN = TrainConfig(epochs=2, batch_size=60, lr=5e-3, ema=0, precision="fp32")
RATES = (5e-3, 1e-5)


def _fresh(samples):
    torch.manual_seed(0)
    decoder = MlDecoderConfig(width=16, group_size=1, attention_heads=2, ffn=16)
    return ZeroShotModel(None, decoder.make(16, 16, len(samples.vectors)))


TRIALS = Trials(TRAIN, RATES, _fresh)


@pytest.fixture(scope="module")
def seen():
    return seen_samples(toy_data())


@pytest.fixture(scope="module")
def whole(seen, tmp_path_factory):
    """The model, its history, and the folder of checkpoints of a choice that was not stopped."""
    folder, model = tmp_path_factory.mktemp("whole"), _fresh(seen)
    history = train_by_held_out(TRIALS, model, seen, Context.of("fp32"), Journal(checkpoints=Checkpoints(folder)))
    return model, history, folder


def _reference(seen, rate, epochs):
    """The mAP of held-out labels after some epochs: each fold is a dataset of its own."""
    found, data = [], toy_data()
    for fold in (0, 1):
        held = fold_columns(8, 5, fold)
        kept = np.setdiff1d(np.arange(8), held)
        targets = data.train.targets
        rows = [row for row in range(120) if targets.dense()[row, kept].any()]
        train = Samples(Part(data.train.inputs, targets.columns(kept)), np.array(rows))
        validation = Samples(Part(data.train.inputs, targets.columns(kept)), np.arange(120, 150))
        samples = SeenSamples(train, validation, seen.vectors[kept])
        model = _fresh(samples)
        training = Training(TRAIN.model_copy(update={"lr": rate}), model, samples, Context.of("fp32"))
        for _ in range(epochs):
            training.run_epoch()
        asked = Samples(Part(data.train.inputs, targets.columns(held)), np.arange(120, 150))
        scores = score(model, asked, {"held": seen.vectors[held]}, Context.of("fp32"))["held"]
        found.append(validation_map(scores, asked.targets))
    return np.mean(found)


def test_the_curve_is_that_of_models_that_never_saw_the_labels(seen, whole):
    history, rate = whole[1], whole[1].chosen["train.lr"]
    assert history.held_out_map[1] == pytest.approx(_reference(seen, rate, 2), rel=1e-6)
    assert len(history.held_out_map) == 2
    assert history.tried[f"{rate:g}"] == max(history.tried.values()) == max(history.held_out_map)


def test_the_model_is_that_of_the_chosen_epoch(seen, whole):
    model, history, _ = whole
    assert len(history.validation_map) == history.best_epoch + 1 == int(np.argmax(history.held_out_map)) + 1
    other = _fresh(seen)
    training = Training(TRAIN.model_copy(update={"lr": history.chosen["train.lr"]}), other, seen, Context.of("fp32"))
    for _ in range(history.best_epoch + 1):
        training.run_epoch()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=0, atol=0)


def test_a_stopped_choice_continues(seen, whole, tmp_path, monkeypatch):
    """It is stopped in the second of four trials."""
    model, history, _ = whole
    left, run = [3], Training.run_epoch

    def stopped(self):
        run(self)
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    journal = Journal(checkpoints=Checkpoints(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(Training, "run_epoch", stopped)
        with pytest.raises(KeyboardInterrupt):
            train_by_held_out(TRIALS, _fresh(seen), seen, Context.of("fp32"), journal)
    again = _fresh(seen)
    assert train_by_held_out(TRIALS, again, seen, Context.of("fp32"), journal).as_json() == history.as_json()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, again.state_dict()[name], rtol=0, atol=0)
    journal.checkpoints.remove()
    assert not tmp_path.exists()


def test_of_equal_epochs_the_earliest_is_kept_and_a_rate_that_fails_is_dropped(seen, monkeypatch):
    curves = {1.0: [0.3, 0.5, 0.5], 2.0: None, 3.0: [0.1, 0.2, 0.4]}

    def run(self):
        found = curves[self.config.lr]
        if found is None:
            raise TrainingError("not finite")
        self.state.history.validation_map = found
        return self.state.history

    monkeypatch.setattr(Training, "run", run)
    chosen = choose_epoch(replace(TRIALS, rates=(3.0, 1.0, 2.0)), seen, Context.of("fp32"))
    assert chosen == EpochChoice(1.0, 1, [0.3, 0.5, 0.5], {"1": 0.5, "2": None, "3": 0.4})
    with pytest.raises(TrainingError, match="not finite"):
        choose_epoch(replace(TRIALS, rates=(2.0,)), seen, Context.of("fp32"))


def test_a_readout_without_word_vectors_is_one_line(seen):
    with pytest.raises(InputError, match="asks for labels by their word vectors; give a text readout"):
        choose_epoch(TRIALS, replace(seen, vectors=None), Context.of("fp32"))
