"""Which candidates are tried, and that the blend that is best is found."""

import itertools

from experiments.selection import search
from experiments.selection.candidates import Candidate
from experiments.selection.precision import label_precision
from experiments.selection.ranking import ranked
from experiments.selection.search import Search
from tests.experiments.selection.made import LABELS, make_cell


def _searched(keys, size):
    cells = [make_cell(seed, held, len(keys)) for seed, held in ((0, (1, 3, 4)), (1, (0, 2)))]

    def measure(candidates, task):
        return label_precision(cells, candidates, LABELS, lambda *_: None, task)

    found = Search(measure, "unseen", keys)
    precision = found.run(size)
    assert len(precision.unseen) == len(found.candidates) == len({*found.candidates})
    return found.candidates, precision


def test_every_variant_and_every_pair_is_tried():
    candidates, precision = _searched(["k"] * 5, 2)
    assert {one for one in candidates if len(one.members) == 1} == {
        Candidate((variant,), (1,), how) for variant in range(5) for how in ("none", "image")
    }
    pairs = {one.members for one in candidates if len(one.members) == 2}
    assert pairs == {*itertools.combinations(range(5), 2)}
    weighted = [one for one in candidates if len({*one.weights}) == 2]
    assert len(weighted) == 10  # the best five pairs, each with 1 : 2 and 2 : 1
    best = ranked(precision, candidates, "unseen")[0].candidate
    assert best.how == "image"
    assert 4 in best.members  # it knows most


def test_blends_grow_from_the_best(monkeypatch):
    monkeypatch.setattr(search, "BEAM", 2)
    monkeypatch.setattr(search, "ALL_PAIRS", 3)
    candidates, _ = _searched(["k"] * 5, 3)
    pairs = {one.members for one in candidates if len(one.members) == 2}
    threes = {one.members for one in candidates if len(one.members) == 3}
    assert len(pairs) == 7  # of two variants with four others each, one pair is counted twice
    assert 0 < len(threes) <= 6
    assert all(any({*pair} < {*three} for pair in pairs) for three in threes)


def test_variants_of_other_banks_are_not_blended():
    candidates, _ = _searched(["k", "k", "other", None, None], 3)
    assert {one.members for one in candidates if len(one.members) > 1} == {(0, 1)}
    alone, _ = _searched([None, None], 2)
    assert len(alone) == 4
    assert len(_searched(["k", "k"], 1)[0]) == 4
