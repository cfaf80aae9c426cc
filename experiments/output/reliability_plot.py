"""The plot of probabilities against frequencies."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.output.plots import new_plot

if TYPE_CHECKING:
    from zsl.evaluation.probabilities import Reliability

FEWEST = 10  # entries of a bin that is drawn; the share of fewer is mostly chance


def save_reliability_plot(groups: "Sequence[tuple[str, Reliability, Reliability]]", path: Path) -> None:
    """Draws the share of positives against the probability, for each group of labels.

    Args:
        groups: name, reliability of sigmoid(logit), and that of the fitted probabilities.
        path: of the PNG file.
    """
    with new_plot(path, (6.0, 5.0)) as (_, axes):
        axes.plot([0, 100], [0, 100], color="black", linewidth=1, linestyle=":")
        for number, (name, plain, fitted) in enumerate(groups):
            for kind, found, line, face in (("sigmoid(logit)", plain, "--", "white"), ("fitted", fitted, "-", None)):
                drawn = found.count >= FEWEST
                axes.plot(
                    100 * found.predicted[drawn],
                    100 * found.observed[drawn],
                    f"{line}o",
                    color=f"C{number}",
                    markerfacecolor=face,
                    markersize=5,
                    label=f"{name}, {kind}: error {100 * found.error:.2f} %",
                )
        axes.set_xlabel("probability [%]")
        axes.set_ylabel("share of positives [%]")
        axes.set_title("Reliability on validation images", loc="left", fontsize=10)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
