"""What a bank says about its labels, against scikit-learn, SciPy and loops."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import cosine_similarity

from embeddings.banks import similarity as module
from embeddings.banks.bank import Bank
from embeddings.banks.similarity import compare, duplicates, nearest_seen, neighbors, told_apart
from embeddings.io.errors import InputError

LABELS = tuple(f"label {row}" for row in range(23))


@pytest.fixture(autouse=True)
def _several_blocks(monkeypatch):
    for name in ("ROWS", "SQUARE"):
        monkeypatch.setattr(module, name, 5)


def _bank(width=7, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(23, width)).astype(np.float32) + 0.5
    return Bank(LABELS, vectors, num_seen=17)


def test_neighbours_are_those_of_the_cosine():
    bank = _bank()
    similar = cosine_similarity(bank.vectors)[3]
    similar[3] = -2
    best = np.argsort(-similar)[:4]
    found = neighbors(bank, "label 3", 4)
    assert [label for label, _ in found] == [LABELS[row] for row in best]
    np.testing.assert_allclose([value for _, value in found], similar[best], atol=1e-6)
    among = neighbors(bank, "label 20", 4, bank.seen)
    assert {label for label, _ in among} <= set(bank.seen)
    with pytest.raises(InputError, match=r"'label 99'"):
        neighbors(bank, "label 99", 4)


def test_the_nearest_seen_label_of_each_unseen_one():
    bank = _bank()
    similar = cosine_similarity(bank.vectors)[17:, :17]
    rows, values = nearest_seen(bank)
    np.testing.assert_array_equal(rows, similar.argmax(1))
    np.testing.assert_allclose(values, similar.max(1), atol=1e-6)


def test_labels_that_share_a_vector_are_reported():
    vectors = _bank().vectors.copy()
    vectors[[4, 9, 21]] = vectors[4]
    assert duplicates(Bank(LABELS, vectors)) == [("label 4", "label 9", "label 21")]
    assert duplicates(_bank()) == []


def _model(labels, alike, scale=1.0):
    """Distinct vectors but for `alike` labels, which have the first one's, as a model rounds it."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(labels, 384)).astype(np.float32)
    vectors[1 : 1 + alike] = scale * vectors[0] + rng.normal(scale=1e-7, size=(alike, 384))
    return Bank(tuple(f"label {row}" for row in range(labels)), vectors)


@pytest.mark.parametrize(("labels", "alike"), [(3, 1), (7, 3), (100, 3), (1_000, 10)])
def test_a_few_texts_may_have_one_vector(labels, alike):
    told = told_apart(_model(labels, alike, scale=2.0), "encoder x", "look")
    assert told.startswith(f"texts that have the vector of another, and cannot be told from it: {alike} ('label ")
    assert told_apart(_model(labels, 0), "encoder x", "look") == ""


@pytest.mark.parametrize(("labels", "alike"), [(2, 1), (4, 2), (100, 4), (1_000, 11), (57, 56)])
def test_many_texts_with_one_vector_are_an_error(labels, alike):
    message = f"encoder x has {labels - alike:,} distinct vectors for {labels:,} texts .'label 0' = .*; look"
    with pytest.raises(InputError, match=message):
        told_apart(_model(labels, alike), "encoder x", "look")


def test_a_comparison_against_loops():
    a, b = _bank(), _bank(width=11, seed=1)
    result = compare(a, b)
    first, second = cosine_similarity(a.vectors), cosine_similarity(b.vectors)
    others = [np.delete(np.arange(23), row) for row in range(23)]
    rho = np.mean([spearmanr(first[r, o], second[r, o]).statistic for r, o in enumerate(others)])
    assert result.rank_agreement == pytest.approx(rho, abs=1e-6)

    def best(similar, row):
        return set(sorted(others[row], key=lambda other: -similar[row, other])[:10])

    shared = np.mean([len(best(first, r) & best(second, r)) / 10 for r in range(23)])
    assert result.neighbour_overlap == pytest.approx(shared)

    grams = {bank: cosine_similarity(bank.vectors).astype(np.float64) for bank in (a, b)}
    for gram in grams.values():
        np.fill_diagonal(gram, 0)

    def hsic(one, two):  # Song et al. 2012, Eq. 5
        x, y, ones = grams[one], grams[two], np.ones(23)
        product = np.trace(x @ y) + ones @ x @ ones * (ones @ y @ ones) / (22 * 21) - 2 / 21 * ones @ x @ y @ ones
        return product / (23 * 20)

    assert result.cka == pytest.approx(hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b)), abs=1e-6)
    nearest = [nearest_seen(bank) for bank in (a, b)]
    assert result.nearest_seen == pytest.approx([values.mean() for _, values in nearest])
    assert result.same_nearest == pytest.approx(np.mean(nearest[0][0] == nearest[1][0]))


def test_a_bank_agrees_with_its_own_rotation():
    bank = _bank()
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(7, 7)))
    result = compare(bank, Bank(LABELS[::-1], (bank.vectors @ rotation * 3)[::-1], num_seen=5))
    assert result.rank_agreement == pytest.approx(1, abs=1e-4)
    assert result.neighbour_overlap == pytest.approx(1)
    assert result.cka == pytest.approx(1, abs=1e-6)
    assert result.same_nearest == 1  # seen and unseen are the first bank's


def test_unrelated_banks_have_no_common_geometry():
    banks = [Bank(LABELS, np.random.default_rng(seed).normal(size=(23, 500))) for seed in range(20)]
    values = [compare(one, two).cka for one, two in zip(banks[::2], banks[1::2], strict=True)]
    assert abs(np.mean(values)) < 0.1


def test_only_common_labels_are_compared(monkeypatch):
    monkeypatch.setattr(module, "MOST_RANKED", 9)
    a = _bank()
    b = Bank(("other", *LABELS[:13]), np.random.default_rng(3).normal(size=(14, 5)))
    result = compare(a, b)
    assert (result.labels, result.ranked) == (13, 9)
    assert result.nearest_seen is None
    assert result.neighbours == 4  # of 8 others: all of them would always agree
    with pytest.raises(InputError, match="2 labels in common"):
        compare(a, Bank(LABELS[:2], np.ones((2, 3))))
