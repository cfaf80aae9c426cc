"""Results label by label."""

import csv
import io

import numpy as np
import pytest

from embeddings.banks.bank import Bank
from tests.zsl.evaluation.conftest import SEEN, UNSEEN
from zsl.evaluation.measures import measure
from zsl.evaluation.per_label import per_label


def test_labels_one_by_one(test, scores):
    vectors = np.random.default_rng(3).normal(size=(16, 7)).astype(np.float32)
    notes = ("",) * 12 + ("mean of parts",) * 2 + ("",) * 2
    bank = Bank(SEEN + UNSEEN, vectors, notes=notes, num_seen=11)
    found = measure(scores, test, (2,))
    rows = per_label(found, test, bank, range(11))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit[11:] @ unit[:11].T
    np.testing.assert_allclose(rows.similarity[11:], similarity.max(1), atol=1e-6)
    assert rows.nearest[11:] == tuple(SEEN[row] for row in similarity.argmax(1))
    lines = list(csv.DictReader(io.StringIO(rows.as_csv())))
    assert [line["label"] for line in lines] == [*SEEN, *UNSEEN]
    assert (lines[2]["part"], lines[2]["train_images"], lines[2]["ap:zsl"]) == ("seen", "2", "")
    assert (lines[12]["part"], lines[12]["train_images"], lines[12]["note"]) == ("unseen", "0", "mean of parts")
    assert float(lines[12]["ap:zsl"]) == pytest.approx(found.ap["zsl"][1], rel=1e-5)
    assert lines[13]["ap:zsl"] == ""  # no positive
    told = rows.explanations()
    assert {title.partition(" (")[0] for title, *_ in told} == {
        "similarity to the nearest seen label",
        "test images",
        "vector found",
    }
    fallback = next(row for row in told if row[1] == "by a fallback")
    assert fallback[2:] == (pytest.approx(found.ap["zsl"][1]), 1)  # the other one has no positive
    alone = per_label(found, test)
    assert alone.nearest is None
    assert ",,,," in alone.as_csv()
