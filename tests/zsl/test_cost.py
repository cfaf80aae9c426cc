"""Multiply-accumulates against counts by hand."""

import torch
from torch import nn

from zsl.cost import image_cost, multiply_accumulates
from zsl.readouts.gap import GapReadout
from zsl.readouts.group_decoder import MlDecoderConfig

TOKENS, CHANNELS, EMBED, LABELS, WIDTH, FFN = 11, 13, 7, 20, 28, 17


def test_products_and_convolutions_count():
    assert multiply_accumulates(nn.Linear(5, 3), torch.zeros(2, 5)) == 2 * 5 * 3
    convolution = nn.Conv2d(3, 4, 3, padding=1)
    assert multiply_accumulates(convolution, torch.zeros(1, 3, 8, 6)) == 8 * 6 * 4 * 3 * 9


def test_a_decoder_costs_what_its_products_do():
    groups = 5
    decoder = MlDecoderConfig(width=WIDTH, num_groups=groups, attention_heads=4, ffn=FFN).make(CHANNELS, EMBED, LABELS)
    vectors, tokens = torch.randn(LABELS, EMBED), torch.randn(1, TOKENS, CHANNELS).to(torch.bfloat16)
    memory = TOKENS * CHANNELS * WIDTH + 2 * TOKENS * WIDTH**2  # keys and values; queries do not depend on the image
    attention = 2 * groups * TOKENS * WIDTH + groups * WIDTH**2
    mlp = 2 * groups * WIDTH * FFN
    assert image_cost(None, decoder, tokens, vectors) == memory + attention + mlp + LABELS * WIDTH
    assert decoder.training  # what is counted is a copy
    assert all(parameter.requires_grad for parameter in decoder.parameters())


def test_the_backbone_counts_too():
    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, CHANNELS, 2, 2)

        def forward(self, images):
            return self.stem(images).flatten(2).transpose(1, 2)

    stem = 4 * 3 * CHANNELS * 3 * 4
    readout = GapReadout(CHANNELS, LABELS)
    assert image_cost(Backbone(), readout, torch.zeros(1, 3, 8, 6), None) == stem + CHANNELS * LABELS
