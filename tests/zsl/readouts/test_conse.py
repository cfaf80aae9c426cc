"""ConSE against a loop over images and labels."""

import pytest
import torch
import torch.nn.functional as F

from embeddings.io.errors import InputError
from zsl.readouts.conse import ConseReadout

BATCH, TOKENS, CHANNELS, EMBED, LABELS, TOP = 3, 11, 13, 7, 23, 5


def _inputs(labels=LABELS):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(BATCH, TOKENS, CHANNELS, generator=generator), torch.randn(labels, EMBED, generator=generator)


def _conse():
    torch.manual_seed(0)
    readout = ConseReadout(CHANNELS, EMBED, LABELS, TOP)
    readout.remember(_inputs()[1])
    return readout.eval()


def test_conse_mixes_the_most_probable_seen_vectors():
    readout, (features, seen) = _conse(), _inputs()
    unseen = torch.randn(9, EMBED, generator=torch.Generator().manual_seed(3))
    expected = torch.zeros(BATCH, 9)
    for image in range(BATCH):
        mean = features[image].mean(0)
        p = [float(p) for p in torch.sigmoid(readout.classifier.linear(mean)).detach()]
        best = sorted(range(LABELS), key=lambda label: -p[label])[:TOP]
        mixed = sum(p[label] * seen[label] for label in best) / sum(p[label] for label in best)
        for label in range(9):
            expected[image, label] = F.cosine_similarity(mixed, unseen[label], dim=0)
    torch.testing.assert_close(readout(features, unseen), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(readout.bind(unseen)(features), expected, rtol=0, atol=1e-5)


def test_conse_is_a_classifier_in_training_and_keeps_its_vectors():
    readout, (features, seen) = _conse(), _inputs()
    logits = readout.classifier(features, None)
    torch.testing.assert_close(readout.train()(features, seen), logits)
    with pytest.raises(InputError, match="vectors of 4 labels, but the classifier has 23"):
        readout(features, seen[:4])
    other = ConseReadout(CHANNELS, EMBED, LABELS, TOP).eval()
    assert other(features, seen).isnan().all()  # of vectors it was never told
    other.load_state_dict(readout.state_dict())
    torch.testing.assert_close(other(features, seen), readout.eval()(features, seen))
    assert ConseReadout(CHANNELS, EMBED, LABELS, LABELS + 1).top == LABELS
    with pytest.raises(InputError, match="top = 0 is less than 1"):
        ConseReadout(CHANNELS, EMBED, LABELS, 0)
