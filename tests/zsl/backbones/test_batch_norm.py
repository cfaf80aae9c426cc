"""Pieces of a single image, which batch normalisation cannot always be trained on."""

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from zsl.backbones.backbone import Backbone
from zsl.backbones.batch_norm import check_pieces, lone_layer, smallest_piece
from zsl.backbones.config import BackboneConfig
from zsl.data.loading import TrainingOrder


@pytest.mark.parametrize("images", [5, 12, 13, 25])
@pytest.mark.parametrize("batch_size", [2, 4, 12])
@pytest.mark.parametrize(("processes", "pieces"), [(1, 1), (2, 1), (1, 3), (2, 2)])
def test_the_smallest_piece_is_that_of_the_order(images, batch_size, processes, pieces):
    orders = [TrainingOrder(images, batch_size, 0, processes, process, pieces) for process in range(processes)]
    expected = min(len(piece) for order in orders for piece in order)
    assert smallest_piece(images, batch_size, processes * pieces) == expected


@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [("resnet10t", 32, "layer4.0.bn1"), ("resnet10t", 64, None), ("convnext_atto", 32, None)],
)
def test_layers_that_cannot_be_trained_on_one_image_are_found(name, size, layer):
    backbone = Backbone(BackboneConfig(name=name)).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    assert lone_layer(backbone, size) == layer
    assert backbone.training
    for key, value in backbone.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    image = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    if layer is None:
        backbone(image)
    else:
        with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
            backbone(image)


def test_what_to_set_is_told():
    backbone = Backbone(BackboneConfig(name="resnet10t"))
    check_pieces(backbone, 32, 66, 64, 1)
    message = "train.batch_size=64 leaves a single image of 65 .* 'resnet10t' .*size than 32, or train.batch_size=63$"
    with pytest.raises(InputError, match=message):
        check_pieces(backbone, 32, 65, 64, 1)
    message = "backbone.pretrain.batch_size=6 in 4 pieces .*backbone.pretrain.batch_size=11$"
    with pytest.raises(InputError, match=message):
        check_pieces(backbone, 32, 66, 6, 4, "backbone.pretrain")
