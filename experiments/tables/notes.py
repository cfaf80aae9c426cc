"""The sentences below a table: what its figures and marks mean."""

from experiments.grids.variants import Ablation
from experiments.tables.metric_table import NOT_APART, MetricTable

GMAC = "G MAC: 10^9 multiply-accumulates per image, backbone included."
FEW = 4  # seeds: a t-test over fewer alone finds hardly any difference
_ONE_SEED = "one seed: differences may be luck, and are not tested"


def spread_note(table: MetricTable) -> str:
    """What a mean and its mark say."""
    if len(table.seeds) < 2:
        return _ONE_SEED
    return f"mean ± standard deviation over seeds; {mark_note(table)}"


def mark_note(table: MetricTable) -> str:
    """What the mark rests on, for a table of several seeds."""
    seeds = len(table.seeds)
    over = f"{seeds} seeds and bootstrap draws of the test images" if table.over_images else f"{seeds} seeds"
    told = f"{NOT_APART} no significant difference from the column's best (paired t-test over {over}, "
    told += "Holm's correction, p >= 0.05)"
    if seeds < FEW and not table.over_images:
        told += (
            f"; {seeds} seeds alone show only very large differences, so {NOT_APART} does not say that two are equal"
        )
    return told


def paper_note(table: MetricTable, ablation: Ablation) -> str:
    """On which data the paper's figures were measured; "" without such columns."""
    told = any(value is not None for column in table.main for value in column.paper)
    return f"The paper's columns are its figures on {ablation.published}, not on this data." if told else ""
