"""Label attention against its equation written out, label by label and head by head."""

import pytest
import torch

from embeddings.io.errors import InputError
from zsl.cost import image_cost
from zsl.readouts.label_attention import LabelAttentionReadout

BATCH, TOKENS, CHANNELS, EMBED, LABELS, WIDTH, HEADS, FFN = 3, 11, 13, 7, 23, 28, 4, 17


def _readout():
    torch.manual_seed(0)
    readout = LabelAttentionReadout(CHANNELS, EMBED, WIDTH, HEADS, FFN, dropout=0.0)
    for parameter in readout.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    return readout.double().eval()


def _inputs():
    generator = torch.Generator().manual_seed(1)
    kinds = {"generator": generator, "dtype": torch.float64}
    return torch.randn(BATCH, TOKENS, CHANNELS, **kinds), torch.randn(LABELS, EMBED, **kinds)


def _brute_force(readout, features, vectors):
    slice_ = WIDTH // HEADS
    keys_by, values_by = readout.key_value_projection.weight.split(WIDTH)
    key_bias, value_bias = readout.key_value_projection.bias.split(WIDTH)
    logits = torch.zeros(len(features), len(vectors), dtype=torch.float64)
    for image, tokens in enumerate(features):
        memory = (readout.memory_projection.weight @ tokens.T + readout.memory_projection.bias[:, None]).relu().T
        memory = readout.norm(memory + readout.ffn_out(readout.ffn_in(memory).relu()))
        for label, vector in enumerate(vectors):
            attended = []
            for head in range(HEADS):
                rows = slice(head * slice_, (head + 1) * slice_)
                query = readout.query_projection.weight[rows] @ vector
                keys = memory @ keys_by[rows].T + key_bias[rows]
                values = memory @ values_by[rows].T + value_bias[rows]
                attended.append((keys @ query / slice_**0.5).softmax(0) @ values)
            answer = readout.answer_projection.weight @ vector
            logits[image, label] = torch.cat(attended) @ answer + readout.bias[0]
    return logits


def test_logits_are_those_of_the_equation():
    readout, (features, vectors) = _readout(), _inputs()
    with torch.no_grad():
        expected = _brute_force(readout, features, vectors)
        torch.testing.assert_close(readout(features, vectors).double(), expected, rtol=0, atol=1e-6)


def test_a_logit_depends_on_its_image_and_its_label_alone():
    readout, (features, vectors) = _readout(), _inputs()
    whole = readout(features, vectors)
    torch.testing.assert_close(readout(features[1:2], vectors[[5, 2]]), whole[1:2, [5, 2]])


def test_every_parameter_learns():
    readout, (features, vectors) = _readout().train(), _inputs()
    readout(features, vectors).square().sum().backward()
    for name, parameter in readout.named_parameters():
        assert parameter.grad is not None, name
        if name != "key_value_projection.bias":  # softmax does not see the keys' half
            assert parameter.grad.abs().max() > 1e-9, name


def test_it_costs_no_feed_forward_by_label():
    readout, (features, vectors) = _readout().float(), _inputs()
    memory = TOKENS * WIDTH * (CHANNELS + 2 * FFN + 2 * WIDTH)
    assert image_cost(None, readout, features[:1].float(), vectors.float()) == memory + 2 * LABELS * TOKENS * WIDTH


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="attention_heads = 3 does not divide width = 28"):
        LabelAttentionReadout(CHANNELS, EMBED, WIDTH, 3)
    with pytest.raises(InputError, match="needs word vectors"):
        _readout().bind(None)
    with pytest.raises(InputError, match=r"vectors must be \(label, 7\)"):
        _readout().bind(torch.zeros(4, 5))
