"""Group decoding against Eq. 5 and Eq. 6 written out label by label."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from embeddings.io.errors import InputError
from zsl.readouts.decoder_layer import FEW_TOKENS, Attention
from zsl.readouts.group_decoder import GroupDecoder, MlDecoderConfig
from zsl.readouts.heads import HEADS
from zsl.readouts.queries import QUERIES

# prime or odd sizes: g divides neither N nor d, and no two axes can be confused
BATCH, TOKENS, CHANNELS, EMBED, LABELS, WIDTH, GROUP = 3, 11, 13, 7, 23, 28, 5


def _decoder(query="text", head="text", group=GROUP, **options):
    torch.manual_seed(0)
    sizes = {"width": WIDTH, "group_size": group, "attention_heads": 4, "ffn": 17}
    decoder = MlDecoderConfig(query=query, head=head, **sizes, **options).make(CHANNELS, EMBED, LABELS)
    for parameter in decoder.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    return decoder.eval()


def _inputs(labels=LABELS):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(BATCH, TOKENS, CHANNELS, generator=generator), torch.randn(labels, EMBED, generator=generator)


def _brute_force(decoder, features, vectors):
    """Image by image, group by group, slot by slot; attention by torch's own module."""
    attention = torch.nn.MultiheadAttention(WIDTH, 4, batch_first=True).eval()
    attention.load_state_dict(decoder.attention.state_dict())
    g, slot_width = decoder.group_size, WIDTH // decoder.group_size
    logits = torch.zeros(len(features), len(vectors))
    for image in range(len(features)):
        memory = torch.relu(decoder.memory_projection(features[image]))
        for k in range(-(-len(vectors) // g)):
            members = [i for i in range(k * g, k * g + g) if i < len(vectors)]
            trained = k % decoder.num_groups
            if decoder.query == "text":  # Eq. 5: q_k = concat(W_q n_i), zeros where there is no label or column
                q = torch.zeros(WIDTH)
                for slot, i in enumerate(members):
                    q[slot * slot_width : (slot + 1) * slot_width] = decoder.query_projection.weight @ vectors[i]
            else:
                q = decoder.queries[trained]
            t = decoder.norm1(q + q)
            t = decoder.norm2(t + attention(t[None, None], memory[None], memory[None])[0][0, 0])
            h = decoder.norm3(t + decoder.ffn_out(torch.relu(decoder.ffn_in(t))))
            for slot, i in enumerate(members):
                if decoder.head == "text":  # Eq. 6: W_k = W_h M_k
                    weight = decoder.head_projection @ vectors[i]
                elif decoder.head == "learnable":
                    weight = decoder.head_weight[trained][:, slot]
                else:
                    weight = decoder.head_weight[:, slot]
                if decoder.log_scale is not None:
                    weight, h = decoder.log_scale.exp() * weight / weight.norm(), h / h.norm()
                bias = decoder.head_bias[trained, slot] if decoder.head == "learnable" else decoder.head_bias[0]
                logits[image, i] = h @ weight + bias
    return logits


@pytest.mark.parametrize("labels", [LABELS, 9, 51])
@pytest.mark.parametrize("group", [GROUP, 1, LABELS])
@pytest.mark.parametrize(("query", "head"), list(product(QUERIES, HEADS)))
def test_group_decoding_is_eq_5_and_eq_6(query, head, group, labels):
    decoder = _decoder(query, head, group)
    features, vectors = _inputs(labels)
    expected = _brute_force(decoder, features, vectors)
    torch.testing.assert_close(decoder(features, vectors), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(decoder.bind(vectors)(features), expected, rtol=0, atol=1e-5)


def test_cosines_with_a_scale():
    decoder, (features, vectors) = _decoder(cosine=True), _inputs(9)
    expected = _brute_force(decoder, features, vectors)
    torch.testing.assert_close(decoder(features, vectors), expected, rtol=0, atol=1e-5)
    alone = torch.cat([decoder(features, vectors[[label]]) for label in range(9)], 1)
    torch.testing.assert_close(decoder.bind_each(vectors, "alone")(features), alone, rtol=0, atol=1e-5)
    decoder.train()(features, vectors).square().sum().backward()
    for name in ("log_scale", "head_projection"):
        assert 0 < getattr(decoder, name).grad.abs().max() < 1e6, name  # padded slots have no length
    with pytest.raises(InputError, match="cosine is between images and word vectors: it needs head 'text', not 'sha"):
        _decoder(head="shared", cosine=True)


def test_feature_maps_are_read_as_tokens():
    decoder = _decoder()
    _, vectors = _inputs()
    maps = torch.randn(BATCH, CHANNELS, 3, 5)
    torch.testing.assert_close(decoder(maps, vectors), decoder(maps.flatten(2).transpose(1, 2), vectors))


def test_permuting_whole_groups_permutes_the_logits():
    decoder = _decoder()
    features, vectors = _inputs(20)
    order = torch.tensor([2, 0, 3, 1])
    labels = (order[:, None] * GROUP + torch.arange(GROUP)).flatten()
    torch.testing.assert_close(decoder(features, vectors[labels]), decoder(features, vectors)[:, labels])


def test_images_do_not_see_each_other():
    decoder = _decoder()
    features, vectors = _inputs()
    one_by_one = torch.cat([decoder(image[None], vectors) for image in features])
    torch.testing.assert_close(decoder(features, vectors), one_by_one)


def test_num_groups_and_group_size_say_the_same():
    assert MlDecoderConfig(num_groups=100).make(CHANNELS, EMBED, 925).group_size == 10
    assert MlDecoderConfig(group_size=10).make(CHANNELS, EMBED, 925).num_groups == 93


def test_vectors_may_be_left_out_where_nothing_reads_them():
    kinds, sizes = {"query": "learnable", "head": "learnable"}, {"width": WIDTH, "ffn": 8, "attention_heads": 4}
    decoder = GroupDecoder(CHANNELS, None, LABELS, MlDecoderConfig(num_groups=4, **kinds, **sizes)).eval()
    assert decoder(_inputs()[0], None).shape == (BATCH, LABELS)


def test_every_variant_learns():
    """One batch can be learnt by heart: the gradient reaches all that it should."""
    features, vectors = _inputs()
    targets = (torch.rand(BATCH, LABELS, generator=torch.Generator().manual_seed(2)) < 0.3).float()
    for query, head in product(QUERIES, HEADS):
        decoder = _decoder(query, head, dropout=0.0).train()
        optimizer = torch.optim.Adam(decoder.parameters(), 0.01)
        losses = []
        while len(losses) < 400 and (not losses or losses[-1] >= 0.2):
            loss = F.binary_cross_entropy_with_logits(decoder(features, vectors), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.2, (query, head, losses)  # from 0.7 to 2.6, in 19 to 79 steps
        assert all(p.grad is not None for p in decoder.parameters())


def test_fixed_random_queries_are_saved_and_not_trained():
    decoder = _decoder("random", "text")
    assert "queries" in decoder.state_dict()
    assert "queries" not in dict(decoder.named_parameters())


def test_dropout_is_off_in_evaluation_only():
    decoder, (features, vectors) = _decoder(dropout=0.5), _inputs()
    torch.testing.assert_close(decoder(features, vectors), decoder(features, vectors))
    decoder.train()
    assert not torch.allclose(decoder(features, vectors), decoder(features, vectors))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "texts"}, "should be 'text', 'learnable' or 'random'"),
        ({"head": "mlp"}, "should be 'text', 'learnable' or 'shared'"),
        ({"num_groups": 3}, "one of decoder.group_size and decoder.num_groups"),
        ({"group_size": 24}, "not between 1 and the 23 labels"),
        ({"width": 4}, "width = 4 is less than the 5 labels of a group"),
        ({"attention_heads": 5}, "attention_heads = 5 does not divide"),
        ({"embed_dim": None}, "needs embed_dim"),
        ({"layers": 0}, "greater than or equal to 1"),
    ],
)
def test_impossible_sizes_are_named(options, message):
    keys = {"width": 28, "group_size": 5, "attention_heads": 4} | options
    embed_dim = keys.pop("embed_dim", 7)
    with pytest.raises(ValueError, match=message):  # the config's, or an InputError of the decoder
        GroupDecoder(13, embed_dim, 23, MlDecoderConfig(**keys))


def _torch_layer(layer):
    """torch's own layer with the weights of one of ours that has self-attention."""
    names = {
        "self_attention": "self_attn",
        "attention": "multihead_attn",
        "ffn_in": "linear1",
        "ffn_out": "linear2",
        "norm1": "norm1",
        "norm2": "norm2",
        "norm3": "norm3",
    }
    other = torch.nn.TransformerDecoderLayer(WIDTH, 4, 17, batch_first=True).eval()
    for ours, theirs in names.items():
        other.get_submodule(theirs).load_state_dict(layer.get_submodule(ours).state_dict())
    return other


@pytest.mark.parametrize("layers", [1, 3])
def test_with_self_attention_it_is_torchs_transformer_decoder(layers):
    decoder = _decoder("learnable", "learnable", 1, layers=layers, self_attention=True)
    features, _ = _inputs()
    memory = decoder.memory_projection(features).relu()
    hidden = decoder.queries.expand(BATCH, -1, -1)
    for layer in [decoder, *decoder.later]:
        hidden = _torch_layer(layer)(hidden, memory)
    expected = torch.einsum("bnd,nd->bn", hidden, decoder.head_weight[..., 0]) + decoder.head_bias[:, 0]
    torch.testing.assert_close(decoder(features, None), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(decoder.bind(None)(features), expected, rtol=0, atol=1e-5)


def test_stacked_layers_without_self_attention_read_the_image_again():
    decoder = _decoder(layers=2)
    features, vectors = _inputs()
    begun = decoder.bind(vectors)
    hidden = decoder.decode(features, begun.queries, begun.projected, begun.apart)
    (later,) = decoder.later
    memory = decoder.memory_projection(features).relu()
    first = decoder.read(begun.queries, begun.projected, memory)
    t = later.norm1(first + first)
    attention = torch.nn.MultiheadAttention(WIDTH, 4, batch_first=True).eval()
    attention.load_state_dict(later.attention.state_dict())
    t = later.norm2(t + attention(t, memory, memory)[0])
    expected = later.norm3(t + later.ffn_out(torch.relu(later.ffn_in(t))))
    torch.testing.assert_close(hidden, expected, rtol=0, atol=1e-5)


def test_many_tokens_take_the_fused_attention():
    attention = Attention(WIDTH, 4, 0.0)
    queries, memory = torch.randn(5, WIDTH), torch.randn(BATCH, FEW_TOKENS + 1, WIDTH)
    other = torch.nn.MultiheadAttention(WIDTH, 4, batch_first=True)
    other.load_state_dict(attention.state_dict())
    expected = other(queries.expand(BATCH, -1, -1), memory, memory)[0]
    torch.testing.assert_close(attention(attention.project_queries(queries), memory), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{"layers": 2}, {"layers": 2, "self_attention": True}, {"self_attention": True}])
def test_stacked_decoders_learn_and_permute(options):
    features, vectors = _inputs()
    targets = (torch.rand(BATCH, LABELS, generator=torch.Generator().manual_seed(2)) < 0.3).float()
    decoder = _decoder(group=1, dropout=0.0, **options)
    order = torch.randperm(LABELS, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(decoder(features, vectors[order]), decoder(features, vectors)[:, order])
    optimizer = torch.optim.Adam(decoder.train().parameters(), 0.005)
    for _ in range(60):
        loss = F.binary_cross_entropy_with_logits(decoder(features, vectors), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.4  # from about 3
    assert all(p.grad is not None for p in decoder.parameters())


def test_one_layer_has_the_parameters_that_saved_runs_have():
    layer = [
        *("attention.in_proj_weight", "attention.in_proj_bias", "attention.out_proj.weight", "attention.out_proj.bias"),
        *(f"{norm}.{kind}" for norm in ("norm1", "norm2", "norm3") for kind in ("weight", "bias")),
        *(f"{linear}.{kind}" for linear in ("ffn_in", "ffn_out", "memory_projection") for kind in ("weight", "bias")),
    ]
    assert _decoder().state_dict().keys() == {*layer, "query_projection.weight", "head_projection", "head_bias"}


def test_vectors_of_another_width_are_named():
    decoder = _decoder()
    with pytest.raises(InputError, match="vectors of size 6, but the decoder was made for 7"):
        decoder(_inputs()[0], torch.zeros(4, 6))
    with pytest.raises(InputError, match="needs word vectors"):
        decoder(_inputs()[0], None)
