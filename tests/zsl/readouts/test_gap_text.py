"""DeViSE's model against a loop over images and labels."""

import torch

from zsl.readouts.gap_text import GapTextReadout

BATCH, TOKENS, CHANNELS, EMBED, LABELS, TOP = 3, 11, 13, 7, 23, 5


def _inputs(labels=LABELS):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(BATCH, TOKENS, CHANNELS, generator=generator), torch.randn(labels, EMBED, generator=generator)


def test_gap_text_projects_the_mean_token():
    torch.manual_seed(0)
    readout, (features, vectors) = GapTextReadout(CHANNELS, EMBED), _inputs(9)
    expected = torch.zeros(BATCH, 9)
    for image in range(BATCH):
        projected = readout.projection.weight @ features[image].mean(0) + readout.projection.bias
        for label in range(9):
            expected[image, label] = projected @ vectors[label] + readout.bias[0]
    torch.testing.assert_close(readout(features, vectors), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(readout.bind(vectors)(features), expected, rtol=0, atol=1e-5)


def test_cosines_with_a_scale():
    torch.manual_seed(0)
    readout, (features, vectors) = GapTextReadout(CHANNELS, EMBED, cosine=True), _inputs(9)
    torch.nn.init.constant_(readout.log_scale, 0.7)
    expected = torch.zeros(BATCH, 9)
    with torch.no_grad():
        for image in range(BATCH):
            projected = readout.projection.weight @ features[image].mean(0) + readout.projection.bias
            for label in range(9):
                cosine = projected @ vectors[label] / projected.norm() / vectors[label].norm()
                expected[image, label] = 2.0137527 * cosine + readout.bias[0]  # exp(0.7)
        torch.testing.assert_close(readout(features, vectors), expected, rtol=0, atol=1e-5)
    maps = readout.looked(features, vectors).sum(2)  # they divide the logit
    torch.testing.assert_close(maps, expected - readout.bias.detach(), rtol=0, atol=1e-5)
