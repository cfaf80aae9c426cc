"""Scores follow the rows, whatever the batches."""

import numpy as np
import pytest
import torch

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError
from tests.zsl.toy import SEEN, toy_data, train_toy
from zsl.context import Context
from zsl.data.dataset import Part, Tensors
from zsl.data.loading import Samples
from zsl.evaluation.measures import measure
from zsl.evaluation.protocol import TestSet, protocols
from zsl.metrics.average_precision import average_precision
from zsl.metrics.f1 import f1_at_k
from zsl.model import ZeroShotModel
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.max_pooled import MaxPooledReadout
from zsl.readouts.normalisation import Normalisation, normalised
from zsl.scoring import Asking, score, score_test, vocabularies


@pytest.fixture(scope="module")
def data():
    return toy_data()


def test_scores_do_not_depend_on_the_batch_and_follow_the_rows(data):
    model, _, bank = train_toy(data, epochs=1)
    words = vocabularies(data, bank)
    samples = Samples(data.test, np.array([5, 2, 80]))
    whole = score(model, Samples(data.test), words, Context.of("fp32", batch_size=90))
    for name in protocols(data):
        np.testing.assert_allclose(
            score(model, Samples(data.test), words, Context.of("fp32", batch_size=7))[name], whole[name], atol=1e-5
        )
        np.testing.assert_allclose(
            score(model, samples, words, Context.of("fp32", batch_size=2))[name], whole[name][[5, 2, 80]], atol=1e-5
        )


def test_evaluation_is_its_protocols(data):
    generator = np.random.default_rng(0)
    scores = {name: generator.normal(size=(90, len(p.labels))) for name, p in protocols(data).items()}
    metrics = measure(scores, TestSet.of(data), (1, 3)).metrics
    truth = data.test.targets.dense()
    assert metrics["zsl/map"] == pytest.approx(np.nanmean(average_precision(scores["zsl"], truth[:, 8:])))
    assert metrics["zsl/f1@3"] == f1_at_k(scores["zsl"], truth[:, 8:], 3).f1
    per_label = average_precision(scores["gzsl"], truth)
    assert metrics["gzsl/map"] == pytest.approx(np.nanmean(per_label))
    assert metrics["gzsl/map_seen"] == pytest.approx(np.nanmean(per_label[:8]))
    assert metrics["gzsl/map_unseen"] == pytest.approx(np.nanmean(per_label[8:]))
    assert metrics["gzsl/precision@1"] == f1_at_k(scores["gzsl"], truth, 1).precision


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("company", ["anchored", "alone"])
def test_labels_that_are_asked_by_themselves(data, company, softmax, monkeypatch):
    """In blocks of any size; with softmax, over the seen labels that are asked in the same way, and the label."""
    bank = build_bank(data.names, "lexical:7")
    words, seen = vocabularies(data, bank), torch.from_numpy(bank.select(data.seen))
    torch.manual_seed(0)
    config = MlDecoderConfig(width=28, ffn=17, group_size=3, attention_heads=4)
    decoder = config.make(data.train.inputs.read([0]).shape[-1], 7, len(data.seen)).eval()
    samples = Samples(data.test, np.arange(11))
    model, context = ZeroShotModel(None, decoder, softmax), Context.of("fp32", batch_size=5)
    found = score(model, samples, words | {"trained": None}, context, asked=Asking(seen, company))
    monkeypatch.setattr("zsl.scoring.LABELS", 2)
    parts = score(model, samples, words, context, asked=Asking(seen, company))
    tokens = data.test.inputs.read(np.arange(11)).float()
    with torch.no_grad():
        trained = decoder.bind_each(seen, company, seen)(tokens)
        for name, vectors in words.items():
            expected = decoder.bind_each(vectors, company, seen)(tokens)
            if softmax:
                known = (vectors[:, None] == seen).all(2).any(1)
                expected = normalised(expected, trained, "softmax", 1, known)
            np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5)
            np.testing.assert_allclose(parts[name], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found["trained"], found["gzsl"][:, : len(seen)], rtol=0, atol=1e-5)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize(("company", "how"), [("grouped", "image"), ("grouped", "softmax"), ("anchored", "image")])
def test_scores_are_normalised_by_those_of_the_seen_labels(data, company, how, softmax):
    """The reference is asked as the labels are, or among them; with softmax, logits are normalised."""
    bank = build_bank(data.names, "lexical:7")
    words, seen = vocabularies(data, bank), torch.from_numpy(bank.select(data.seen))
    torch.manual_seed(0)
    decoder = MlDecoderConfig(width=28, ffn=17, group_size=3, attention_heads=4).make(16, 7, len(data.seen)).eval()
    samples, context = Samples(data.test, np.arange(11)), Context.of("fp32", batch_size=5)
    asked = Asking(seen, company, Normalisation(how, 2.0))
    found = score(ZeroShotModel(None, decoder, softmax), samples, words | {"trained": None}, context, asked=asked)
    tokens = data.test.inputs.read(np.arange(11)).float()
    bind = decoder.bind if company == "grouped" else lambda vectors: decoder.bind_each(vectors, company, seen)
    with torch.no_grad():
        for name, vectors in words.items():
            known = (vectors[:, None] == seen).all(2).any(1)
            reference = bind(seen if name == "zsl" else vectors)(tokens)[:, : len(seen)]
            expected = normalised(bind(vectors)(tokens), reference, how, 2.0, known)
            np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found["trained"], found["seen"])
    plain = score(ZeroShotModel(None, decoder), samples, words, context, asked=Asking(seen))
    np.testing.assert_array_equal(plain["zsl"], score(ZeroShotModel(None, decoder), samples, words, context)["zsl"])


@pytest.mark.parametrize(("company", "softmax"), [("grouped", False), ("grouped", True), ("anchored", True)])
def test_scores_are_normalised_by_label_over_all_images(data, company, softmax):
    """From the scores that "none" gives, whatever the batches; no label's ranking of the images changes."""
    bank = build_bank(data.names, "lexical:7")
    seen = torch.from_numpy(bank.select(data.seen))
    torch.manual_seed(0)
    decoder = MlDecoderConfig(width=28, ffn=17, group_size=3, attention_heads=4).make(16, 7, len(data.seen)).eval()
    model, by_label = ZeroShotModel(None, decoder, softmax), Asking(seen, company, Normalisation("label"))
    plain = score_test(model, data, bank, Context.of("fp32", batch_size=90), asked=Asking(seen, company))
    found = score_test(model, data, bank, Context.of("fp32", batch_size=7), asked=by_label)
    for name, values in plain.items():
        expected = (values - values.mean(0, dtype=np.float64)) / values.std(0, dtype=np.float64)
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-3)  # the scores are much alike
    one, other = (measure(scores, TestSet.of(data), (3,)).metrics for scores in (plain, found))
    assert other["gzsl/map"] == pytest.approx(one["gzsl/map"], abs=1e-3)
    assert other["zsl/map"] == pytest.approx(one["zsl/map"], abs=1e-3)
    assert other["gzsl/f1@3"] != one["gzsl/f1@3"]


def test_an_image_that_would_spoil_the_statistics_of_a_label_is_named(data):
    seen = torch.from_numpy(build_bank(data.seen, "lexical:7").vectors)
    tokens = torch.zeros(9, 3, 16)
    tokens[5] = 3e38  # finite, but the sum of a projection is not
    readout = MaxPooledReadout(16, 7)
    torch.nn.init.ones_(readout.projection.weight)
    samples = Samples(Part(Tensors(tokens), data.test.targets[:9]), np.array([2, 5, 7]))
    asked = Asking(seen, normalisation=Normalisation("label"))
    with pytest.raises(InputError, match="scores of image 5 are not finite"):
        score(ZeroShotModel(None, readout), samples, {"seen": seen}, Context.of("fp32"), asked=asked)


def test_softmax_scores_compare_between_images(data):
    class Shifted(MaxPooledReadout):
        """Adds a number of its own to all logits of an image."""

        def bind(self, vectors):
            return lambda tokens: MaxPooledReadout.bind(self, vectors)(tokens) + 50 * tokens[:, :1, 0]

    torch.manual_seed(0)
    vectors = {"seen": torch.from_numpy(build_bank(SEEN, "random:16").vectors)}
    plain, shifted = MaxPooledReadout(16, 16), Shifted(16, 16)
    shifted.load_state_dict(plain.state_dict())
    found = [
        score(ZeroShotModel(None, readout, softmax=True), Samples(data.test), vectors, Context.of("fp32"))
        for readout in (plain, shifted)
    ]
    np.testing.assert_allclose(found[0]["seen"], found[1]["seen"], atol=1e-4)
    np.testing.assert_allclose(np.exp(found[0]["seen"]).sum(1), 1, rtol=1e-5)
