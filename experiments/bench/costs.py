"""What classification heads cost: the heads of the paper's Tables 9 to 12, and their multiply-accumulates."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.bench.harness import Figures, machine
from zsl.backbones.backbone import Backbone
from zsl.backbones.config import BackboneConfig
from zsl.cost import multiply_accumulates
from zsl.readouts.gap import GapReadout
from zsl.readouts.group_decoder import GroupDecoder, MlDecoderConfig
from zsl.readouts.readout import Readout, Vectors

# the paper's decoder; the size of GloVe's and fastText's vectors
WIDTH, ATTENTION_HEADS, FFN, DROPOUT, GROUPS, EMBED = 768, 8, 2048, 0.1, 100, 300


class TorchTransformerDecoder(Readout):
    """torch's own decoder layer with a learnable query and a weight vector per class: the paper's baseline.

    All of it, self-attention included, is computed for each image.
    """

    def __init__(self, channels: int, classes: int):
        super().__init__()
        self.projection = nn.Linear(channels, WIDTH)
        self.queries = nn.Parameter(torch.randn(classes, WIDTH))
        self.layer = nn.TransformerDecoderLayer(WIDTH, ATTENTION_HEADS, FFN, DROPOUT, batch_first=True)
        self.weight = nn.Parameter(torch.randn(classes, WIDTH) / WIDTH**0.5)

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """The classes are those of training; `vectors` are not used."""

        def logits(tokens: Tensor) -> Tensor:
            memory = self.projection(tokens).relu()
            hidden = self.layer(self.queries.expand(len(tokens), -1, -1), memory)
            return torch.einsum("bnd,nd->bn", hidden, self.weight)

        return logits


def _ml_decoder(query: str, head: str) -> Callable[[int, int], Readout]:
    def make(channels: int, classes: int) -> Readout:
        groups = min(GROUPS, classes)
        config = MlDecoderConfig(width=WIDTH, num_groups=groups, query=query, head=head, ffn=FFN, dropout=DROPOUT)
        return config.make(channels, EMBED, classes)

    return make


def _transformer_decoder(channels: int, classes: int, layers: int = 1) -> Readout:
    config = MlDecoderConfig(
        width=WIDTH,
        group_size=1,
        query="learnable",
        head="learnable",
        layers=layers,
        self_attention=True,
        ffn=FFN,
        dropout=DROPOUT,
    )
    return GroupDecoder(channels, None, classes, config)


@dataclass(frozen=True)
class Head:
    """A head of the paper's Table 9, or a further one.

    `make` takes channels and classes. `paper` has, by number of classes: images/s in training and in inference on a
    V100 16 GB in mixed precision, the maximal training batch, and G multiply-accumulates per image.
    """

    make: Callable[[int, int], Readout]
    paper: dict[int, tuple[int, int, int, float]]


# Table 9, which Table 12 repeats
HEADS: dict[str, Head] = {
    "GAP": Head(
        GapReadout,
        {100: (706, 2915, 520, 5.7), 1000: (703, 2910, 512, 5.7), 5000: (698, 2846, 504, 5.8)},
    ),
    "Transformer-decoder": Head(
        TorchTransformerDecoder,
        {100: (556, 2496, 424, 6.6), 1000: (44, 916, 112, 14.2), 5000: (2, 17, 4, 61.1)},
    ),
    "transformer-decoder, self-attention once": Head(_transformer_decoder, {}),
    "ML-Decoder": Head(
        _ml_decoder("learnable", "learnable"),
        {100: (575, 2588, 464, 6.3), 1000: (568, 2563, 456, 6.3), 5000: (562, 2512, 448, 6.4)},
    ),
    "ML-Decoder, text queries and heads": Head(_ml_decoder("text", "text"), {}),
}


def backbone_cost(backbone: Backbone, image_size: int) -> int:
    """Multiply-accumulates of one image's tokens; moves the backbone to "meta"."""
    backbone.to("meta").eval().requires_grad_(False)
    return multiply_accumulates(backbone, torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device="meta"))


def head_cost(readout: Readout, tokens: int, channels: int, classes: int) -> int:
    """Multiply-accumulates of one image's logits, bound to its classes; moves the readout to "meta"."""
    readout.to("meta").eval().requires_grad_(False)  # torch's counter fails on views of parameters
    bound = readout.bind(torch.zeros(classes, EMBED, device="meta"))
    return multiply_accumulates(bound, torch.zeros(1, tokens, channels, device="meta"))


# Table 10, G multiply-accumulates at K = N = 80 by layers, 0 for GAP. Its text names TResNet-L; the figures are those
# of TResNet-M at 448 px (Table 13 has 36.2 for TResNet-L there)
PAPER_LAYERS = {0: 23.0, 1: 24.1, 2: 25.0, 3: 25.9}


def count_layers(backbone: str, image_size: int, classes: int) -> Figures:
    """Multiply-accumulates of a backbone with GAP, and with one to three decoder layers with self-attention.

    Raises:
        InputError: an unknown backbone, or one that does not take such images.
    """
    body = Backbone(BackboneConfig(name=backbone))
    tokens, channels = body.shape(image_size)
    base = backbone_cost(body, image_size)
    rows, measured = [], []
    for layers, paper in PAPER_LAYERS.items():
        head = _transformer_decoder(channels, classes, layers) if layers else HEADS["GAP"].make(channels, classes)
        macs = base + head_cost(head, tokens, channels, classes)
        rows.append(["ML-Decoder" if layers else "GAP", str(layers or ""), f"{macs / 1e9:.2f}", str(paper)])
        measured.append({"layers": layers, "multiply_accumulates": macs})
    title = f"{backbone}, {image_size} px, {classes} classes and queries, self-attention in every layer"
    header = ["head", "layers", "G MAC", "paper (448 px, 80 classes)"]
    return Figures(title, header, rows, {"measured": measured, "machine": machine()})
