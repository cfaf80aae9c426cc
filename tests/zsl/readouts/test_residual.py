"""Readouts on top of a closed form: the sum written out, for every readout that can be one."""

import numpy as np
import pytest
import torch

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError
from tests.zsl.toy import toy_data
from zsl.context import Context
from zsl.readouts.eszsl import EszslConfig
from zsl.readouts.gap_text import GapTextConfig
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.label_attention import LabelAttentionConfig
from zsl.readouts.residual import ResidualReadout
from zsl.readouts.table import check_readout
from zsl.readouts.transformer_decoder import TransformerDecoderConfig
from zsl.runs.config import RunConfig
from zsl.runs.source import Source
from zsl.runs.training import train_model
from zsl.training.checkpoint import Checkpoints
from zsl.training.config import TrainConfig
from zsl.training.journal import UNWATCHED, Journal

BATCH, TOKENS, CHANNELS, EMBED, SEEN, LABELS = 3, 11, 13, 7, 23, 9
SIZES = {"width": 28, "ffn": 17, "attention_heads": 4, "dropout": 0.0, "residual": "eszsl"}
CONFIGS = {
    "groups": MlDecoderConfig(**SIZES, group_size=5),
    "self-attention": TransformerDecoderConfig(**SIZES),
    "label attention": LabelAttentionConfig(**SIZES, queries=5),
    "cosine": GapTextConfig(residual="eszsl", cosine=True),
}


def _readout(config):
    torch.manual_seed(0)
    readout = config.make(CHANNELS, EMBED, SEEN)
    assert isinstance(readout, ResidualReadout)
    for tensor in (*readout.closed.parameters(), readout.scale):  # closed forms have NaN until they are solved
        torch.nn.init.normal_(tensor)
    readout.remember(torch.randn(SEEN, EMBED))
    return readout.eval(), torch.randn(BATCH, TOKENS, CHANNELS), torch.randn(LABELS, EMBED)


def _standardised(readout, features, vectors):
    """The closed form's scores, image by image, on the scale of the seen labels' scores."""
    found = np.zeros((BATCH, LABELS))
    for image in range(BATCH):
        pooled = features[image].mean(0)
        mapped = ((pooled / pooled.norm() - readout.closed.center) @ readout.closed.weight).detach().numpy()
        seen = [mapped @ vector for vector in readout.seen.numpy()]
        for label in range(LABELS):
            found[image, label] = (mapped @ vectors[label].numpy() - np.mean(seen)) / np.std(seen)
    return torch.from_numpy(found).float()


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_are_the_sum_of_both(name):
    readout, features, vectors = _readout(CONFIGS[name])
    with torch.no_grad():
        solved = readout.scale * _standardised(readout, features, vectors)
        found = readout(features, vectors)
        torch.testing.assert_close(found, solved + readout.trained(features, vectors), rtol=0, atol=1e-4)
        for company in readout.companies or (None,):
            asked = vectors, company, readout.seen
            learnt = readout.trained.bind_each(*asked)(features)
            torch.testing.assert_close(readout.bind_each(*asked)(features), solved + learnt, rtol=0, atol=1e-4)
    assert readout.companies == CONFIGS[name].companies


@pytest.mark.parametrize("name", ["label attention", "cosine"])
def test_the_evidence_of_both_sums_to_the_logit(name):
    readout, features, vectors = _readout(CONFIGS[name])
    assert readout.looks == ("evidence",)
    with torch.no_grad():
        expected = readout(features, vectors) - readout.trained.bias
    torch.testing.assert_close(readout.looked(features, vectors).sum(2), expected, rtol=0, atol=1e-4)


def test_evidence_of_groups_is_added_too():
    readout, features, vectors = _readout(CONFIGS["groups"])
    learnt = readout.trained.looked(features, vectors, "anchored", readout.seen)
    found = readout.looked(features, vectors, "anchored", readout.seen) - learnt
    with torch.no_grad():
        expected = readout.scale * _standardised(readout, features, vectors)
    torch.testing.assert_close(found.sum(2), expected, rtol=0, atol=1e-4)


def test_what_is_no_function_of_word_vectors_is_refused():
    for kinds in ({"head": "learnable"}, {"query": "random", "head": "shared"}):
        config = MlDecoderConfig(**SIZES, group_size=5, **kinds)
        with pytest.raises(InputError, match="decoder.residual = 'eszsl' needs a readout of word vectors"):
            check_readout(config, CHANNELS, EMBED, SEEN, torch.device("cpu"))
    with pytest.raises(InputError, match="with decoder.residual is solved in part: set backbone.mode"):
        RunConfig(decoder=LabelAttentionConfig(residual="eszsl"), backbone={"name": "resnet10t", "mode": "tuned"})


def _trained(decoder, journal=UNWATCHED):
    """A readout after two epochs on a toy, and the word vectors of its seen labels."""
    train = TrainConfig(epochs=2, batch_size=16, lr=5e-3, precision="fp32", validation=0.2, ema=0.9)
    source = Source(RunConfig(decoder=decoder, train=train), toy_data(), Context.of("fp32"))
    bank = build_bank(source.data.names, "random:16")
    model, _ = train_model(source, bank, journal)
    return model.readout, torch.from_numpy(bank.select(source.data.seen))


@pytest.fixture(scope="module")
def trained():
    """One that was not stopped."""
    return _trained(LabelAttentionConfig(**SIZES))


def test_the_closed_form_is_that_of_a_run_of_its_own(trained):
    readout, seen = trained
    alone, _ = _trained(EszslConfig())
    for name, value in alone.state_dict().items():
        assert torch.equal(value, readout.closed.state_dict()[name]), name
    assert torch.equal(readout.seen, seen)
    assert readout.scale.item() != 1


def test_a_run_that_is_stopped_ends_with_the_same_weights(trained, tmp_path):
    def stop(history):
        raise KeyboardInterrupt

    stopped, going = (Journal(checkpoints=Checkpoints(tmp_path, 1), watch=watch) for watch in (stop, None))
    with pytest.raises(KeyboardInterrupt):  # in the first epoch
        _trained(LabelAttentionConfig(**SIZES), stopped)
    readout, _ = _trained(LabelAttentionConfig(**SIZES), going)
    for name, value in readout.state_dict().items():
        assert torch.equal(value, trained[0].state_dict()[name]), name
