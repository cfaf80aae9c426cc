"""The sentences below a table: what its figures and marks mean."""

from experiments.grids.variants import Ablation
from experiments.tables.metric_table import NOT_APART, MetricTable

GMAC = "G MAC: 10^9 multiply-accumulates per image, backbone included."
_TEST = "paired t-test over seeds, Holm's correction, p >= 0.05"
_APART = f"{NOT_APART} no significant difference from the column's best ({_TEST})"
_ONE_SEED = "one seed: differences may be luck, and are not tested"


def spread_note(table: MetricTable) -> str:
    """What a mean and its mark say."""
    return f"mean ± standard deviation over seeds; {_APART}" if len(table.seeds) > 1 else _ONE_SEED


def paper_note(table: MetricTable, ablation: Ablation) -> str:
    """On which data the paper's figures were measured; "" without such columns."""
    told = any(value is not None for column in table.main for value in column.paper)
    return f"The paper's columns are its figures on {ablation.published}, not on this data." if told else ""
