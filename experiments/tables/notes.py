"""The sentences below a table: what its figures and marks mean."""

from experiments.grids.variants import Ablation
from experiments.tables.metric_table import NOT_APART, MetricTable

GMAC = "G MAC: 10^9 multiply-accumulates per image, backbone included unless the dataset holds tokens."
_ONE_SEED = "one seed: differences may be luck, and are not tested"


def spread_note(table: MetricTable) -> str:
    """What a mean and its mark say."""
    if len(table.seeds) < 2:
        return _ONE_SEED
    return f"mean ± standard deviation over seeds; {mark_note(table)}"


def mark_note(table: MetricTable) -> str:
    """What the mark rests on, for a table of several seeds."""
    tested = [column for column in table.main if column.tested]
    if not tested:
        return f"{len(table.seeds)} seeds without bootstrap draws of the test images are too few for a test, so no mark"
    untested = [column.title for column in table.main if column.measured and not column.tested]
    over = f"{len(table.seeds)} seeds"
    over += " and bootstrap draws of the test images" if all(column.images for column in tested) else ""
    return (
        f"{NOT_APART} no significant difference from the column's best (paired t-test over {over}, Holm's correction, "
        "p >= 0.05); a figure without a mark differs significantly"
        + ("" if all(row.whole for row in table.rows) else ", unless its variant lacks a seed")
        + (f"; not tested, because there are no bootstrap draws: {', '.join(untested)}" if untested else "")
    )


def paper_note(table: MetricTable, ablation: Ablation) -> str:
    """On which data the paper's figures were measured, and their epoch chosen; "" without such columns."""
    if all(value is None for column in table.main for value in column.paper):
        return ""
    told = f"The paper's columns are its figures on {ablation.published}; compare orders and differences."
    return f"{told} Their epoch was chosen on {ablation.epoch}." if ablation.epoch else told
