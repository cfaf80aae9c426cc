"""A dataset of tokens in which everything can be learnt, and a small decoder's training on it."""

import numpy as np
import torch

from embeddings.banks.build import build_bank
from zsl.context import Context
from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.loading import Samples, SeenSamples
from zsl.data.targets import Targets
from zsl.model import ZeroShotModel
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.training.config import TrainConfig
from zsl.training.loop import Training

SEEN = tuple(f"seen{i}" for i in range(8))
UNSEEN = tuple(f"unseen{i}" for i in range(3))


def toy_data():
    """Each label has a direction; an image's tokens are its labels' directions: score 1.0 can be reached."""
    generator = np.random.default_rng(0)
    directions = build_bank(SEEN + UNSEEN, "random:16").vectors

    def part(count, labels):
        targets = np.zeros((count, labels), np.uint8)
        tokens = np.zeros((count, 3, 16), np.float32)
        for row in range(count):
            chosen = generator.choice(labels, 2, replace=False)
            targets[row, chosen] = 1
            tokens[row, :2] = 4 * directions[chosen]
        return Part(Tensors(torch.from_numpy(tokens)), Targets.of(targets))

    return MultiLabelData("toy", SEEN, UNSEEN, part(150, 8), part(90, 11), "tokens", "toy")


def seen_samples(data, training=120):
    """So many images to train on, the last 30 to validate on, and random word vectors."""
    vectors = torch.from_numpy(build_bank(data.names, "random:16").select(SEEN))
    return SeenSamples(Samples(data.train, np.arange(training)), Samples(data.train, np.arange(120, 150)), vectors)


def train_toy(data, seed=0, loss="asymmetric", ema=0.9, epochs=12, lr=5e-3):
    """A model, its history and its bank."""
    torch.manual_seed(seed)
    decoder = MlDecoderConfig(width=32, group_size=1, attention_heads=2, ffn=32).make(16, 16, 8)
    model = ZeroShotModel(None, decoder)
    config = TrainConfig(epochs=epochs, batch_size=16, lr=lr, loss=loss, ema=ema, precision="fp32", seed=seed)
    history = Training(config, model, seen_samples(data), Context.of("fp32")).run()
    return model, history, build_bank(data.names, "random:16")
