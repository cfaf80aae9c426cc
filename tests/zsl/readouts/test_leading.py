"""Tokens of the whole image before those of the grid."""

import pytest
import torch

from zsl.readouts.pooled import pool, shares
from zsl.readouts.readout import on_grid
from zsl.readouts.table import READOUTS, make_readout

FEATURES = torch.randn(3, 1 + 6, 13, generator=torch.Generator().manual_seed(1))
SMALL = {"width": 28, "ffn": 17, "group_size": 2, "attention_heads": 4, "residual": "eszsl"}


def test_pooling_takes_the_leading_tokens_where_there_are_some():
    assert torch.equal(pool(FEATURES, 1), FEATURES[:, 0])
    assert torch.equal(pool(FEATURES, 2), FEATURES[:, :2].mean(1))
    assert torch.equal(pool(FEATURES), FEATURES.mean(1))


def test_what_leading_tokens_add_is_theirs():
    weight, constant = torch.randn(13, 5), torch.randn(5)
    found = shares(FEATURES, weight, constant, leading=1)
    torch.testing.assert_close(found[:, :, 0], FEATURES[:, 0] @ weight + constant)
    assert not found[:, :, 1:].any()


def test_maps_leave_the_leading_tokens_out():
    maps = torch.arange(14.0).view(2, 7)
    assert on_grid(maps, (2, 3)).tolist() == [[[1, 2, 3], [4, 5, 6]], [[8, 9, 10], [11, 12, 13]]]
    assert torch.equal(on_grid(maps, (7, 1)), maps[:, :, None])


@pytest.mark.parametrize("kind", READOUTS)
def test_every_readout_and_its_parts_know_of_leading_tokens(kind):
    known = READOUTS[kind].model_fields
    config = READOUTS[kind](**{key: value for key, value in SMALL.items() if key in known})
    readout = make_readout(config, 7 if config.aligned else 13, 7, 5, leading=1)
    assert all(part.leading == 1 for part in readout.modules() if hasattr(part, "leading"))
    reads_places = kind in ("ml-decoder", "transformer-decoder", "label-attention", "blend")
    assert readout.placed == reads_places
    assert readout.lead(0).placed == (kind not in ("conse", "kernel-eszsl"))
