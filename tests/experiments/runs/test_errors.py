"""The worst test images and the confused labels of a run, against ranking image by image."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from experiments.runs.error_search import find_errors, save_errors
from experiments.runs.errors import CHARACTERS, Errors
from tests.experiments.runs.test_samples import SEEN, UNSEEN, make_data
from zsl.evaluation.confusions import confusions

NAMES = SEEN + UNSEEN


def make_scores(images=13):
    gzsl = np.random.default_rng(1).normal(size=(images, 8)).astype(np.float32)
    return {"gzsl": gzsl, "zsl": gzsl[:, 5:], "seen": gzsl[:, :5]}


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(("protocol", "first"), [("gzsl", 0), ("zsl", 5)])
def test_images_are_listed_by_their_ap_with_ranks_and_verdicts(partial, protocol, first):
    data, scores = make_data(partial=partial), make_scores()
    errors = find_errors(data, scores)
    found, truth = errors.protocols[protocol], data.test.targets.dense()[:, first:]
    known = truth != 0 if partial else np.ones_like(truth, bool)
    ap = {
        row: average_precision_score(truth[row][known[row]] > 0, scores[protocol][row][known[row]])
        for row in range(13)
        if (truth[row] > 0).any()
    }
    assert (found.ranked, errors.test_images, list(errors.protocols)) == (len(ap), 13, ["zsl", "gzsl"])
    assert [image.image for image in found.images] == sorted(ap, key=lambda row: (ap[row], row))
    for image in found.images:
        assert image.ap == pytest.approx(ap[image.image], abs=1e-5)
        own = scores[protocol][image.image]
        order = sorted(range(len(own)), key=lambda column: -own[column])
        assert [shown.label - first for shown in image.top] == order[:5]
        assert {shown.label - first for shown in image.true} == set(np.flatnonzero(truth[image.image] > 0))
        for shown in (*image.top, *image.true):
            column = shown.label - first
            value = truth[image.image, column]
            assert shown.rank == order.index(column) + 1
            assert shown.score == pytest.approx(own[column], rel=1e-3)
            assert shown.right == (True if value > 0 else None if partial and value == 0 else False)
    counted = confusions(scores[protocol], truth > 0, min(5, 8 - first), known if partial else None)
    for one in found.confused:
        same = counted[one.label - first]
        assert (one.positives, one.missed) == (same.positives, same.missed)
        assert [(other - first, count) for other, count in one.instead] == list(same.instead)
    assert len(found.confused) == sum(one.missed > 0 for one in counted)


def test_the_file_has_bounded_pictures_of_the_worst_images(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.runs.error_search.PICTURED", 3)
    data = make_data(images=41)
    save_errors(tmp_path, data, make_scores(41))
    errors = Errors.model_validate_json((tmp_path / "errors.json").read_bytes())
    (zsl, gzsl) = (found.images for found in errors.protocols.values())
    assert set(errors.pictures) == {zsl[0].image, gzsl[0].image, zsl[1].image}
    assert max(map(len, errors.pictures.values())) <= CHARACTERS  # the pictures are noise, which JPEG hardly shrinks
    assert set(errors.names) == {image.image for image in (*zsl, *gzsl)}
    assert [len(found.images) for found in find_errors(data, make_scores(41), listed=5).protocols.values()] == [5, 5]


def test_tokens_and_closed_sets():
    errors = find_errors(make_data("tokens", unseen=()), {"closed": make_scores()["gzsl"][:, :5]})
    assert (list(errors.protocols), errors.pictures, errors.labels) == (["closed"], {}, list(SEEN))
    with pytest.raises(ValueError, match=r"\(8, 13\), test targets \(13, 3\)"):
        find_errors(make_data(), {"gzsl": np.zeros((13, 8)), "zsl": np.zeros((8, 13))})


def test_a_file_that_names_what_it_lacks_is_damaged():
    good = find_errors(make_data(), make_scores()).model_dump()
    with pytest.raises(ValueError, match="a label is not among the 2 labels"):
        Errors.model_validate(good | {"labels": ["a", "b"]})
    with pytest.raises(ValueError, match="an image has no name"):
        Errors.model_validate(good | {"names": {}})
