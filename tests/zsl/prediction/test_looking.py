"""Where a model looked: its maps lie over the picture as the backbone's places do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from embeddings import build_bank
from embeddings.io.errors import InputError
from zsl.backbones.own import OwnBackbone
from zsl.data.squares import Square
from zsl.prediction.facts import Facts
from zsl.prediction.heat_maps import with_legend
from zsl.prediction.looking import Looking, tokens_of
from zsl.prediction.model import TrainedModel
from zsl.readouts.conse import ConseReadout
from zsl.readouts.gap_text import GapTextReadout

SIZE, EMBED = 32, 16
BANK = build_bank(["sun", "sea", "dune"], f"lexical:{EMBED}")


def _model(readout=None, module=None):
    """A model that finds "sun" where a picture is bright: places are 8 x 4 pixels, a grid of 4 rows and 8 columns."""
    if readout is None:
        readout = GapTextReadout(3, EMBED)
        with torch.no_grad():
            readout.projection.weight.copy_(torch.from_numpy(BANK.select(["sun"])[0])[:, None].expand(-1, 3))
            readout.projection.bias.zero_()
    backbone = OwnBackbone(nn.AvgPool2d((8, 4)) if module is None else module)
    facts = Facts("bright", "none", "none", BANK.labels[:2], 3, EMBED, "bce", Square(SIZE, squash=False))
    return TrainedModel(backbone, readout, False, facts, BANK).eval()


def _picture(x, y):
    """Twice as wide as high, with a bright patch of the size of a place: the model reads x from 16 to 48."""
    pixels = np.full((SIZE, 2 * SIZE, 3), 10, np.uint8)
    pixels[y : y + 8, x : x + 4] = 250
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("x", "y"), [(16, 0), (44, 24), (28, 8)])
def test_the_peak_is_where_the_picture_is_bright(x, y):
    model, picture = _model(), _picture(x, y)
    values = model.attention(picture, "sun")
    assert values.shape == (4, 8)
    assert np.unravel_index(values.argmax(), values.shape) == (y // 8, (x - 16) // 4)
    asked = model.asked(["sun", "sea"])
    sea, sun = Looking(asked).heat_maps(picture, tokens_of(asked, picture), ["sea", "sun"], ["0.1", "0.9"])
    assert sun.peak == (x + 2, y + 4)
    assert (sun.legend[0], sea.legend[0]) == ("sun 0.9", "sea 0.1")
    np.testing.assert_array_equal(sun.values, values)
    # evidence divides the logit: the mean brightness times the product of the vectors
    logit = model.scores(picture, ["sun"])[0, 0] - float(model.readout.bias.detach())
    assert values.sum() == pytest.approx(logit, abs=1e-4)
    drawing = with_legend(picture, replace(sun, note=""))
    np.testing.assert_array_equal(np.asarray(model.heat_map(picture, "sun")), np.asarray(drawing))


def test_a_trained_decoder_looks_at_the_places_of_its_tokens(run, photos):
    model = run[1]
    path = next(photos.glob("*.jpg"))
    found = model.attention(path, "beach ball", look="attention")
    assert found.shape == (1, 1)  # the backbone gives one token
    assert found[0, 0] == pytest.approx(1)
    company = model.asked(["beach ball"], "grouped")  # its map is that of the word asked by itself
    assert Looking(company).company is None


def test_what_cannot_be_shown_is_named():
    picture = _picture(16, 0)
    with pytest.raises(InputError, match="ConseReadout cannot say where it looked"):
        _model(ConseReadout(3, EMBED, 2)).attention(picture, "sun")
    with pytest.raises(InputError, match="GapTextReadout cannot show 'attention'"):
        _model().attention(picture, "sun", look="attention")
    with pytest.raises(InputError, match="returns tokens, whose places are not known; for heat maps return maps"):
        _model(module=nn.Sequential(nn.AvgPool2d(8), nn.Flatten(2))).attention(picture, "sun")
    with pytest.raises(InputError, match="2 pictures; give one"):
        _model().attention([picture, picture], "sun")
    model = _model()
    model.backbone = None
    with pytest.raises(InputError, match="bright was trained on tokens and has no backbone"):
        model.attention(picture, "sun")
