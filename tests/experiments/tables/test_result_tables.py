"""Results side by side."""

import numpy as np

from experiments.runs.result import Result
from experiments.tables.result_tables import comparison_table
from zsl.data.targets import Targets
from zsl.evaluation.measures import measure
from zsl.evaluation.per_label import per_label
from zsl.evaluation.protocol import TestSet


def test_differences_are_over_the_draws_that_both_have():
    generator = np.random.default_rng(0)
    test = TestSet("made", (), ("sky", "sea"), Targets.of(generator.random((31, 2)) < 0.4), "x")
    results = []
    for replicates in (20, 30):  # runs are measured with settings of their own
        scores = {"zsl": generator.normal(size=(31, 2))} if replicates == 20 else results[0].scores
        found = measure(scores, test, (1,), replicates)
        results.append(Result(str(replicates), test, scores, found, per_label(found, test)))
    for table in (comparison_table(results[:2]), comparison_table(results[1::-1])):
        assert table.rows[1][1].endswith(" (+0.0 to +0.0)")
