"""Label attention against its equation written out, label by label and head by head."""

import pytest
import torch

from embeddings.io.errors import InputError
from zsl.cost import image_cost
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.label_attention import LabelAttentionConfig

BATCH, TOKENS, CHANNELS, EMBED, LABELS, WIDTH, HEADS, FFN = 3, 11, 13, 7, 23, 28, 4, 17


VARIANTS = {
    "as it is": {},
    "shared queries": {"queries": 5},
    "sigmoid": {"weighting": "sigmoid"},
    "best answer": {"answers": 3},
    "all answers": {"answers": 3, "combined": "logsumexp"},
    "cosine": {"cosine": True},
    "all of them": {"queries": 5, "weighting": "sigmoid", "answers": 2, "combined": "logsumexp", "cosine": True},
}


def _readout(**variant):
    torch.manual_seed(0)
    config = LabelAttentionConfig(width=WIDTH, attention_heads=HEADS, ffn=FFN, dropout=0.0, **variant)
    readout = config.make(CHANNELS, EMBED, LABELS)
    for parameter in readout.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    return readout.double().eval()


def _inputs():
    generator = torch.Generator().manual_seed(1)
    kinds = {"generator": generator, "dtype": torch.float64}
    return torch.randn(BATCH, TOKENS, CHANNELS, **kinds), torch.randn(LABELS, EMBED, **kinds)


def _memory(readout, tokens):
    """What labels attend to: the image's tokens, or what the shared queries have read (torch's attention)."""
    memory = (readout.memory_projection.weight @ tokens.T + readout.memory_projection.bias[:, None]).relu().T
    if readout.reader is not None:
        with torch.no_grad():
            reference = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double().eval()
            reference.load_state_dict(readout.reader.state_dict())
            memory = readout.reader_norm(reference(readout.queries[None], memory[None], memory[None])[0][0])
    return readout.norm(memory + readout.ffn_out(readout.ffn_in(memory).relu()))


def _attention(readout, memory, vector, head):
    slice_ = WIDTH // HEADS
    part = slice(head * slice_, (head + 1) * slice_)
    keys = memory @ readout.key_value_projection.weight[:WIDTH].T + readout.key_value_projection.bias[:WIDTH]
    scores = keys[:, part] @ (readout.query_projection.weight[part] @ vector) / slice_**0.5
    return scores.softmax(0) if readout.weighting == "softmax" else 1 / (1 + len(memory) * (-scores).exp())


def _brute_force(readout, features, vectors):
    logits = torch.zeros(len(features), len(vectors), dtype=torch.float64)
    for image, tokens in enumerate(features):
        memory = _memory(readout, tokens)
        values = memory @ readout.key_value_projection.weight[WIDTH:].T + readout.key_value_projection.bias[WIDTH:]
        if readout.log_scale is not None:
            values = values / values.norm(dim=1, keepdim=True)
        for label, vector in enumerate(vectors):
            heads = [_attention(readout, memory, vector, head) for head in range(HEADS)]
            attended = torch.cat(
                [weights @ part for weights, part in zip(heads, values.split(WIDTH // HEADS, 1), strict=True)]
            )
            found = []
            for matrix in readout.answer_projection.weight.split(WIDTH):
                answer = matrix @ vector
                if readout.log_scale is not None:
                    answer = readout.log_scale.exp()[0] * answer / answer.norm()
                found.append(attended @ answer + readout.bias[0])
            logits[image, label] = (
                max(found) if readout.combined == "max" else sum(logit.exp() for logit in found).log()
            )
    return logits


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_those_of_the_equation(variant):
    readout, (features, vectors) = _readout(**VARIANTS[variant]), _inputs()
    with torch.no_grad():
        expected = _brute_force(readout, features, vectors)
        torch.testing.assert_close(readout(features, vectors).double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_logit_depends_on_its_image_and_its_label_alone(variant):
    readout, (features, vectors) = _readout(**VARIANTS[variant]), _inputs()
    whole = readout(features, vectors)
    torch.testing.assert_close(readout(features[1:2], vectors[[5, 2]]), whole[1:2, [5, 2]])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_learns(variant):
    readout, (features, vectors) = _readout(**VARIANTS[variant]).train(), _inputs()
    readout(features, vectors).square().sum().backward()
    for name, parameter in readout.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith(("key_value_projection.bias", "in_proj_bias")):  # softmax does not see the keys' part
            assert parameter.grad.abs().max() > 1e-9, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_maps_divide_the_logit(variant):
    """The tokens' evidence sums to the best answer's logit, without the bias; attention sums to 1."""
    readout, (features, vectors) = _readout(**VARIANTS[variant]), _inputs()
    attention = readout.looked(features, vectors, look="attention")
    assert attention.shape == (BATCH, LABELS, TOKENS)
    assert (attention > 0).all()
    torch.testing.assert_close(attention.sum(2), torch.ones(BATCH, LABELS), rtol=0, atol=1e-5)
    if readout.combined == "max":
        logits = readout(features, vectors) - readout.bias
        found = readout.looked(features, vectors).sum(2).double()
        torch.testing.assert_close(found, logits.double(), rtol=0, atol=1e-4)


def test_the_evidence_of_answers_is_shared_by_their_slopes():
    """Of `log(exp(f_1) + exp(f_2) + ...)`, each answer has its softmax."""
    readout, (features, vectors) = _readout(answers=3, combined="logsumexp"), _inputs()
    single = _readout()
    expected, logits = [], []
    for number in range(3):
        state = readout.state_dict()
        state["answer_projection.weight"] = state["answer_projection.weight"].split(WIDTH)[number]
        single.load_state_dict(state)
        expected.append(single.looked(features, vectors))
        logits.append(single(features, vectors))
    shares = torch.stack(logits).softmax(0)[..., None]
    found = readout.looked(features, vectors)
    torch.testing.assert_close(found, (torch.stack(expected) * shares).sum(0).float(), rtol=0, atol=1e-5)


def test_it_costs_no_feed_forward_by_label():
    readout, (features, vectors) = _readout().float(), _inputs()
    memory = TOKENS * WIDTH * (CHANNELS + 2 * FFN + 2 * WIDTH)
    assert image_cost(None, readout, features[:1].float(), vectors.float()) == memory + 2 * LABELS * TOKENS * WIDTH


def test_labels_of_shared_queries_cost_two_products_for_each_query():
    readout, (features, vectors) = _readout(queries=5).float(), _inputs()
    image = TOKENS * WIDTH * (CHANNELS + 2 * WIDTH) + 5 * WIDTH * (2 * TOKENS + WIDTH + 2 * FFN + 2 * WIDTH)
    assert image_cost(None, readout, features[:1].float(), vectors.float()) == image + 2 * LABELS * 5 * WIDTH


def test_shared_queries_cost_a_sixteenth_of_full_decoding_at_925_labels():
    with torch.device("meta"):
        features, vectors = torch.zeros(1, 49, 1280), torch.zeros(925, 384)
        shared, full = (
            image_cost(None, config.make(1280, 384, 925), features, vectors)
            for config in (LabelAttentionConfig(queries=16), MlDecoderConfig(group_size=1))
        )
    assert 16 * shared < full


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="attention_heads = 3 does not divide width = 28"):
        LabelAttentionConfig(width=WIDTH, attention_heads=3).make(CHANNELS, EMBED, LABELS)
    with pytest.raises(InputError, match="needs word vectors"):
        _readout().bind(None)
    with pytest.raises(InputError, match=r"vectors must be \(label, 7\)"):
        _readout().bind(torch.zeros(4, 5))
