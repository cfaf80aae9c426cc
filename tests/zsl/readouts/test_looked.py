"""Where readouts looked: each form against a loop or an identity, for every readout of the table."""

import pytest
import torch
from torch import nn

from embeddings.io.errors import InputError
from zsl.readouts.conse import ConseReadout
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.max_pooled import MaxPooledReadout
from zsl.readouts.table import READOUTS, make_readout
from zsl.readouts.transformer_decoder import TransformerDecoderConfig

BATCH, TOKENS, CHANNELS, EMBED, SEEN, LABELS = 3, 11, 13, 7, 5, 4
SMALL = {"width": 28, "ffn": 17, "group_size": 2, "attention_heads": 4, "dropout": 0}
DECODERS = {
    "groups": MlDecoderConfig(**SMALL),
    "similar groups": MlDecoderConfig(**SMALL, grouping="similar"),
    "learnable heads": MlDecoderConfig(**SMALL, head="learnable"),
    "learnable queries": MlDecoderConfig(**SMALL, query="learnable"),
    "closed set": MlDecoderConfig(**SMALL, query="learnable", head="learnable"),
    "cosines": MlDecoderConfig(**SMALL, cosine=True),
    "two layers": MlDecoderConfig(**SMALL, layers=2),
    "full": MlDecoderConfig(**SMALL | {"group_size": 1}),
    "self-attention": TransformerDecoderConfig(**{k: v for k, v in SMALL.items() if k != "group_size"}, layers=2),
}
OTHERS = ("label-attention", "gap", "gap-text", "eszsl")
FEATURES = torch.randn(BATCH, TOKENS, CHANNELS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
VECTORS = torch.randn(LABELS, EMBED, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
TRAINED = torch.randn(SEEN, EMBED, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def _ready(readout):
    """In float64 and evaluation, with random numbers for what is zero or NaN at first."""
    torch.manual_seed(4)
    for tensor in (*readout.parameters(), *readout.buffers()):
        if tensor.ndim == 1 or tensor.isnan().any():
            nn.init.normal_(tensor)
    return readout.double().eval()


def _made(config):
    torch.manual_seed(0)
    return _ready(make_readout(config, CHANNELS, EMBED, SEEN))


def _other(kind):
    known = READOUTS[kind].model_fields
    return _made(READOUTS[kind](**{key: value for key, value in SMALL.items() if key in known}))


def _bias(readout):
    return readout.linear.bias if hasattr(readout, "linear") else getattr(readout, "bias", torch.zeros(1))


def _asked(readout, company=None):
    return VECTORS, company or next(iter(readout.companies), None), TRAINED


@pytest.mark.parametrize("kind", [kind for kind in OTHERS if kind != "gap"])
def test_evidence_that_divides_the_logit_has_the_logit_as_its_sum(kind):
    readout = _other(kind)
    found = readout.looked(FEATURES, *_asked(readout), "evidence")
    assert found.shape == (BATCH, LABELS, TOKENS)
    logits = readout(FEATURES, VECTORS) - _bias(readout)
    torch.testing.assert_close(found.sum(2).double(), logits.double(), rtol=0, atol=1e-4)


def test_a_closed_set_shows_the_class_map_of_the_nearest_seen_label():
    readout = _other("gap")
    found = readout.looked(FEATURES, *_asked(readout))
    nearest = torch.nn.functional.cosine_similarity(VECTORS[:, None], TRAINED[None], dim=2).argmax(1)
    for image in range(BATCH):
        for label in range(LABELS):
            for token in range(TOKENS):
                expected = readout.linear.weight[nearest[label]] @ FEATURES[image, token] / TOKENS
                torch.testing.assert_close(found[image, label, token].double(), expected, rtol=0, atol=1e-5)
    own = readout.looked(FEATURES, TRAINED, None, TRAINED).sum(2)  # all seen labels: the logits are the classifier's
    expected = readout(FEATURES, TRAINED) - readout.linear.bias
    torch.testing.assert_close(own.double(), expected, rtol=0, atol=1e-5)


def test_gap_text_divides_its_logit_token_by_token():
    readout = _other("gap-text")
    found = readout.looked(FEATURES, VECTORS)
    for image in range(BATCH):
        for label in range(LABELS):
            for token in range(TOKENS):
                expected = readout.projection(FEATURES[image, token]) @ VECTORS[label] / TOKENS
                torch.testing.assert_close(found[image, label, token].double(), expected, rtol=0, atol=1e-5)


def test_the_best_token_of_max_pooling_has_the_logit():
    torch.manual_seed(0)
    readout = _ready(MaxPooledReadout(CHANNELS, EMBED))
    found = readout.looked(FEATURES, VECTORS)
    expected = torch.stack([readout(FEATURES[:, [token]], VECTORS) - readout.bias for token in range(TOKENS)], 2)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.amax(2).double(), readout(FEATURES, VECTORS) - readout.bias, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [*DECODERS, "label-attention"])
def test_attention_is_positive_and_sums_to_one(name):
    readout = _made(DECODERS[name]) if name in DECODERS else _other(name)
    for company in readout.companies or (None,):
        found = readout.looked(FEATURES, VECTORS, company, TRAINED, "attention")
        assert found.shape == (BATCH, LABELS, TOKENS)
        assert (found > 0).all()
        assert not found.requires_grad
        torch.testing.assert_close(found.sum(2), torch.ones(BATCH, LABELS), rtol=0, atol=1e-5)


def test_attention_of_a_decoder_is_that_of_torchs_layer():
    """One query for each label: with full decoding, its attention is that of `torch.nn.MultiheadAttention`."""
    decoder = _made(DECODERS["full"])
    reference = nn.MultiheadAttention(28, 4, batch_first=True).double().eval()
    with torch.no_grad():
        reference.in_proj_weight.copy_(decoder.attention.in_proj_weight)
        reference.in_proj_bias.copy_(decoder.attention.in_proj_bias)
        queries = decoder.query_projection(VECTORS)
        queries = decoder.norm1(2 * queries).expand(BATCH, -1, -1)
        memory = decoder.memory_projection(FEATURES).relu()
        _, expected = reference(queries, memory, memory)
    found = decoder.looked(FEATURES, *_asked(decoder), "attention")
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


def _scaled(decoder, token, factor):
    """The decoder's logits if the values of a token, which attention averages, were so many times larger."""

    def forward(projected, memory):
        keys, values = nn.functional.linear(
            memory, decoder.attention.in_proj_weight[28:], decoder.attention.in_proj_bias[28:]
        ).split(28, -1)
        values = values * (1 + (factor - 1) * (torch.arange(TOKENS) == token).double()[:, None])
        keys, values = (x.unflatten(-1, (4, 7)).transpose(1, 2) for x in (keys, values))
        attended = (projected @ keys.transpose(-1, -2)).softmax(-1) @ values
        return decoder.attention.out_proj(attended.transpose(1, 2).flatten(2))

    before, decoder.attention.forward = decoder.attention.forward, forward
    try:
        with torch.no_grad():
            return decoder.bind_each(*_asked(decoder))(FEATURES)
    finally:
        decoder.attention.forward = before


@pytest.mark.parametrize("name", ["groups", "similar groups", "learnable heads", "learnable queries", "full"])
def test_evidence_of_a_decoder_is_what_the_logit_gains_as_a_token_counts_more(name):
    """The slope of the logit in a factor on the token's values, by central differences."""
    decoder, step = _made(DECODERS[name]), 1e-5
    found = decoder.looked(FEATURES, *_asked(decoder), "evidence")
    for token in (0, 7):
        slope = (_scaled(decoder, token, 1 + step) - _scaled(decoder, token, 1 - step)) / (2 * step)
        torch.testing.assert_close(found[:, :, token].double(), slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", DECODERS)
def test_maps_of_a_decoder_do_not_depend_on_the_other_labels(name):
    decoder = _made(DECODERS[name])
    for company in decoder.companies:
        for look in decoder.looks:
            whole = decoder.looked(FEATURES, VECTORS, company, TRAINED, look)
            part = decoder.looked(FEATURES[1:2], VECTORS[[3, 1]], company, TRAINED, look)
            torch.testing.assert_close(part, whole[1:2, [3, 1]], rtol=0, atol=1e-6)


def test_maps_are_made_where_no_gradients_are_kept():
    decoder = _made(DECODERS["groups"])
    expected = decoder.looked(FEATURES, VECTORS, "anchored", TRAINED)
    with torch.inference_mode():
        copies = (FEATURES.clone(), VECTORS.clone(), "anchored", TRAINED.clone())
        torch.testing.assert_close(decoder.looked(*copies), expected)
    decoder.requires_grad_(False)
    torch.testing.assert_close(decoder.looked(FEATURES, VECTORS, "anchored", TRAINED), expected)
    assert decoder.attention.kept is None
    assert all(parameter.grad is None for parameter in decoder.parameters())


def test_many_tokens_are_read_the_same_way():
    """Above 256 tokens the layer calls torch's fused attention, which gives no weights."""
    decoder = _made(DECODERS["full"])
    many = torch.randn(1, 300, CHANNELS, dtype=torch.float64)
    found = decoder.looked(many, *_asked(decoder), "attention")
    torch.testing.assert_close(found.sum(2), torch.ones(1, LABELS), rtol=0, atol=1e-5)


def test_what_cannot_be_shown_is_named():
    with pytest.raises(InputError, match="ConseReadout cannot say where it looked; heat maps need a readout such as"):
        _ready(ConseReadout(CHANNELS, EMBED, SEEN)).looked(FEATURES, VECTORS)
    with pytest.raises(InputError, match="GapTextReadout cannot show 'attention'; it can show: evidence"):
        _other("gap-text").looked(FEATURES, VECTORS, look="attention")
    with pytest.raises(InputError, match="needs the word vectors of the seen labels"):
        _made(DECODERS["groups"]).looked(FEATURES, VECTORS)
    closed = MlDecoderConfig(**SMALL, query="learnable", head="learnable", self_attention=True)
    with pytest.raises(InputError, match="GroupDecoder cannot say where it looked"):
        _made(closed).looked(FEATURES, VECTORS, None, TRAINED)
