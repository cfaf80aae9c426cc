"""Published checkpoints as models: labels, banks and files that are not such checkpoints."""

import numpy as np
import pytest
import torch

from embeddings import Bank, build_bank
from embeddings.io.errors import InputError
from tests.zsl.backbones.test_official_tresnet import OFFICIAL, official_state, pixels, word_vectors
from zsl.prediction.loading import load
from zsl.prediction.model_folder import write_model
from zsl.prediction.official import import_official

CLOSED = ("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train")
OPEN = ("sky", "water", "old town", "dog", "tree")


def _checkpoint(tmp_path, kind="basic", **changes):
    """A file as the official code saves it; the names of its parts may have a prefix."""
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": official_state(kind), "idx_to_class": dict(enumerate(CLOSED))} | changes, path)
    return path


@pytest.fixture(scope="module")
def squares():
    """Two pictures of 64 pixels, (2, 3, 64, 64) uint8: they are read as they are."""
    return pixels()[..., :64].contiguous()


def test_a_closed_set_has_the_names_and_the_logits_of_its_checkpoint(tmp_path, squares):
    model = import_official(_checkpoint(tmp_path), image_size=64)
    assert model.seen == CLOSED
    assert (model.facts.square.size, model.facts.square.squash) == (64, True)
    with torch.no_grad():
        expected = model.readout(model.backbone(squares), None)
        wide = model.readout(model.backbone(pixels()), None)
    torch.testing.assert_close(wide, torch.tensor(OFFICIAL["basic"]["logits"]), rtol=0, atol=2e-5)
    np.testing.assert_allclose(model.scores(squares), expected, rtol=0, atol=1e-5)


def test_an_exported_folder_gives_the_same_scores(tmp_path, squares):
    state = {f"module.{name}": tensor for name, tensor in official_state("bottleneck").items()}
    path, folder = tmp_path / "zero_shot.ckpt", tmp_path / "folder"
    torch.save(state, path)
    bank = Bank(OPEN, word_vectors().numpy(), build_bank(OPEN, "lexical:11").provenance)
    model = import_official(path, bank=bank, image_size=64)
    folder.mkdir()
    write_model(model, folder)
    opened = load(folder)
    assert opened.seen == OPEN
    np.testing.assert_array_equal(opened.scores(squares, OPEN), model.scores(squares, OPEN))
    with torch.no_grad():
        wide = opened.readout(opened.backbone(pixels()), word_vectors())
    torch.testing.assert_close(wide, torch.tensor(OFFICIAL["bottleneck"]["logits"]), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"idx_to_class": None}, {}, r"checkpoint.pth does not name its labels; give --labels FILE"),
        ({"idx_to_class": {0: "person", 2: "car"}}, {}, "'idx_to_class' does not name the labels 0 to 1"),
        ({"idx_to_class": dict(enumerate(CLOSED[:6] + CLOSED[:1]))}, {}, "label 'person' is twice in 'idx_to_class'"),
        ({}, {"labels": CLOSED[:6]}, "has a head of 7 labels, and there are 6 in the labels given"),
        ({"model": {"fc.weight": torch.zeros(2, 2)}}, {}, "no TResNet in the file"),
        ({"model": [1, 2]}, {}, "holds no tensors by name; give a checkpoint of the official ML-Decoder"),
        (
            {"model": official_state("bottleneck")},
            {},
            "has the zero-shot head, which reads word vectors; give the bank",
        ),
        (
            {"model": official_state("bottleneck")},
            {"labels": OPEN, "bank": build_bank(OPEN, "lexical:12")},
            "was trained with word vectors of size 11, the bank's 12",
        ),
        (
            {"model": {name: t for name, t in official_state("basic").items() if not name.startswith("head.")}},
            {},
            "no ML-Decoder head in the state dict",
        ),
    ],
)
def test_another_file_is_one_clear_line(tmp_path, changes, options, message):
    with pytest.raises(InputError, match=message):
        import_official(_checkpoint(tmp_path, **changes), image_size=64, **options)


def test_a_pickle_of_objects_is_not_opened(tmp_path):
    with pytest.raises(InputError, match="cannot be read as tensors"):
        import_official(_checkpoint(tmp_path, model=pytest.approx(1)))
