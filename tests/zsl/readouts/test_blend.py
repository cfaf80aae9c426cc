"""A blend, against sums over its members in loops."""

import numpy as np
import pytest
import torch
from torch import nn

from embeddings.io.errors import InputError
from zsl.readouts.blend import BlendConfig, BlendReadout
from zsl.readouts.table import make_readout

IMAGES, TOKENS, CHANNELS, EMBED, SEEN, WEIGHTS = 5, 3, 13, 7, 5, (1.0, 2.0, 4.0)
GROUPS = {"kind": "ml-decoder", "width": 28, "ffn": 17, "group_size": 2, "attention_heads": 4}
MEMBERS = ({"kind": "gap-text"}, GROUPS, {"kind": "conse", "top": 3})


def _random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


FEATURES, OTHERS = _random(IMAGES, TOKENS, CHANNELS, seed=1), _random(4, EMBED, seed=2)
TRAINED = _random(SEEN, EMBED, seed=3)
EVERY = torch.cat([TRAINED, OTHERS])


def _blend(members=MEMBERS, weights=WEIGHTS, **keys):
    torch.manual_seed(0)
    config = BlendConfig(members=members, weights=weights[: len(members)], **keys)
    blend = make_readout(config, CHANNELS, EMBED, SEEN)
    blend.remember(TRAINED)
    for parameter in blend.parameters():
        if parameter.isnan().any() or parameter.ndim == 1:
            nn.init.normal_(parameter)
    return blend.eval()


def _by_hand(asked, reference, normalise="image"):
    """The blend of scores (member, image, label), image by image, in plain arithmetic."""
    total = np.zeros(asked[0].shape)
    for weight, found, seen in zip(WEIGHTS, asked, reference, strict=False):
        for image in range(IMAGES):
            mean, spread = (np.mean(seen[image]), np.std(seen[image])) if normalise == "image" else (0, 1)
            total[image] += weight / sum(WEIGHTS[: len(asked)]) * (found[image] - mean) / spread
    return total


@pytest.mark.parametrize("normalise", ["image", "none"])
@torch.no_grad()
def test_a_blend_is_the_weighted_sum_of_normalised_scores(normalise):
    blend = _blend(normalise=normalise)
    for vectors in (OTHERS, TRAINED, EVERY):
        asked = [member(FEATURES, vectors).double().numpy() for member in blend.members]
        # a vocabulary that begins with the seen labels is its own reference
        known = vectors if len(vectors) >= SEEN else TRAINED
        reference = [member(FEATURES, known)[:, :SEEN].double().numpy() for member in blend.members]
        np.testing.assert_allclose(blend(FEATURES, vectors), _by_hand(asked, reference, normalise), atol=1e-5)
    np.testing.assert_array_equal(blend(FEATURES, None), blend(FEATURES, TRAINED))


@pytest.mark.parametrize("company", [None, "anchored", "alone"])
@torch.no_grad()
def test_each_member_is_asked_in_its_own_company(company):
    blend = _blend()
    assert blend.companies == ("anchored", "alone")
    forms = (None, company, None)

    def asked(vectors, without=None):
        pairs = zip(blend.members, forms, strict=True)
        return [m.bind_each(vectors, c, TRAINED, without)(FEATURES).double().numpy() for m, c in pairs]

    for vectors in (OTHERS, EVERY):
        expected = _by_hand(asked(vectors), asked(TRAINED))
        np.testing.assert_allclose(blend.bind_each(vectors, company, TRAINED)(FEATURES), expected, atol=1e-5)
    if company != "alone":
        own = torch.arange(SEEN)
        played = blend.bind_each(TRAINED, company, TRAINED, own)(FEATURES)
        np.testing.assert_allclose(played, _by_hand(asked(TRAINED, own), asked(TRAINED)), atol=1e-5)


@torch.no_grad()
def test_maps_of_evidence_add_up_as_scores_do():
    members = ({"kind": "gap-text"}, {"kind": "eszsl"}, {"kind": "conse", "top": 3})
    blend = _blend(members)
    assert blend.looks == ("evidence",)
    seen = [member(FEATURES, TRAINED).double().numpy() for member in blend.members]
    expected = np.zeros((IMAGES, len(OTHERS), TOKENS))
    for weight, member, own in zip(WEIGHTS[:2], blend.members, seen, strict=False):  # ConSE cannot say where it looked
        maps = member.looked(FEATURES, OTHERS).double().numpy()
        expected += weight / sum(WEIGHTS) * maps / own.std(1)[:, None, None]
    np.testing.assert_allclose(blend.looked(FEATURES, OTHERS), expected, atol=1e-5)

    pair = _blend(({"kind": "label-attention", **{k: GROUPS[k] for k in ("width", "ffn", "attention_heads")}}, GROUPS))
    assert pair.looks == ("evidence", "attention")
    one, two = (member.looked(FEATURES, OTHERS, None, TRAINED, "attention") for member in pair.members)
    found = pair.looked(FEATURES, OTHERS, "anchored", TRAINED, "attention")
    torch.testing.assert_close(found, (WEIGHTS[0] * one + WEIGHTS[1] * two) / 3)
    torch.testing.assert_close(found.sum(2), torch.ones(IMAGES, len(OTHERS)))
    assert _blend(({"kind": "conse"},)).looks == ()


@torch.no_grad()
def test_members_read_their_columns():
    blend = _blend(({"kind": "gap-text", "columns": (0, 3)}, {**GROUPS, "columns": (3, EMBED)}))
    for vectors in (OTHERS, EVERY):
        parts = vectors[:, :3], vectors[:, 3:]
        known = parts if len(vectors) >= SEEN else (TRAINED[:, :3], TRAINED[:, 3:])
        asked = [m(FEATURES, v).double().numpy() for m, v in zip(blend.members, parts, strict=True)]
        seen = [m(FEATURES, v)[:, :SEEN].double().numpy() for m, v in zip(blend.members, known, strict=True)]
        np.testing.assert_allclose(blend(FEATURES, vectors), _by_hand(asked, seen), atol=1e-5)


def test_members_begin_with_the_weights_that_they_would_have_alone():
    torch.manual_seed(5)
    blend = make_readout(BlendConfig(members=MEMBERS), CHANNELS, EMBED, SEEN)
    for config, member in zip(BlendConfig(members=MEMBERS).members, blend.members, strict=True):
        torch.manual_seed(5)
        alone = make_readout(config, CHANNELS, EMBED, SEEN)
        for one, two in zip(alone.parameters(), member.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=0, equal_nan=True)


def test_scores_before_training_are_not_finite():
    blend = make_readout(BlendConfig(members=({"kind": "gap-text"},)), CHANNELS, EMBED, SEEN).eval()
    assert blend(FEATURES, OTHERS).isnan().all()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"members": ({"kind": "blend"},)}, "unknown members.1.kind = 'blend'; known: ml-decoder, "),
        ({"members": ({"kind": "eszsl", "width": 3},)}, "unknown key 'members.1.width'; known: kind, image_ridge"),
        ({"members": ()}, "members: Tuple should have at least 1 item"),
        ({"weights": (1.0,)}, "decoder.weights has 1 numbers for 2 members"),
        ({"weights": (1.0, 0.0)}, "weights: Input should be greater than 0"),
    ],
)
def test_wrong_configs_end_in_one_line(keys, message):
    with pytest.raises(InputError, match=message):
        BlendConfig(**keys)


def test_sizes_that_do_not_fit_name_the_member():
    for member, message in (
        ({**GROUPS, "group_size": 6}, "decoder.members.2.group_size = 6 is not between 1 and the 5 labels"),
        (
            {"kind": "gap-text", "columns": (3, 8)},
            r"decoder.members.2.columns = \[3, 8\] are no part of word vectors of",
        ),
    ):
        with pytest.raises(InputError, match=message):
            make_readout(BlendConfig(members=({"kind": "eszsl"}, member)), CHANNELS, EMBED, SEEN)
    with pytest.raises(InputError, match="a blend has 1 members, 2 weights and 1 columns"):
        BlendReadout([_blend().members[0]], (SEEN, EMBED), (1, 2))
