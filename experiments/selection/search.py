"""Proposes candidates: every variant, then blends that grow one member at a time from the best so far."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from experiments.selection.candidates import ALONE, Candidate
from experiments.selection.precision import Precision
from experiments.selection.ranking import Criterion, criterion_values

ALL_PAIRS = 48  # up to so many variants, every pair is tried
BEAM = 20  # blends (of more variants: single ones) that get one more member
WEIGHTED = 5  # blends whose weights are varied
WEIGHTS = (1, 2)

Measure = Callable[[Sequence[Candidate], str], Precision]


@dataclass
class Search:
    """The candidates so far, and their precision.

    Args:
        measure: the precision of some candidates, under a name for progress reports.
        criterion: by which blends are grown.
        keys: for each variant, what it must have in common with the other members of a blend; None if it is no member.
    """

    measure: Measure
    criterion: Criterion
    keys: Sequence[str | None]
    candidates: list[Candidate] = field(default_factory=list)
    precision: Precision | None = None

    def run(self, size: int) -> Precision:
        """Ranks single variants, then blends of up to `size` members.

        Returns:
            the precision of all `candidates`.
        """
        count = len(self.keys)
        found = self._add([Candidate((v,), (1,), how) for how in ALONE for v in range(count)], "single variants")
        best = [one for one in self._best() if one.how == "image"]
        if count <= ALL_PAIRS:
            best = [Candidate.of([variant]) for variant in range(count)]
        for members in range(2, size + 1):
            grown = self._grown(best[:BEAM] if members > 2 or count > ALL_PAIRS else best)
            if not grown:
                break
            found = self._add(grown, f"blends of {members}")
            best = [one for one in self._best() if len(one.members) == members]
        blends = [one for one in self._best() if len(one.members) > 1]
        if blends:
            found = self._add([other for one in blends[:WEIGHTED] for other in _reweighted(one)], "weights")
        return found

    def _add(self, more: Sequence[Candidate], task: str) -> Precision:
        found = self.measure(more, task)
        self.candidates += more
        self.precision = found if self.precision is None else self.precision.beside(found)
        return self.precision

    def _best(self) -> list[Candidate]:
        """The candidates, best first."""
        assert self.precision is not None
        values = criterion_values(self.precision, self.criterion)
        return [self.candidates[row] for row in sorted(range(len(values)), key=lambda row: -values[row])]

    def _grown(self, blends: Sequence[Candidate]) -> list[Candidate]:
        """Each blend with one more member."""
        grown = dict[Candidate, None]()
        for one in blends:
            key = self.keys[one.members[0]]
            for variant, other in enumerate(self.keys):
                if key is not None and other == key and variant not in one.members:
                    grown[Candidate.of([*one.members, variant])] = None
        return list(grown)


def _reweighted(blend: Candidate) -> list[Candidate]:
    """The blend with other weights."""
    every = itertools.product(WEIGHTS, repeat=len(blend.members))
    return [Candidate(blend.members, weights, blend.how) for weights in every if len(set(weights)) > 1]
