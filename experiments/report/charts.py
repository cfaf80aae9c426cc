"""The charts of a table. Variants are named by their numbers in the table, so no chart depends on colour."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.stats import spearmanr

from embeddings.io.markup import drawn
from experiments.output.plots import plain_text
from experiments.report.svg import INK, MAIN, MUTED, OTHER, PAGE, RULE, STYLE, as_svg, tip
from experiments.tables.label_rows import LabelRow
from experiments.tables.metric_table import Cell, Column
from zsl.training.history import Epochs

NUMBER = (11, 9)  # points: the room of a number
FAR = 3  # times our own largest figure
NAMED = 42  # letters of a name above a bar
WIDTH = 3.7  # inches: a telephone shows it without shrinking its text


@contextmanager
def _axes(height: float, width: float = WIDTH) -> Iterator[tuple[Figure, Axes]]:
    with plain_text(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)  # type: ignore[union-attr, call-arg]
        yield figure, figure.subplots()


def bars(column: Column, titles: Sequence[str], name: str) -> str:
    """A bar for each variant with its figure, its seeds as dots, its interval, chance and the paper's figure."""
    scale = 100 if column.fraction else 1
    with _axes(0.5 + 0.34 * len(titles)) as (figure, axes):
        for place, (title, cell) in enumerate(zip(titles, column.cells, strict=True)):
            _name_bar(axes, place, title, cell, column)
            if cell is not None:
                values = scale * np.array(cell.values)
                axes.barh(place, values.mean(), 0.34, color=MAIN if cell.best else OTHER)
                if len(values) > 1:
                    axes.plot(values, np.full(len(values), place), "o", ms=3, mfc=PAGE, mec=INK, mew=0.7)
                if cell.interval is not None:
                    ends = np.clip(cell.interval, 0, 1) if column.fraction else np.array(cell.interval)
                    axes.plot(scale * ends, [place + 0.25] * 2, color=INK, lw=0.9)
            if column.chance is not None:
                axes.plot([scale * column.chance] * 2, [place - 0.24, place + 0.24], color=INK, ls=":", lw=1)
        beyond = _papers(axes, column, scale)
        ends = axes.dataLim.intervalx
        room = 1.45 if beyond else 1.1  # clear of the figures on the right
        axes.set_xlim(1.1 * min(ends[0], 0), room * max(ends[1], 1e-9))
        if ends[0] < 0:
            rows = np.arange(len(titles))
            axes.vlines(np.zeros(len(titles)), rows - 0.2, rows + 0.24, color=MUTED, lw=0.8)
        axes.set_ylim(len(titles) - 0.62, -0.85)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=6)
        axes.grid(axis="x")
        axes.tick_params(length=0)
        shown = [(t, c) for t, c in zip(titles, column.cells, strict=True) if c is not None]
        said = ", ".join(f"{title} {column.figure(cell.mean)}" for title, cell in shown)
        return as_svg(figure, name, f"Bars of {column.title}: {said}")


def _papers(axes: Axes, column: Column, scale: int) -> bool:
    """The paper's figures as diamonds, or at the right end as numbers if they are far beyond our own.

    Returns:
        whether they are numbers.
    """
    papers = [(place, scale * value) for place, value in enumerate(column.paper) if value is not None]
    beyond = bool(papers) and max(value for _, value in papers) > FAR * max(axes.dataLim.x1, 1e-9)
    for place, value in papers:
        if beyond:
            told = f"◇ {column.published(value / scale)}"
            where = axes.get_yaxis_transform()
            axes.text(1, place + 0.02, told, transform=where, ha="right", va="center", fontsize=8, color=INK)
        else:
            axes.plot(value, place, "D", ms=4.5, mfc="none", mec=INK, mew=0.9)
    return beyond


def _name_bar(axes: Axes, place: int, title: str, cell: Cell | None, column: Column) -> None:
    """Above the bar: the variant's number and name on the left, its figure on the right."""
    style: dict[str, Any] = {
        "va": "bottom",
        "fontsize": 8,
        "color": INK,
        "weight": "bold" if cell and cell.best else "normal",
    }
    where = axes.get_yaxis_transform()  # across: the chart's width
    axes.text(
        0.004, place - 0.2, f"{place + 1}  {_short(drawn(title, 1000))}", transform=where, gid=tip(title), **style
    )
    figure = "none" if cell is None else column.figure(cell.mean)
    axes.text(1, place - 0.2, figure, transform=where, ha="right", **style)


def _short(name: str) -> str:
    """A name that fits above a bar: begin and end of a longer one, since variants often differ at the end."""
    return name if len(name) <= NAMED else f"{name[: NAMED // 2]}…{name[-NAMED // 2 + 1 :]}"


def scatter(across: Column, up: Column, titles: Sequence[str], name: str) -> str:
    """Two metrics against each other: a dot for each run, a number for each variant's mean."""
    with _axes(3.0) as (figure, axes):
        means = []
        for place, (x, y) in enumerate(zip(across.cells, up.cells, strict=True)):
            if x is None or y is None or len(x.values) != len(y.values):
                continue
            axes.plot(_scaled(across, x.values), _scaled(up, y.values), "o", ms=3, color=MUTED, mec="none")
            mean = (float(_scaled(across, [x.mean])[0]), float(_scaled(up, [y.mean])[0]))
            axes.plot(*mean, "o", ms=5, color=MAIN if y.best else INK, gid=tip(titles[place]))
            means.append((str(place + 1), mean))
        for line, column in ((axes.axvline, across), (axes.axhline, up)):
            if column.chance is not None:
                line(_scaled(column, [column.chance])[0], color=MUTED, ls=":", lw=1, gid=tip("chance"))
        axes.margins(0.12)
        axes.set_xlabel(drawn(across.title) + (" [%]" if across.fraction else ""))
        axes.set_ylabel(drawn(up.title) + (" [%]" if up.fraction else ""))
        axes.grid()
        axes.tick_params(length=0)
        _number(axes, means)
        return as_svg(figure, name, f"{up.title} against {across.title}, one point a run, numbered by variant")


def _scaled(column: Column, values: Sequence[float]) -> np.ndarray:
    return np.array(values) * (100 if column.fraction else 1)


def _number(axes: Axes, means: Sequence[tuple[str, tuple[float, float]]]) -> None:
    """Writes numbers beside their points, where they cover no other point and no other number if there is room."""
    points = axes.transData.transform([mean for _, mean in means]) if means else np.zeros((0, 2))
    points *= 72 / axes.figure.dpi  # pixels to points
    taken = points.copy()
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False) + np.pi / 2
    shifts = np.concatenate([radius * np.stack([np.cos(angles), np.sin(angles)], axis=1) for radius in (9, 15, 22)])
    for (text, mean), point in zip(means, points, strict=True):
        gaps = np.abs((point + shifts)[:, None] - taken) / NUMBER  # in widths and heights of a number
        clear = gaps.max(axis=2).min(axis=1)
        best = shifts[np.argmax(np.minimum(clear, 1) - 1e-3 * np.hypot(*shifts.T))]
        taken = np.vstack([taken, point + best])
        lines = (
            {"arrowstyle": "-", "color": MUTED, "lw": 0.5, "shrinkA": 3, "shrinkB": 2}
            if np.hypot(*best) > 9.5
            else None
        )
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": INK, "arrowprops": lines}
        axes.annotate(text, mean, tuple(best), textcoords="offset points", **style)


def curves(histories: Sequence[Sequence[Epochs]], titles: Sequence[str], name: str) -> list[str]:
    """For each variant its seeds' training loss and seen validation mAP by epoch, over all others in grey."""
    with plain_text(STYLE):
        return [_curve(histories, place, titles[place], f"{name}-{place}") for place in range(len(histories))]


def _curve(histories: Sequence[Sequence[Epochs]], place: int, title: str, name: str) -> str:
    figure = Figure(figsize=(WIDTH, 1.45), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2), ("loss", "validation_map"), strict=True):
        scale = 100 if kind == "validation_map" else 1
        others = [_seeds_mean(found, kind, scale) for index, found in enumerate(histories) if index != place]
        if others:
            across = np.concatenate([np.append(np.arange(1.0, len(line) + 1), np.nan) for line in others])
            axes.plot(across, np.concatenate([np.append(line, np.nan) for line in others]), color=RULE, lw=0.8)
        for history in histories[place]:
            values = scale * np.array(getattr(history, kind))
            axes.plot(np.arange(1, len(values) + 1), values, color=MAIN, lw=1.2)
            kept = history.best_epoch
            axes.plot(kept + 1, values[kept], "o", ms=4, mfc=PAGE, mec=MAIN, mew=1.1, gid=tip(f"kept: {kept + 1}"))
        axes.set_title({"loss": "training loss", "validation_map": "seen validation mAP [%]"}[kind], fontsize=8)
        axes.title.set_color(MUTED)
        axes.locator_params(axis="x", integer=True, nbins=5)
        axes.locator_params(axis="y", nbins=4)
        axes.margins(x=0.06)
        axes.tick_params(length=0)
        axes.grid(axis="y")
    return as_svg(figure, name, f"Training curves of {title}, other variants in grey")


def _seeds_mean(histories: Sequence[Epochs], kind: str, scale: int) -> np.ndarray:
    """The mean over seeds of the epochs that all have."""
    lines = [getattr(history, kind) for history in histories]
    shortest = min(len(line) for line in lines)
    return scale * np.mean([line[:shortest] for line in lines], axis=0)


def ap_against(rows: Sequence[LabelRow], fact: str, protocol: str, part: str, name: str) -> tuple[str, str] | None:
    """AP of labels against one of their properties, with Spearman's correlation as caption; None for too few labels."""
    points = [
        (float(row.facts[fact]), 100 * ap, row)
        for row in rows
        if row.part == part and row.facts.get(fact) and (ap := row.ap.get(protocol)) is not None
    ]
    if len(points) < 3 or len({x for x, _, _ in points}) < 2 or len({y for _, y, _ in points}) < 2:
        return None
    with _axes(2.6) as (figure, axes):
        for noted in (False, True):
            chosen = [(x, y) for x, y, row in points if bool(row.facts.get("note")) == noted]
            if chosen:
                across, up = zip(*chosen, strict=True)
                if noted:
                    axes.scatter(across, up, 9, c=INK, marker="x")
                else:
                    axes.scatter(across, up, 9, c=MAIN, alpha=0.55, lw=0)
        if fact.endswith("images"):
            axes.set_xscale("symlog", linthresh=1)
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlabel({"similarity": "similarity to the nearest seen label"}.get(fact, fact.replace("_", " ")))
        axes.set_ylabel(f"AP of {part} labels, {protocol.upper()} [%]")
        axes.grid()
        axes.tick_params(length=0, which="both")
        correlation = float(spearmanr([x for x, _, _ in points], [y for _, y, _ in points]).statistic)
        told = f"AP against {fact.replace('_', ' ')}, rank correlation {correlation:.2f}".replace("-", "−")
        label = f"{len(points)} {part} labels, {protocol.upper()}: {told}"
        return label, as_svg(figure, name, label)
