"""An encoder and a readout of your own, without registering either.

    python examples/own_parts.py

The pictures are drawn, so nothing is downloaded. The encoder is any object with a method `encode`; the readout is a
subclass of `zsl.Readout`.
"""

import argparse
from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

import zsl
from embeddings import build_bank


class LetterTriples:
    """Counts the triples of letters in a text: texts with like spelling have like vectors."""

    name = "letter-triples"

    def __init__(self, width: int = 256):
        self.width = width

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(text, width) float32."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            padded = f"  {text} "
            for start in range(len(padded) - 2):
                vectors[row, crc32(padded[start : start + 3].encode()) % self.width] += 1
        return vectors


class SoftMaxPooledReadout(zsl.Readout):
    """A label's logit is the soft maximum of `(W x_t) . n_i` over the tokens t of an image."""

    def __init__(self, channels: int, embed_dim: int):
        super().__init__()
        self.projection = nn.Linear(channels, embed_dim)
        self.bias = nn.Parameter(torch.tensor(-4.0))

    def bind(self, vectors: Tensor | None) -> Callable[[Tensor], Tensor]:
        """Maps tokens (batch, token, channel) to logits (batch, label) of these vectors (label, embed)."""
        assert vectors is not None

        def logits(tokens: Tensor) -> Tensor:
            return (self.projection(tokens) @ vectors.T).logsumexp(dim=1) + self.bias

        return logits


def main(arguments: list[str] | None = None) -> None:
    """Trains and measures a model of own parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000, help="training pictures to draw")
    parser.add_argument("--epochs", type=int, default=4)
    asked = parser.parse_args(arguments)

    data = zsl.load_data(name="scenes", train=asked.images, test=asked.images // 4, image_size=32, seen=120, unseen=12)
    bank = build_bank(data.names, LetterTriples(), num_seen=len(data.seen), transforms="l2")
    backbone = zsl.BackboneConfig(name="resnet10t", level=2, mode="tuned")
    readout = SoftMaxPooledReadout(channels=128, embed_dim=bank.embed_dim)
    train = zsl.TrainConfig(epochs=asked.epochs, lr=1e-3, backbone_lr=4e-3, ema=0)
    model = zsl.fit(data, bank, backbone=backbone, readout=readout, train=train)
    metrics = zsl.evaluate(model, data, bank).metrics
    print(f"unseen mAP {metrics['zsl/map']:.3f}, by chance {metrics['zsl/map_chance']:.3f}")


if __name__ == "__main__":
    main()
