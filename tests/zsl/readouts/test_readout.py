"""What the parts of readouts share: vectors are checked, final logits are exact."""

import pytest
import torch

from embeddings.io.errors import InputError
from zsl.readouts.conse import ConseReadout
from zsl.readouts.gap import GapReadout
from zsl.readouts.gap_text import GapTextReadout
from zsl.readouts.readout import tokens_of

BATCH, TOKENS, CHANNELS, EMBED, LABELS, TOP = 3, 11, 13, 7, 23, 5


def _inputs(labels=LABELS):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(BATCH, TOKENS, CHANNELS, generator=generator), torch.randn(labels, EMBED, generator=generator)


def _conse():
    torch.manual_seed(0)
    readout = ConseReadout(CHANNELS, EMBED, LABELS, TOP)
    readout.remember(_inputs()[1])
    return readout.eval()


def test_places_of_maps_become_tokens_row_by_row():
    tokens = _inputs()[0]
    maps = torch.arange(2.0 * 3 * 5 * 7).reshape(2, 3, 5, 7)
    expected = [[[maps[b, c, r, k].item() for c in range(3)] for r in range(5) for k in range(7)] for b in range(2)]
    assert tokens_of(maps).tolist() == expected
    assert tokens_of(tokens) is tokens


@pytest.mark.parametrize("make", [GapTextReadout(CHANNELS, EMBED), _conse()])
def test_text_readouts_need_vectors_of_their_size(make):
    with pytest.raises(InputError, match="needs word vectors"):
        make(_inputs()[0], None)
    with pytest.raises(InputError, match=r"must be \(label, 7\), got shape \(2, 6\)"):
        make(_inputs()[0], torch.zeros(2, 6))


def test_logits_stay_exact_under_autocast():
    features, vectors = _inputs()
    for readout in (GapReadout(CHANNELS, LABELS), GapTextReadout(CHANNELS, EMBED), _conse()):
        with torch.autocast("cpu", torch.bfloat16):
            logits = readout(features, vectors)
        torch.testing.assert_close(logits, readout(features, vectors), rtol=0, atol=1e-6)
