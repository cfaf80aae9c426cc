"""A blend's members are trained as they would be alone, and a stopped blend continues."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError
from tests.zsl.toy import toy_data
from zsl.context import Context
from zsl.data.loading import Samples
from zsl.readouts.blend import BlendConfig
from zsl.readouts.normalisation import normalised
from zsl.runs.config import RunConfig, validated
from zsl.runs.source import Source
from zsl.runs.training import model_cost, train_model
from zsl.scoring import score, vocabularies
from zsl.training.checkpoint import Checkpoints
from zsl.training.config import TrainConfig
from zsl.training.journal import Journal

GROUPS = {"kind": "ml-decoder", "width": 28, "ffn": 17, "group_size": 2, "attention_heads": 4}
MEMBERS = (
    {"kind": "eszsl"},
    {"kind": "gap-text", "rates": (1.0, 30.0), "train": {"loss": "bce", "epochs": 1}},
    {"kind": "conse", "rates": (1.0,), "columns": (2, 9)},
    {**GROUPS, "grouping": "similar"},
)
WEIGHTS = (1.0, 2.0, 3.0, 4.0)
TRAIN = TrainConfig(epochs=2, batch_size=60, lr=5e-3, ema=0, precision="fp32", seed=3, validation=0.2)


@pytest.fixture(scope="module")
def data():
    return toy_data()


@pytest.fixture(scope="module")
def bank(data):
    return build_bank(data.names, "random:11")


def _source(data, decoder, train=TRAIN):
    return Source(RunConfig(decoder=decoder, train=train), data, Context.of("fp32"))


@pytest.fixture(scope="module")
def blend(data, bank):
    """The trained blend, and its history."""
    return train_model(_source(data, BlendConfig(members=MEMBERS, weights=WEIGHTS)), bank)


@pytest.fixture(scope="module")
def alone(data, bank):
    """The model and the history of each member's own run, with its bank."""
    found = []
    for values in MEMBERS:
        own = {key: value for key, value in values.items() if key not in ("train", "columns")}
        first, end = values.get("columns", (0, 11))
        part = replace(bank, vectors=np.ascontiguousarray(bank.vectors[:, first:end]))
        train = TRAIN.model_copy(update=values.get("train", {}))
        config = validated({"decoder": own, "train": train.model_dump()}, "alone").decoder
        found.append((*train_model(_source(data, config, train), part), part))
    return found


def test_members_have_the_weights_of_their_own_runs(blend, alone):
    (model, history), kinds = blend, [values["kind"] for values in MEMBERS]
    for member, (own, _, _) in zip(model.readout.members, alone, strict=True):
        for name, value in own.readout.state_dict().items():
            assert torch.equal(member.state_dict()[name], value), name
    assert [(one.member, one.kind) for one in history.members] == list(enumerate(kinds, 1))
    for one, (_, own, _) in zip(history.members, alone, strict=True):
        assert one.epochs == own.plain()
    expected = sum(w * own.loss[own.best_epoch] for w, (_, own, _) in zip(WEIGHTS, alone, strict=True))
    assert history.loss == pytest.approx([expected / sum(WEIGHTS)])
    members = history.chosen["decoder.members"]
    assert members[0]["image_ridge"] == alone[0][1].chosen["decoder.image_ridge"]
    assert members[1]["train"] == {"loss": "bce", "epochs": 1, "lr": alone[1][1].chosen["train.lr"]}
    assert members[1]["rates"] == [1.0]
    assert validated({"decoder": {"kind": "blend", "members": members}}, "chosen").decoder.members[1].rates == (1.0,)


def test_its_scores_are_the_blend_of_their_scores(data, bank, blend, alone):
    samples, context = Samples(data.test), Context.of("fp32")
    found = score(blend[0], samples, vocabularies(data, bank), context)
    parts = [score(own, samples, vocabularies(data, part), context) for own, _, part in alone]
    for name, values in found.items():
        reference = [one["seen"] if name == "zsl" else one[name][:, : len(data.seen)] for one in parts]
        standard = [normalised(one[name], seen, "image") for one, seen in zip(parts, reference, strict=True)]
        expected = sum(w / 10 * one for w, one in zip(WEIGHTS, standard, strict=True))
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)


def test_it_costs_what_its_members_cost(data, bank, blend, alone):
    """All labels begin with the seen ones, so that nothing is asked twice."""
    source = _source(data, BlendConfig(members=MEMBERS))
    assert model_cost(blend[0], source, bank) == sum(model_cost(own, source, part) for own, _, part in alone)


class StoppedError(Exception):
    """In place of a command that is killed."""


def test_a_stopped_blend_continues_to_the_same_end(data, bank, blend, tmp_path):
    """It is stopped after a solution, and within two members that are trained."""
    checkpoints, source = (
        Checkpoints(tmp_path / "checkpoint"),
        _source(data, BlendConfig(members=MEMBERS, weights=WEIGHTS)),
    )
    told = []

    def stop_at_news(history):
        done = [(one.member, len(one.epochs.loss)) for one in history.members]
        if done not in told:
            told.append(done)
            if len(told) in (1, 3, 5):
                raise StoppedError

    for _ in range(4):
        try:
            model, history = train_model(source, bank, Journal("train", checkpoints, stop_at_news))
            break
        except StoppedError:
            pass
    assert [done[-1] for done in told] == [(1, 1), (2, 1), (3, 1), (3, 2), (4, 1), (4, 2)]
    assert history.as_json() == blend[1].as_json()
    for name, value in blend[0].readout.state_dict().items():
        assert torch.equal(model.readout.state_dict()[name], value), name
    assert (tmp_path / "checkpoint/member-2/rate-1/checkpoint.safetensors").is_file()
    checkpoints.remove()
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize(
    ("member", "train", "message"),
    [
        (
            {"kind": "gap", "train": {"seed": 1}},
            {},
            "decoder.members.1.train.seed: all members share it; set train.seed",
        ),
        (
            {"kind": "gap", "train": {"rate": 1}},
            {},
            "unknown key decoder.members.1.train.rate; known: epochs, batch_size",
        ),
        ({"kind": "gap", "train": {"lr": -1}}, {}, "decoder.members.1.train: lr: Input should be greater than 0"),
        (
            {"kind": "conse"},
            {"random_queries": 3},
            "train.random_queries needs another readout than decoder.kind = 'conse'",
        ),
    ],
)
def test_wrong_keys_of_a_member_are_refused(member, train, message):
    with pytest.raises(InputError, match=message):
        validated({"decoder": {"kind": "blend", "members": [member]}, "train": train}, "here")
    tuned = {"decoder": {"kind": "blend"}, "backbone": {"name": "resnet10t", "mode": "tuned"}}
    with pytest.raises(
        InputError, match="decoder.kind = 'blend' trains its members one after another: set backbone.mode"
    ):
        validated(tuned, "here")


def test_random_queries_do_not_disturb_a_solved_member():
    members = [{"kind": "eszsl"}, GROUPS]
    config = validated({"decoder": {"kind": "blend", "members": members}, "train": {"random_queries": 3}}, "here")
    assert config.train.random_queries == 3


def test_held_out_labels_choose_the_epoch_of_each_trained_member(data, bank):
    train = TRAIN.model_copy(update={"select": "held_out_labels", "batch_size": 60})
    members = ({"kind": "eszsl"}, {"kind": "conse", "rates": (1.0, 3.0)}, {**GROUPS, "residual": "eszsl"})
    blended = _source(data, BlendConfig(members=members), train)
    model, history = train_model(blended, bank)
    solved, conse, decoder = (one.epochs for one in history.members)
    assert solved.held_out_map == []
    for epochs in (conse, decoder):
        assert len(epochs.held_out_map) == 2
        assert epochs.best_epoch == int(np.argmax(epochs.held_out_map)) == len(epochs.loss) - 1
    assert conse.chosen["train.lr"] in (5e-3, 3 * 5e-3)
    own, told = train_model(_source(data, validated({"decoder": members[2]}, "alone").decoder, train), bank)
    assert told.plain() == decoder
    for name, value in own.readout.state_dict().items():
        assert torch.equal(model.readout.members[2].state_dict()[name], value), name


def test_held_out_labels_need_readouts_of_word_vectors_of_a_config(data, bank):
    train = TRAIN.model_copy(update={"select": "held_out_labels"})
    with pytest.raises(InputError, match="'gap' answers without word vectors.*set train.select = 'seen'"):
        validated({"decoder": {"kind": "gap"}, "train": train.model_dump()}, "test")
    source = _source(data, validated({"decoder": GROUPS}, "test").decoder, train)
    own = replace(source, readout=source.config.decoder.make(16, 11, 8))
    with pytest.raises(InputError, match="train.select = 'held_out_labels' needs a readout of a config"):
        train_model(own, bank)
