"""The usual head against a loop over images and labels."""

import pytest
import torch

from zsl.readouts.gap import GapReadout

BATCH, TOKENS, CHANNELS, EMBED, LABELS, TOP = 3, 11, 13, 7, 23, 5


def _inputs(labels=LABELS):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(BATCH, TOKENS, CHANNELS, generator=generator), torch.randn(labels, EMBED, generator=generator)


@pytest.mark.parametrize("labels", [LABELS, 9, 51])
def test_gap_takes_its_rows_in_turn(labels):
    torch.manual_seed(0)
    readout, (features, vectors) = GapReadout(CHANNELS, LABELS), _inputs(labels)
    expected = torch.zeros(BATCH, labels)
    for image in range(BATCH):
        mean = sum(features[image]) / TOKENS
        for label in range(labels):
            row = label % LABELS
            expected[image, label] = readout.linear.weight[row] @ mean + readout.linear.bias[row]
    torch.testing.assert_close(readout(features, vectors), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(readout.bind(vectors)(features), expected, rtol=0, atol=1e-5)
    assert readout(features, None).shape == (BATCH, LABELS)
