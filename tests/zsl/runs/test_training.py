"""What a source trains: its own readout or its config's, on a split that is alike for every seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError
from tests.zsl.toy import toy_data
from zsl.context import Context
from zsl.readouts.eszsl import EszslConfig, EszslReadout
from zsl.readouts.gap_text import GapTextConfig
from zsl.readouts.max_pooled import MaxPooledReadout
from zsl.runs.config import RunConfig
from zsl.runs.source import Source, check_usable
from zsl.runs.training import live_backbone, model_cost, plan_of, readout_of, train_model
from zsl.training.config import TrainConfig


@pytest.fixture(scope="module")
def data():
    return toy_data()


def _source(data, decoder, readout=None, **train):
    options = {"epochs": 1, "batch_size": 16, "precision": "fp32", "validation": 0.2} | train
    config = RunConfig(decoder=decoder, train=TrainConfig(**options))
    return Source(config, data, Context.of("fp32"), readout=readout)


def test_training_and_validation_share_no_image_and_do_not_depend_on_the_seed(data):
    one, two = (_source(data, EszslConfig(), seed=seed).split(data.train) for seed in (0, 1))
    assert sorted([*one[0].rows, *one[1].rows]) == list(range(150))
    assert len(one[1]) == 30  # a fifth
    assert all(np.array_equal(a.rows, b.rows) for a, b in zip(one, two, strict=True))
    with pytest.raises(InputError, match="150 training images leave none to train on; lower train.validation"):
        _source(data, EszslConfig(), validation=0.999).split(data.train)


def test_a_readout_is_solved_or_trained_at_its_rates(data):
    bank = build_bank(data.names, "random:16")
    solved, pooled = _source(data, EszslConfig()), _source(data, GapTextConfig(rates=(1.0, 3.0)), lr=0.1)
    model, history = train_model(solved, bank)
    assert model.readout.weight.isfinite().all()
    assert history.lr == [0.0]
    assert plan_of(pooled).rates == pytest.approx((0.1, 0.3))
    assert live_backbone(pooled) is None
    model, history = train_model(pooled, bank)
    assert list(history.tried) == ["0.1", "0.3"]
    # a projection of 16 to 16 for the mean token, and its product with 11 word vectors
    assert model_cost(model, pooled, bank) == pytest.approx(16 * 16 + 16 * 11, rel=0.7)


def test_a_users_own_closed_form_readout_is_solved(data):
    own = EszslReadout(16, 16, 0.1, 0.1)
    train_model(_source(data, GapTextConfig(), own), build_bank(data.names, "random:16"))
    assert own.weight.isfinite().all()


def test_a_users_own_readout_replaces_that_of_the_config(data):
    own = MaxPooledReadout(16, 16)
    source = _source(data, EszslConfig(), own, lr=0.1)
    assert readout_of(source, build_bank(data.names, "random:16")) is own
    assert plan_of(source).rates == (0.1,)
    before = own.projection.weight.clone()
    model, _ = train_model(source, build_bank(data.names, "random:16"))
    assert model.readout is own
    assert not torch.equal(before, own.projection.weight)


def test_records_can_be_extracted_only(data):
    records = replace(data, in_order=True)
    check_usable(records, in_order=True)
    with pytest.raises(InputError, match="toy can only be read in order; rewrite it with zsl data extract"):
        check_usable(records)
