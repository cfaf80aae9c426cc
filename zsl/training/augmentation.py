"""The paper's augmentation of training images, from torchvision."""

from typing import Literal

from pydantic import Field

from zsl.config import Config
from zsl.data.dataset import Augmentation


class AugmentConfig(Config):
    """How training images are changed at random; validation and test images are not.

    Args:
        flip: mirror half of the images, left to right.
        policy: torchvision's RandAugment, or its AutoAugment with ImageNet's policy.
        cutout: the side of a square that is erased, as a share of the image's side (the paper: 0.5); 0 erases nothing.
    """

    flip: bool = True
    policy: Literal["none", "randaugment", "autoaugment"] = "none"
    cutout: float = Field(0.0, ge=0, lt=1)


def make_augmentation(config: AugmentConfig) -> Augmentation | None:
    """The transform of one image, (3, height, width) uint8; None if there is nothing to do."""
    from torchvision.transforms import v2  # takes seconds, and runs on tokens do not need it

    steps: list[v2.Transform] = []
    if config.flip:
        steps.append(v2.RandomHorizontalFlip())
    if config.policy == "randaugment":
        steps.append(v2.RandAugment())
    elif config.policy == "autoaugment":
        steps.append(v2.AutoAugment())
    if config.cutout:
        share = config.cutout**2
        steps.append(v2.RandomErasing(p=1, scale=(share, share), ratio=(1, 1)))
    return v2.Compose(steps) if steps else None
