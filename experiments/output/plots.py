"""Figures, written as PNG files."""

import io
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embeddings.io import atomic
from embeddings.io.markup import drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    from zsl.training.history import History
    from zsl.training.journal import Watch

SECONDS = 5  # between plots of a running training


@contextmanager
def plain_text(style: dict[Any, Any] | None = None) -> Iterator[None]:
    """A block in which figures draw text literally: "$" is a dollar, and characters that the font lacks are boxes.

    Users' names go through `embeddings.io.markup.drawn` too.

    Args:
        style: further settings of matplotlib.
    """
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False, "text.usetex": False, **(style or {})}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph ")
        yield


@contextmanager
def new_plot(path: Path, inches: tuple[float, float]) -> "Iterator[tuple[Figure, Axes]]":
    """An empty figure with one pair of axes, under `plain_text`; the end of the `with` block writes it as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with plain_text():
        figure = Figure(figsize=inches, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        yield figure, axes
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
    atomic.write_bytes(path, buffer.getvalue())


def legend_below(figure: "Figure") -> None:
    """A legend below the axes, where it covers nothing."""
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)


def name_points(axes: "Axes", points: Sequence[tuple[float, float, str]]) -> None:
    """Writes names beside points, towards the middle; a name that would cover an earlier one both above its point and
    below is left out.

    Args:
        axes: with all else that the figure shows.
        points: x, y and name of each, the most important ones first.
    """
    assert axes.figure is not None
    axes.figure.canvas.draw()  # fixes the places of the points
    taken: list[Bbox] = []
    frame = axes.get_window_extent()
    for x, y, name in points:
        left = axes.transData.transform((x, y))[0] > frame.x0 + frame.width / 2
        for up in (3, -9):
            text = axes.annotate(
                drawn(name), (x, y), (-5 if left else 5, up), textcoords="offset points", ha="right" if left else "left"
            )
            text.set(fontsize=8, in_layout=False)
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def history_plotter(folder: Path, epochs: int) -> "Watch":
    """A callback that draws the history of a run into `history.png` of its folder.

    It draws after the first and the last epoch, and between them at most every few seconds: a short epoch takes less
    time than a plot.

    Args:
        folder: of the run.
        epochs: how many the run has.
    """
    drawn_at = -math.inf

    def draw(history: "History") -> None:
        nonlocal drawn_at
        blended = bool(history.members and history.loss)  # a blend has its one entry at the end
        if blended or len(history.loss) >= epochs or time.monotonic() - drawn_at >= SECONDS:
            save_history_plot(history, folder / "history.png")
            drawn_at = time.monotonic()

    return draw


def save_history_plot(history: "History", path: Path) -> None:
    """Loss and seen validation mAP by epoch; of a blend, the mAP of each member."""
    if history.members:
        _save_members_plot(history, path)
        return
    with new_plot(path, (7, 4)) as (figure, left):
        left.spines["right"].set_visible(True)
        right = left.twinx()
        epochs = np.arange(1, len(history.loss) + 1)
        (loss,) = left.plot(epochs, history.loss, "o-", color="C0", markersize=4, label="training loss per image")
        values = 100 * np.array(history.validation_map)
        (validation,) = right.plot(epochs, values, "s-", color="C1", markersize=4, label="seen validation mAP [%]")
        best = right.axvline(history.best_epoch + 1, color="black", linestyle=":", linewidth=1, label="kept")
        left.set_xlabel("epoch")
        left.locator_params(axis="x", integer=True)
        left.set_ylabel("training loss per image")
        right.set_ylabel("seen validation mAP [%]")
        figure.legend(handles=[loss, validation, best], loc="outside lower center", ncols=3, frameon=False, fontsize=8)


def _save_members_plot(history: "History", path: Path) -> None:
    with new_plot(path, (7, 4)) as (figure, axes):
        for one in history.members:
            values = 100 * np.array(one.epochs.validation_map)
            axes.plot(np.arange(1, len(values) + 1), values, "o-", markersize=4, label=f"{one.member} {one.kind}")
        if history.loss:
            axes.axhline(100 * history.best, color="black", linestyle=":", linewidth=1, label="blend")
        axes.set_xlabel("epoch of the member")
        axes.locator_params(axis="x", integer=True)
        axes.set_ylabel("seen validation mAP [%]")
        legend_below(figure)
