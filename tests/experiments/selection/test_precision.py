"""AP of labels under candidates, against scikit-learn and plain loops."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from experiments.selection.candidates import Candidate
from experiments.selection.precision import label_precision
from tests.experiments.selection.made import LABELS, make_cell

CELLS = ((0, (1, 3, 4)), (1, (0, 2)), (2, (1, 3, 4)))  # two seeds of one fold, and a fold of one seed
CANDIDATES = [Candidate((0,), (1,), "none"), Candidate((2,), (1,), "image"), Candidate((0, 1), (2, 1), "image")]


def _blend(scores, rows, asked, how, weights):
    """The blended scores of one image after another."""
    found = []
    for image in range(len(scores[0]["seen"])):
        total = 0
        for member, weight in zip(rows, weights, strict=True):
            values, seen = (scores[member][name][image].astype(np.float64) for name in (asked, "seen"))
            total = total + weight * ((values - seen.mean()) / seen.std() if how == "image" else values)
        found.append(total)
    return np.array(found)


def test_precision_is_that_of_summed_scores():
    cells = [make_cell(seed, held) for seed, held in CELLS]
    found = label_precision(cells, CANDIDATES, LABELS, lambda *_: None, "")
    for row, one in enumerate(CANDIDATES):
        ap = {"unseen": [[] for _ in LABELS], "seen": [[] for _ in LABELS]}
        for cell in cells:
            for asked, kind, names in (("zsl", "unseen", cell.test.unseen), ("seen", "seen", cell.test.seen)):
                scores = _blend(cell.scores, one.members, asked, one.how, one.weights)
                truth = cell.truth[asked].shown
                for place, name in enumerate(names):
                    value = average_precision_score(truth[:, place], scores[:, place])
                    ap[kind][LABELS.index(name)].append(value)
        for kind, values in ap.items():
            wanted = [np.mean(one) if one else np.nan for one in values]
            np.testing.assert_allclose(getattr(found, kind)[row], wanted, rtol=1e-6)
    assert np.isnan(found.unseen[0]).tolist() == [name in "fghijk" for name in LABELS]
    assert found.positives.tolist() == [
        *(make_cell(seed, held).truth["zsl"].shown[:, held.index(column)].sum() if column in held else 0
          for column, (seed, held) in ((0, CELLS[1]), (1, CELLS[2]), (2, CELLS[1]), (3, CELLS[2]), (4, CELLS[2]))),
        *[0] * 6,
    ]  # fmt: skip


def test_a_label_without_a_positive_has_no_ap():
    cell = make_cell(0, (1, 3))
    cell.truth["zsl"].shown[:, 1] = False
    found = label_precision([cell], CANDIDATES[:1], LABELS, lambda *_: None, "")
    assert np.isnan(found.unseen[0]).tolist() == [name != "b" for name in LABELS]


def test_entries_that_nobody_annotated_are_left_out():
    cell = make_cell(0, (1, 3))
    known = np.random.default_rng(5).random(cell.truth["zsl"].shown.shape) < 0.6
    known[0] = True
    cell.truth["zsl"] = cell.truth["zsl"]._replace(known=known)
    found = label_precision([cell], CANDIDATES[:1], LABELS, lambda *_: None, "")
    scores, rows = cell.scores[0]["zsl"][:, 0], known[:, 0]
    wanted = average_precision_score(cell.truth["zsl"].shown[rows, 0], scores[rows])
    assert found.unseen[0, 1] == pytest.approx(wanted, rel=1e-6)
