"""What a model costs, in multiply-accumulates."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from zsl.readouts.readout import Readout, Vectors


def multiply_accumulates(run: Callable[..., object], *inputs: Tensor) -> int:
    """Of a call, by torch's counter, which counts two operations for each; the paper counts one.

    Convolutions and matrix products count, as in the paper; softmax, norms and sums do not. On the device "meta"
    nothing is computed.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run(*inputs)
    return counter.get_total_flops() // 2


def image_cost(backbone: nn.Module | None, readout: Readout, sample: Tensor, vectors: Vectors | None) -> int:
    """Multiply-accumulates of one image's logits.

    What depends on the vocabulary alone is computed before, and does not count.

    Args:
        sample: one image (1, channel, height, width), or without a backbone its tokens (1, token, channel).
        vectors: (label, embed) of the vocabulary.
    """
    readout = copy.deepcopy(readout).eval().requires_grad_(False)  # torch's counter fails on views of parameters
    backbone_macs = 0
    with torch.no_grad():
        if backbone is not None:
            backbone = copy.deepcopy(backbone).eval().requires_grad_(False)
            backbone_macs = multiply_accumulates(backbone, sample)
            sample = backbone(sample)
        else:
            sample = sample.to(next(readout.parameters()).dtype)  # tokens are kept in half the bits
        bound = readout.bind(vectors)
    return backbone_macs + multiply_accumulates(bound, sample)
