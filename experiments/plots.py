"""Figures as files."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embeddings import atomic
from zsl.training import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def save_history_plot(history: History, path: Path) -> None:
    """Loss and seen validation mAP by epoch."""
    figure, left = new_figure((7, 4))
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
    save_figure(figure, path)


def new_figure(inches: tuple[float, float]) -> "tuple[Figure, Axes]":
    """An empty figure with one pair of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save_figure(figure: "Figure", path: Path) -> None:
    """A PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    atomic.write_bytes(path, buffer.getvalue())
