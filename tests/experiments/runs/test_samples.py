"""Test images drawn at random, with the labels that a model finds in them."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.runs.samples import Samples, save_samples
from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.targets import Targets
from zsl.prediction.heat_maps import coloured

SEEN, UNSEEN = tuple("abcde"), tuple("xyz")


def make_data(kind="images", unseen=UNSEEN, partial=False, images=13):
    generator = np.random.default_rng(0)
    if kind == "images":
        inputs = torch.from_numpy(generator.integers(0, 256, (images, 3, 300, 200), dtype=np.uint8))
    else:
        inputs = torch.zeros(images, 7, 11)
    values = (generator.random((images, 5 + len(unseen))) < 0.3).astype(np.int8)
    targets = Targets.of(values)
    if partial:
        rows, columns = np.nonzero(np.ones_like(values))
        given = np.where(values > 0, 1, -1 * (generator.random(values.shape) < 0.5)).astype(np.int8)
        kept = given.ravel() != 0
        targets = Targets.of_entries(rows[kept], columns[kept], values.shape, given.ravel()[kept], True)
    part = Part(Tensors(inputs), targets)
    return MultiLabelData("made", SEEN, unseen, part, part, kind, "")


@pytest.mark.parametrize("partial", [False, True])
def test_samples_are_the_best_labels_of_images_drawn_at_random(tmp_path, partial):
    data = make_data(partial=partial)
    scores = np.random.default_rng(1).normal(size=(13, 8)).astype(np.float32)
    save_samples(tmp_path, data, {"gzsl": scores, "zsl": scores[:, 5:]}, count=6)
    samples = Samples.model_validate_json((tmp_path / "samples.json").read_bytes())
    assert (samples.seed, samples.test_images, samples.protocol, len(samples.images)) == (0, 13, "gzsl", 6)
    names, truth, verdicts = SEEN + UNSEEN, data.test.targets.dense(), set()
    for image in samples.images:
        row = int(image.name.removeprefix("image "))
        order = sorted(range(8), key=lambda column: -scores[row, column])
        assert [found.label for found in image.top] == [names[column] for column in order[:5]]
        assert [found.rank for found in image.top] == [1, 2, 3, 4, 5]
        best = [(names[c], rank) for rank, c in enumerate(order, 1) if c >= 5]
        assert [(found.label, found.rank) for found in image.top_unseen] == best
        assert {found.label for found in image.true} == {names[c] for c in range(8) if truth[row, c] == 1}
        for found in image.top:
            value = truth[row, names.index(found.label)]
            assert found.unseen == (found.label in UNSEEN)
            assert found.right == (True if value == 1 else None if partial and value == 0 else False)
            verdicts.add(found.right)
    assert verdicts == ({True, False, None} if partial else {True, False})
    again = tmp_path / "again"
    again.mkdir()
    save_samples(again, data, {"gzsl": -scores}, count=6)
    others = Samples.model_validate_json((again / "samples.json").read_bytes())
    assert [image.name for image in others.images] == [image.name for image in samples.images]


def test_pictures_are_what_the_model_gets(tmp_path):
    data = make_data(unseen=(), images=2)
    data.test.inputs.values[:] = torch.tensor([200, 100, 50], dtype=torch.uint8)[:, None, None]
    save_samples(tmp_path, data, {"closed": np.zeros((2, 5))})
    samples = Samples.model_validate_json((tmp_path / "samples.json").read_bytes())
    assert (samples.protocol, len(samples.images)) == ("closed", 2)
    with Image.open(io.BytesIO(base64.b64decode(samples.images[0].picture))) as image:
        assert (image.format, image.size) == ("JPEG", (171, 256))
        np.testing.assert_allclose(np.asarray(image).mean((0, 1)), [200, 100, 50], atol=3)
    assert samples.images[0].top_unseen == []


def test_tokens_have_labels_and_no_picture(tmp_path):
    save_samples(tmp_path, make_data("tokens"), {"gzsl": np.zeros((13, 8))}, count=2)
    samples = Samples.model_validate_json((tmp_path / "samples.json").read_bytes())
    assert [image.picture for image in samples.images] == [None, None]
    assert len(samples.images[0].top) == 5


def test_scores_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\(8, 13\), test targets \(13, 8\)"):
        save_samples(tmp_path, make_data(), {"gzsl": np.zeros((8, 13))})


def test_samples_say_where_the_model_looked(tmp_path):
    data, asked = make_data(), []

    def looked(row, labels):
        asked.append((row, labels))
        return np.random.default_rng(row).random((len(labels), 3, 2)).astype(np.float32)

    save_samples(tmp_path, data, {"gzsl": np.random.default_rng(1).random((13, 8))}, 4, looked)
    samples = Samples.model_validate_json((tmp_path / "samples.json").read_bytes())
    assert [labels for _, labels in asked] == [[found.label for found in image.top] for image in samples.images]
    for (row, labels), image in zip(list(asked), samples.images, strict=True):
        for values, found in zip(looked(row, labels), image.top, strict=True):
            with Image.open(io.BytesIO(base64.b64decode(found.map))) as drawn:
                np.testing.assert_array_equal(np.asarray(drawn), coloured(values, signed=True))
        assert all(found.map is None for found in (*image.true, *image.top_unseen))
    save_samples(tmp_path, data, {"gzsl": np.zeros((13, 8))}, 1)
    assert '"map": null' in (tmp_path / "samples.json").read_text()
