"""What a pair says by itself: against loops in numpy, and open_clip's own classifier."""

import numpy as np
import open_clip
import pytest
import torch

from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError
from zsl.backbones.config import OpenClipConfig
from zsl.readouts.pair import PairConfig
from zsl.readouts.table import make_readout

IMAGES, PATCHES, EMBED, LABELS = 3, 11, 7, 5
FEATURES = torch.randn(IMAGES, 1 + PATCHES, EMBED, generator=torch.Generator().manual_seed(1))
VECTORS = torch.randn(LABELS, EMBED, generator=torch.Generator().manual_seed(2))
READINGS = [
    {},
    {"reading": "top"},
    {"reading": "top", "top": 3},
    {"reading": "top", "top": 99},
    {"reading": "top", "top": 2, "mixture": 0.25},
    {"reading": "softmax"},
    {"reading": "softmax", "temperature": 0.3, "mixture": 0.6, "scale": 7.0},
]


def _readout(leading=1, **keys):
    return make_readout(PairConfig(**keys), EMBED, EMBED, LABELS, leading).eval()


def _by_hand(tokens, vector, leading, keys):
    """The logit of one image and label."""
    cosines = np.array([token @ vector / np.linalg.norm(token) / np.linalg.norm(vector) for token in tokens])
    patches, mixture = cosines[leading:], keys.get("mixture", 0)
    if keys.get("reading") == "top":
        read = np.mean(sorted(patches)[::-1][: keys.get("top", 1)])
    elif keys.get("reading") == "softmax":
        weights = np.exp(patches / keys.get("temperature", 0.01))
        read = np.sum(weights / weights.sum() * patches)
    else:
        read, mixture = 0, 1
    return keys.get("scale", 100) * ((mixture * cosines[0] if mixture else 0) + (1 - mixture) * read)


@pytest.mark.parametrize("keys", READINGS)
def test_it_equals_a_loop_over_images_and_labels(keys):
    logits = _readout(**keys).double()(FEATURES.double(), VECTORS.double()).numpy()
    tokens, vectors = FEATURES.double().numpy(), VECTORS.double().numpy()
    expected = [[_by_hand(image, vector, 1, keys) for vector in vectors] for image in tokens]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("keys", READINGS[1:4])
def test_without_a_class_token_all_tokens_are_patches(keys):
    logits = _readout(0, **keys).double()(FEATURES.double(), VECTORS.double()).numpy()
    tokens, vectors = FEATURES.double().numpy(), VECTORS.double().numpy()
    expected = [[_by_hand(image, vector, 0, keys) for vector in vectors] for image in tokens]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("keys", [{}, READINGS[5], READINGS[6]])
def test_evidence_divides_the_logit(keys):
    readout = _readout(**keys)
    maps = readout.looked(FEATURES, VECTORS)
    assert maps.shape == (IMAGES, LABELS, 1 + PATCHES)
    torch.testing.assert_close(maps.sum(2), readout(FEATURES, VECTORS), rtol=0, atol=1e-4)
    assert readout.placed == bool(keys)


def test_evidence_of_the_best_patches_is_what_each_would_say_alone():
    readout = _readout(reading="top", mixture=0.25)
    maps = readout.looked(FEATURES, VECTORS)
    for token in range(PATCHES):
        alone = _readout(reading="top")(FEATURES[:, [0, 1 + token]], VECTORS)
        torch.testing.assert_close(maps[:, :, 1 + token], 0.75 * alone, rtol=0, atol=1e-4)
    torch.testing.assert_close(maps[:, :, 0], 0.25 * _readout()(FEATURES, VECTORS), rtol=0, atol=1e-4)


@torch.no_grad()
def test_the_class_token_gives_open_clips_zero_shot_classifier(pair_folder):
    names, templates, folder = ["red dog", "sky"], ["a photo of a {}.", "the {}"], pair_folder("vit")
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    asked = [template.format for template in templates]
    classifier = open_clip.build_zero_shot_classifier(model, tokenizer, names, asked, device="cpu")
    backbone = OpenClipConfig(name=f"local-dir:{folder}").make().eval()
    images = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)
    expected = 100.0 * model.encode_image(backbone._pixels(images), normalize=True) @ classifier
    bank = build_bank(names, f"open_clip:local-dir:{folder}", prompts=templates, transforms="l2")
    readout = make_readout(PairConfig(), 7, 7, 2, backbone.leading)
    torch.testing.assert_close(readout(backbone(images), torch.from_numpy(bank.vectors)), expected, rtol=0, atol=1e-4)


def test_what_cannot_be_read_is_named():
    with pytest.raises(InputError, match="decoder.kind = 'pair' needs tokens and word vectors of one size, not 13 and"):
        _readout()(torch.ones(2, 3, 13), VECTORS)
    with pytest.raises(InputError, match="the tokens have no patches"):
        _readout(reading="top")(FEATURES[:, :1], VECTORS)
    with pytest.raises(InputError, match="the tokens have no class token"):
        _readout(0, reading="top", mixture=0.5)(FEATURES, VECTORS)
    with pytest.raises(InputError, match="decoder.mixture needs a reading of patches; set decoder.reading = "):
        PairConfig(mixture=0.5)
