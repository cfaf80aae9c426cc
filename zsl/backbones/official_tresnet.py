"""The TResNet of the official ML-Decoder code, as timm's TResNet."""

import re
from collections.abc import Mapping

from torch import Tensor

from embeddings.io.errors import InputError
from zsl.backbones.backbone import Backbone
from zsl.backbones.config import BackboneConfig

STEM = "body.conv1.0.weight"
PLANES = 64  # channels after the stem at a width factor of 1
# whether the first two stages have bottlenecks, the channels after the stem, and the blocks of each stage; the official
# TResNet-L of ML-Decoder is the one that timm calls v2
SIZES = {
    "tresnet_m": (False, 64, (3, 4, 11, 3)),
    "tresnet_l": (False, 76, (4, 5, 18, 3)),
    "tresnet_xl": (False, 83, (4, 5, 24, 3)),
    "tresnet_v2_l": (True, 64, (3, 4, 23, 3)),
}


def load_tresnet(state: Mapping[str, Tensor]) -> tuple[Backbone, BackboneConfig]:
    """A backbone with the weights of an official TResNet, and its config; its size is found from names and shapes.

    Names and values become timm's by timm's own filter: the official batch normalisation takes the absolute value of
    its weights.

    Args:
        state: tensors by the official names, "body.conv1.0.weight" and so on; the others are left out.
    Returns:
        the backbone, in evaluation mode, and its config. It reads pixels scaled to [0, 1], with mean 0 and standard
        deviation 1.
    Raises:
        InputError: there is no TResNet in `state`; weights that are missing or do not fit.
    """
    from timm.models.tresnet import checkpoint_filter_fn  # timm takes seconds

    body = {name: tensor.detach().float() for name, tensor in state.items() if name.startswith("body.")}
    config = config_of(body)
    backbone = Backbone(config)
    own = {name: tensor for name, tensor in backbone.model.state_dict().items() if "num_batches_tracked" not in name}
    found: dict[str, Tensor] = checkpoint_filter_fn(body, backbone.model)
    for name, tensor in own.items():
        if name not in found:
            raise InputError(f"the official weights lack {name!r} of timm's {config.name}")
        if found[name].shape != tensor.shape:
            shapes = f"{tuple(found[name].shape)}, in timm's {config.name} {tuple(tensor.shape)}"
            raise InputError(f"{name!r} of the official weights is {shapes}")
    surplus = sorted(name for name in set(found) - set(own) if "num_batches_tracked" not in name)
    if surplus:
        raise InputError(f"the official weights have {surplus[0]!r}, which timm's {config.name} lacks")
    backbone.model.load_state_dict({name: found[name] for name in own}, strict=False)
    return backbone.eval(), config


def config_of(state: Mapping[str, Tensor]) -> BackboneConfig:
    """The timm model that an official TResNet is.

    Args:
        state: tensors by the official names.
    Returns:
        its config; a size that timm does not name has arguments.
    Raises:
        InputError: there is no TResNet in `state`.
    """
    if STEM not in state:
        raise InputError(f"no TResNet in the file: no tensor is named {STEM!r}")
    blocks = [re.findall(rf"body\.layer{stage}\.(\d+)\.", "\n".join(state)) for stage in (1, 2, 3, 4)]
    if not all(blocks):
        raise InputError(f"no TResNet in the file: stage {blocks.index([]) + 1} has no blocks")
    layers = tuple(max(map(int, stage)) + 1 for stage in blocks)
    bottlenecks, width = "body.layer1.0.conv3.0.weight" in state, len(state[STEM])
    plain = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    name = next((name for name, size in SIZES.items() if size == (bottlenecks, width, layers)), None)
    if name is not None:
        return BackboneConfig(name=name, **plain)
    arguments = {"layers": list(layers), "width_factor": width / PLANES}
    return BackboneConfig(name="tresnet_v2_l" if bottlenecks else "tresnet_m", arguments=arguments, **plain)
