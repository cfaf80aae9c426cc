"""Which labels share a group: logits are those of the labels in another order, put back."""

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from zsl.cost import image_cost
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.grouping import GROUPINGS, LabelOrder

BATCH, TOKENS, CHANNELS, EMBED, LABELS, WIDTH, GROUP = 3, 11, 13, 7, 23, 28, 5


def _decoder(grouping, **options):
    torch.manual_seed(0)
    options = {"query": "text", "head": "text", "attention_heads": 4, "ffn": 17, "dropout": 0.0} | options
    config = MlDecoderConfig(width=WIDTH, group_size=GROUP, grouping=grouping, **options)
    return config.make(CHANNELS, EMBED, LABELS).eval()


def _inputs(labels):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(BATCH, TOKENS, CHANNELS, generator=generator), torch.randn(labels, EMBED, generator=generator)


@pytest.mark.parametrize("labels", [1, 4, LABELS, 2 * LABELS + 1])
@pytest.mark.parametrize("grouping", GROUPINGS)
def test_logits_are_those_of_the_labels_in_the_groups_order(grouping, labels):
    features, vectors = _inputs(labels)
    order = LabelOrder(grouping, GROUP).of(vectors, training=False)
    order = torch.arange(labels) if order is None else order
    assert sorted(order.tolist()) == list(range(labels))
    plain = _decoder("given")(features, vectors[order])
    found = _decoder(grouping)(features, vectors)
    torch.testing.assert_close(found[:, order], plain, rtol=0, atol=0)
    torch.testing.assert_close(_decoder(grouping).bind(vectors)(features), found)


def test_groups_are_redrawn_in_training_alone():
    features, vectors = _inputs(LABELS)
    decoder = _decoder("redrawn")
    torch.testing.assert_close(decoder(features, vectors), _decoder("given")(features, vectors))
    decoder.train()
    first, second = decoder(features, vectors), decoder(features, vectors)
    assert not torch.allclose(first, second)
    torch.manual_seed(3)
    found = decoder(features, vectors)
    torch.manual_seed(3)
    order = torch.randperm(LABELS)
    torch.testing.assert_close(found[:, order], _decoder("given").train()(features, vectors[order]))


@pytest.mark.parametrize("grouping", ["random", "redrawn"])
@pytest.mark.parametrize("labels", [1, LABELS])
def test_predictions_are_averaged_over_fixed_shuffles(grouping, labels):
    features, vectors = _inputs(labels)
    decoder, plain = _decoder(grouping, groupings=3), _decoder("given")
    expected = torch.zeros(BATCH, labels)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(labels)
        logits = plain(features, vectors[order])
        for place, label in enumerate(order):
            expected[:, label] += logits[:, place] / 3
    torch.testing.assert_close(decoder(features, vectors), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(decoder.bind(vectors)(features), expected, rtol=0, atol=1e-5)
    alone = decoder.bind_each(vectors, "alone")(features)  # which asks no label with others
    torch.testing.assert_close(alone, plain.bind_each(vectors, "alone")(features))
    single, found = _decoder(grouping).train(), []
    for trained in (decoder.train(), single):
        torch.manual_seed(3)
        found.append(trained(features, vectors))
    torch.testing.assert_close(*found)  # in training there is one grouping


def test_groups_are_as_many_times_the_cost_as_there_are_groupings():
    features, vectors = _inputs(LABELS)
    one, three = (image_cost(None, _decoder("random", groupings=n), features[:1], vectors) for n in (1, 3))
    memory = TOKENS * WIDTH * (CHANNELS + 2 * WIDTH)  # is read once
    assert three - memory == 3 * (one - memory)


@pytest.mark.parametrize("options", [{"grouping": "similar"}, {"grouping": "random", "self_attention": True}])
def test_what_is_not_shuffled_is_not_averaged(options):
    with pytest.raises(InputError, match="groupings = 3 needs grouping = 'random' or 'redrawn', and no self-att"):
        _decoder(**options, groupings=3)


def test_similar_labels_share_a_group_and_dissimilar_ones_do_not():
    generator = np.random.default_rng(0)
    kinds = generator.permutation(np.repeat(np.arange(4), 6))  # four clusters of six labels, shuffled
    centres = 10 * generator.standard_normal((4, EMBED))
    vectors = torch.from_numpy(centres[kinds] + 0.1 * generator.standard_normal((24, EMBED)))
    similar = kinds[LabelOrder("similar", 6).of(vectors, False)].reshape(4, 6)
    assert all(len(set(group)) == 1 for group in similar)
    dissimilar = kinds[LabelOrder("dissimilar", 4).of(vectors, False)].reshape(6, 4)
    assert all(len(set(group)) == 4 for group in dissimilar)


def test_a_vocabulary_that_changes_in_place_is_ordered_anew():
    _, vectors = _inputs(LABELS)
    order = LabelOrder("similar", GROUP)
    before = order.of(vectors, True)
    assert order.of(vectors, True) is before
    vectors.copy_(vectors.flip(0).clone())
    after = order.of(vectors, True)
    assert after is not before
    torch.testing.assert_close(after, LabelOrder("similar", GROUP).of(vectors, True))


@pytest.mark.parametrize(("query", "head"), [("learnable", "text"), ("text", "learnable"), ("text", "shared")])
def test_parameters_of_a_groups_place_need_the_given_grouping(query, head):
    with pytest.raises(InputError, match="grouping = 'similar' needs query and head 'text'"):
        _decoder("similar", query=query, head=head)
