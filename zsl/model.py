"""A backbone with a readout: what is trained, evaluated and saved."""

from jaxtyping import Float
from torch import Tensor, nn

from zsl.backbones.backbone import Backbone
from zsl.readouts.readout import Readout


class ZeroShotModel(nn.Module):
    """Inputs and word vectors to logits; without a backbone the inputs are tokens.

    Args:
        backbone: images to tokens.
        readout: tokens and word vectors to logits.
        softmax: trained with the loss "softmax", so that logits of one image do not compare with those of another;
            `zsl.scoring.score` then gives log-probabilities.
    """

    def __init__(self, backbone: Backbone | None, readout: Readout, softmax: bool = False):
        super().__init__()
        self.backbone = backbone
        self.readout = readout
        self.softmax = softmax

    def encode(self, inputs: Tensor) -> Float[Tensor, "batch token channel"]:
        """Tokens of a batch of images, or the tokens given."""
        # tokens are kept in half the bits; without autocast the readout wants its own type
        own = next(self.readout.parameters()).dtype
        return inputs.to(own) if self.backbone is None else self.backbone(inputs)

    def forward(self, inputs: Tensor, vectors: Tensor | None) -> Float[Tensor, "batch label"]:
        return self.readout(self.encode(inputs), vectors)
