"""What a model costs, in multiply-accumulates."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from zsl.readouts.readout import Readout, Vectors


def multiply_accumulates(run: Callable[..., object], *inputs: Tensor) -> int:
    """Multiply-accumulates of the call `run(*inputs)`: half of the operations that torch's counter reports.

    Convolutions and matrix products count, as in the paper; softmax, norms and sums do not. On the device "meta"
    nothing is computed.

    Args:
        run: the function or module.
        inputs: its arguments.
    Returns:
        the number of multiply-accumulates.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run(*inputs)
    return counter.get_total_flops() // 2


def image_cost(backbone: nn.Module | None, readout: Readout, sample: Tensor, vectors: Vectors | None) -> int:
    """Multiply-accumulates of one image's logits.

    What depends only on the vocabulary is computed before, and does not count.

    Args:
        backbone: images to tokens; None if `sample` holds tokens.
        readout: tokens and word vectors to logits.
        sample: one image (1, channel, height, width), or without a backbone its tokens (1, token, channel).
        vectors: (label, embed) of the vocabulary.
    Returns:
        multiply-accumulates of the backbone and of the readout together.
    """
    readout = copy.deepcopy(readout).eval().requires_grad_(False)  # torch's counter fails on views of parameters
    backbone_macs = 0
    with torch.no_grad():
        if backbone is not None:
            backbone = copy.deepcopy(backbone).eval().requires_grad_(False)
            backbone_macs = multiply_accumulates(backbone, sample)
            sample = backbone(sample)
        else:
            sample = sample.to(next(readout.parameters()).dtype)  # cached tokens are bfloat16
        bound = readout.bind(vectors)
    return backbone_macs + multiply_accumulates(bound, sample)
