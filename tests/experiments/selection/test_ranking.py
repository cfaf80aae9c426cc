"""The criteria against plain arithmetic, and when two candidates are level."""

import numpy as np
import pytest

from experiments.selection.candidates import Candidate
from experiments.selection.checking import correlation
from experiments.selection.precision import Precision
from experiments.selection.ranking import criterion_values, ranked

NAN = np.nan
SMALL = Precision(
    ("a", "b", "c"),
    unseen=np.array([[0.2, 0.8, NAN], [0.6, 0.2, NAN]]),
    seen=np.array([[0.5, NAN, 0.7], [0.1, NAN, 0.1]]),
    positives=np.array([1, 3, 0]),
)


@pytest.mark.parametrize(
    ("criterion", "values"),
    [
        ("unseen", [0.5, 0.4]),
        ("weighted", [(0.2 + 3 * 0.8) / 4, (0.6 + 3 * 0.2) / 4]),
        ("seen", [0.6, 0.1]),
        ("harmonic", [2 * 0.5 * 0.6 / 1.1, 2 * 0.4 * 0.1 / 0.5]),
    ],
)
def test_criteria(criterion, values):
    np.testing.assert_allclose(criterion_values(SMALL, criterion), values, rtol=1e-12)


def _many(*gains):
    """Candidates whose AP of 101 labels is higher by a gain, each with noise of its own."""
    generator = np.random.default_rng(0)
    base = generator.random(101) / 2
    ap = np.array([base + gain + 0.05 * generator.normal(size=101) for gain in gains])
    return Precision(tuple(map(str, range(101))), ap, ap, np.ones(101, np.int64))


def test_candidates_are_ranked_and_differences_within_noise_are_level():
    candidates = [Candidate((n,), (1,), "none") for n in range(3)]
    found = ranked(_many(0.1, 0.2, 0.2), candidates, "unseen")
    assert [one.row for one in found][-1] == 0
    assert [one.level for one in found] == [True, True, False]
    assert found[0].behind == (0, 0, 0)
    last = found[-1]
    assert last.behind[0] == pytest.approx(found[0].value - last.value)
    assert last.behind[0] == pytest.approx(0.1, abs=0.02)
    # 0.05 * sqrt(2) / sqrt(101) is the standard error of the difference of two means
    assert last.behind[2] - last.behind[1] == pytest.approx(2 * 1.96 * 0.05 * np.sqrt(2 / 101), rel=0.2)


def test_of_equal_candidates_the_one_with_fewer_members_is_first():
    ap = np.full((3, 5), 0.5)
    equal = Precision(tuple("abcde"), ap, ap, np.ones(5, np.int64))
    candidates = [Candidate.of([0, 1]), Candidate((1,), (1,), "image"), Candidate((0,), (1,), "image")]
    assert [one.row for one in ranked(equal, candidates, "harmonic")] == [1, 2, 0]


def test_correlation():
    from scipy.stats import spearmanr

    generator = np.random.default_rng(0)
    one, two = generator.integers(5, size=(2, 41)).astype(float)
    assert correlation(one, two) == pytest.approx(spearmanr(one, two).statistic, rel=1e-9)
    assert correlation(one, np.ones(41)) == 0
