"""Labels that are asked by themselves, against vocabularies that are built by hand for each label."""

import inspect
from itertools import product

import pytest
import torch

from embeddings.io.errors import InputError
from zsl.readouts.company import chosen_company, nearest
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.grouping import GROUPINGS
from zsl.readouts.heads import HEADS
from zsl.readouts.max_pooled import MaxPooledReadout
from zsl.readouts.queries import QUERIES
from zsl.readouts.table import READOUTS, make_readout

# prime or odd sizes: g divides neither N nor d, and no two axes can be confused
BATCH, TOKENS, CHANNELS, EMBED, LABELS, WIDTH, GROUP = 3, 11, 13, 7, 23, 28, 5
VARIANTS = [pair for pair in product(QUERIES, HEADS) if "text" in pair]
CLOSED = [(query, head) for query in ("learnable", "random") for head in ("learnable", "shared")]


def _decoder(query="text", head="text", **options):
    torch.manual_seed(0)
    sizes = {"width": WIDTH, "attention_heads": 4, "ffn": 17, "group_size": GROUP}
    config = MlDecoderConfig(query=query, head=head, **sizes | options)
    decoder = config.make(CHANNELS, EMBED, LABELS)
    for parameter in decoder.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    return decoder.eval()


def _features():
    return torch.randn(BATCH, TOKENS, CHANNELS, generator=torch.Generator().manual_seed(1))


def _words(labels, seed=2):
    return torch.randn(labels, EMBED, generator=torch.Generator().manual_seed(seed))


def _anchored_by_hand(decoder, features, vector, trained, own=None):
    """The trained vocabulary, with the label in the place of its nearest one; its own place is empty."""
    order = decoder.order.of(trained, False)
    order = torch.arange(len(trained)) if order is None else order
    cosines = torch.nn.functional.cosine_similarity(vector[None], trained).tolist()
    others = [i for i in range(len(trained)) if i != own]
    chosen = max(others, key=lambda i: cosines[i])
    vocabulary = trained.clone()
    if own is not None:
        vocabulary[own] = 0
    vocabulary[chosen] = vector
    options = {"group_size": decoder.group_size, "official_queries": decoder.official_queries}
    plain = _decoder(decoder.query, decoder.head, **options)
    plain.load_state_dict(decoder.state_dict(), strict=False)
    plain.later = decoder.later
    return plain(features, vocabulary[order])[:, order.tolist().index(chosen)]


def _check_anchored(decoder):
    features, vectors, trained = _features(), _words(17), _words(LABELS, 3)
    expected = torch.stack([_anchored_by_hand(decoder, features, v, trained) for v in vectors], 1)
    torch.testing.assert_close(decoder.bind_each(vectors, "anchored", trained)(features), expected, rtol=0, atol=1e-5)
    # a seen label is its own nearest one, so it has the logit of training
    torch.testing.assert_close(
        decoder.bind_each(trained, "anchored", trained)(features), decoder(features, trained), rtol=0, atol=1e-5
    )
    own = torch.randperm(LABELS, generator=torch.Generator().manual_seed(4))[:13]
    expected = [_anchored_by_hand(decoder, features, trained[i], trained, i) for i in own.tolist()]
    logits = decoder.bind_each(trained[own], "anchored", trained, own)(features)
    torch.testing.assert_close(logits, torch.stack(expected, 1), rtol=0, atol=1e-5)


def _check_alone(decoder):
    features, vectors = _features(), _words(17)
    expected = torch.cat([decoder(features, vector[None]) for vector in vectors], 1)
    torch.testing.assert_close(decoder.bind_each(vectors, "alone")(features), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("query", "head"), VARIANTS)
@pytest.mark.parametrize("group", [GROUP, 1, LABELS])
def test_each_label_is_asked_in_the_company_named(query, head, group):
    decoder = _decoder(query, head, group_size=group)
    assert decoder.companies == ("anchored", "alone")
    _check_anchored(decoder)
    _check_alone(decoder)


@pytest.mark.parametrize(
    "options", [{"layers": 3}, {"official_queries": True}, *({"grouping": name} for name in GROUPINGS)]
)
def test_layers_official_queries_and_groupings(options):
    decoder = _decoder(**options)
    _check_anchored(decoder)
    _check_alone(decoder)


@pytest.mark.parametrize("group", [GROUP, 1])
def test_with_self_attention_a_label_attends_to_itself_only(group):
    decoder = _decoder(self_attention=True, layers=2, group_size=group)
    assert decoder.companies == ("alone",)
    _check_alone(decoder)


@pytest.mark.parametrize(("query", "head"), CLOSED)
def test_labels_of_a_closed_set_have_the_logit_of_their_nearest_seen_label(query, head):
    decoder = _decoder(query, head)
    _check_closed(decoder)


def _check_closed(readout):
    features, trained = _features(), _words(LABELS, 3)
    assert readout.companies == ("anchored",)
    logits = readout(features, trained)
    places = torch.tensor([5, 0, 22, 5])
    near = 2 * trained[places] + 1e-3 * _words(4)
    torch.testing.assert_close(readout.bind_each(near, "anchored", trained)(features), logits[:, places])
    other = nearest(trained[places], trained, places)
    assert not (other == places).any()
    torch.testing.assert_close(readout.bind_each(trained[places], None, trained, places)(features), logits[:, other])
    with pytest.raises(InputError, match=r"company = 'alone': .* can ask a label by itself only anchored"):
        readout.bind_each(near, "alone", trained)


def test_the_pooled_closed_set():
    _check_closed(make_readout(READOUTS["gap"](), CHANNELS, EMBED, LABELS))


def _readouts():
    """Every readout of the table, with every company of its, and then variants of ML-Decoder."""
    small = {"width": WIDTH, "ffn": 17, "group_size": GROUP, "attention_heads": 4, "top": 3, "scale": 1.0}
    decoder = {"kind": "ml-decoder", **{key: small[key] for key in ("width", "ffn", "group_size", "attention_heads")}}
    small["members"] = ({"kind": "gap-text"}, decoder)
    made = {"max-pooled": MaxPooledReadout(CHANNELS, EMBED)}
    for kind, config in READOUTS.items():
        values = {key: value for key, value in small.items() if key in config.model_fields}
        made[kind] = make_readout(config(**values), EMBED if config.aligned else CHANNELS, EMBED, LABELS)
        assert made[kind].companies == config(**values).companies
    made |= {f"{query} query, {head} head": _decoder(query, head) for query, head in VARIANTS}
    made["similar"] = _decoder(grouping="similar")
    for readout in made.values():
        readout.remember(_words(LABELS, 3))
        for parameter in readout.parameters():
            if parameter.isnan().any():  # solved in a run
                torch.nn.init.normal_(parameter)
        readout.eval()
    return [(name, readout, c) for name, readout in made.items() for c in (readout.companies or (None,))]


def test_scores_depend_neither_on_order_nor_on_company():
    """100 random vocabularies, parts of a pool in any order: asked in parts, the pool has the same logits as whole."""
    whole_features, pool, trained = _features()[:1, :3], _words(31), _words(LABELS, 3)
    generator = torch.Generator().manual_seed(5)
    drawn = [torch.randperm(len(pool), generator=generator)[: 1 + i % len(pool)] for i in range(100)]
    for name, readout, company in _readouts():
        features = whole_features[..., :EMBED] if name == "pair" else whole_features
        with torch.no_grad():
            whole = readout.bind_each(pool, company, trained)(features)
            for places in drawn if name in READOUTS else drawn[:5]:  # variants: annotations take long to check
                part = readout.bind_each(pool[places], company, trained)(features)
                torch.testing.assert_close(part, whole[:, places], rtol=0, atol=1e-5, msg=f"{name}, {company}")


def test_the_nearest_seen_label():
    trained = torch.tensor([[0.0, 1.0], [1.0, 1.0], [3.0, 3.0], [1.0, 1.0], [-1.0, 0.0]])
    vectors = torch.tensor([[1.0, 1.1], [3.0, 3.0], [9.0, 9.0], [-2.0, -1.0], [0.0, 0.0]])
    # parallel vectors: the one at the smaller distance, and the first of equal ones
    assert nearest(vectors, trained).tolist() == [1, 2, 2, 4, 0]
    assert nearest(trained, trained).tolist() == [0, 1, 2, 1, 4]
    assert nearest(trained, trained, torch.arange(5)).tolist() == [1, 3, 1, 1, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.bind_each(_words(3), "grouped"), "company = 'grouped': 'text' query with 'text' head can ask"),
        (
            lambda d: inspect.unwrap(chosen_company)("friends", d.companies, ""),
            "unknown company 'friends'; known: grouped, anchored, alone",
        ),
        (lambda d: d.bind_each(_words(3), "anchored"), "company = 'anchored' needs the word vectors of the seen"),
        (lambda d: d.bind_each(_words(3), "anchored", _words(9)), "vectors of 9 labels, but .* was trained on 23"),
        (lambda d: d.bind_each(torch.zeros(3, 8)), "vectors of size 8, but the decoder was made for 7"),
        (
            lambda d: inspect.unwrap(nearest)(_words(3), torch.zeros(4, 8)),
            r"\(3, 7\) and trained \(4, 8\) differ in size",
        ),
        (lambda d: nearest(_words(1), _words(1), torch.tensor([0])), "there is no other seen label"),
        (
            lambda d: MaxPooledReadout(CHANNELS, EMBED).bind_each(_words(3), "alone"),
            "company = 'alone': MaxPooledReadout has none to choose, because it scores each label by itself",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_line(call, message):
    with pytest.raises(InputError, match=message):
        call(_decoder())
