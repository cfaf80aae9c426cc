"""A user's own module as a backbone: tokens or maps, from pixels in [0, 1]."""

import pytest
import torch
from torch import nn

from embeddings.io.errors import InputError
from zsl.backbones.own import OwnBackbone

IMAGES = torch.randint(0, 256, (2, 3, 20, 20), dtype=torch.uint8)


class Tokens(nn.Module):
    """Rows as tokens, columns as channels, of the first colour."""

    def forward(self, images):
        return images[:, 0]


def test_tokens_are_taken_as_they_are():
    backbone = OwnBackbone(Tokens())
    assert torch.equal(backbone(IMAGES), IMAGES[:, 0].float() / 255)
    assert backbone.shape(13) == (13, 13)
    assert backbone.device == torch.device("cpu")  # it has no weights


def test_maps_become_tokens_row_by_row():
    module = nn.Conv2d(3, 7, 4, stride=4)
    backbone = OwnBackbone(module, mode="tuned")
    maps = module(IMAGES.float() / 255)
    assert backbone.shape(20) == (25, 7)
    assert backbone.channels(20) == 7
    torch.testing.assert_close(backbone(IMAGES)[:, 6], maps[:, :, 1, 1])
    assert OwnBackbone(nn.Conv2d(3, 7, (5, 4), stride=(5, 4))).grid(20) == (4, 5)
    with pytest.raises(InputError, match="test_own.Tokens' returns tokens, whose places are not known; .* return maps"):
        OwnBackbone(Tokens()).grid(20)
    assert (backbone.mode, backbone.cached, backbone.name) == ("tuned", True, "torch.nn.modules.conv.Conv2d")


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (nn.Flatten(), r"'torch.*Flatten' gives a tensor of shape \(1, 1200\); return tokens"),
        (nn.Conv2d(4, 7, 3), "the backbone does not take images of 20 px .*; set data.image_size"),
    ],
)
def test_an_output_that_is_neither_is_named(module, told):
    with pytest.raises(InputError, match=told):
        OwnBackbone(module).shape(20)


def test_a_frozen_backbone_stays_as_it_is():
    backbone = OwnBackbone(nn.Sequential(nn.Conv2d(3, 5, 4), nn.BatchNorm2d(5)))
    backbone.freeze()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    backbone.train()
    backbone(IMAGES)
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
