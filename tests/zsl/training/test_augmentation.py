"""The paper's augmentation: what each value does to an image."""

import pytest
import torch

from embeddings.io.errors import InputError
from zsl.training.augmentation import AugmentConfig, make_augmentation


@pytest.fixture
def image():
    return torch.randint(1, 256, (3, 40, 40), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def _augmented(image, **values):
    transform = make_augmentation(AugmentConfig(**({"flip": False} | values)))
    torch.manual_seed(0)
    return torch.stack([transform(image) for _ in range(40)])


def test_nothing_to_do_is_no_transform():
    assert make_augmentation(AugmentConfig(flip=False)) is None


def test_flips_are_half_of_the_images(image):
    found = _augmented(image, flip=True)
    flipped = torch.tensor([torch.equal(one, image.flip(-1)) for one in found])
    same = torch.tensor([torch.equal(one, image) for one in found])
    assert (flipped | same).all()
    assert 10 < flipped.sum() < 30


def test_cutout_blots_a_square_of_its_side(image):
    found = _augmented(image, cutout=0.5)
    blotted = (found == 0).all(dim=1)
    assert (blotted.flatten(1).sum(1) == 20 * 20).all()
    left = ~blotted[:, None].expand_as(found)
    assert torch.equal(found[left], image.expand_as(found)[left])
    assert len(torch.unique(blotted.flatten(1), dim=0)) > 20  # in many places


@pytest.mark.parametrize("policy", ["randaugment", "autoaugment"])
def test_policies_change_images_and_keep_their_shape(image, policy):
    found = _augmented(image, policy=policy)
    assert found.dtype == torch.uint8
    assert found.shape == (40, 3, 40, 40)
    assert len(torch.unique(found.flatten(1), dim=0)) > 10


def test_other_values_are_refused():
    for values in ({"policy": "mixup"}, {"cutout": 1.0}):
        with pytest.raises(InputError, match="AugmentConfig: "):
            AugmentConfig(**values)
