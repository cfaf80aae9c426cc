"""The plot of a table: nothing overlaps, and no interval leaves 0 to 100."""

from contextlib import contextmanager
from itertools import combinations

import numpy as np
import pytest

from experiments.grids.variants import Ablation
from experiments.output.plots import new_plot
from experiments.tables import table_page
from experiments.tables.metric_table import Cell, Column, MetricTable, Row
from zsl.readouts.blend import BlendConfig

ABLATION = Ablation("Many variants", (), "scenes")


def table_of(count):
    """Variants of two metrics, some of them next to 0 and to 100 %, with figures of the paper."""
    values = np.linspace(0.001, 0.999, count)
    spread = np.array([-0.05, 0, 0.05])
    cells = tuple(Cell(tuple(np.clip(value + spread, 0, 1).tolist()), None) for value in values)
    rows = tuple(
        Row({"kind": f"variant {i}"}, f"a readout with a long name / text / {i}", "", True) for i in range(count)
    )
    paper = tuple(float(value) if place % 2 else None for place, value in enumerate(values))
    columns = tuple(
        Column(metric, title, True, True, True, cells, 0.01, None, paper)
        for metric, title in (("zsl/map", "unseen mAP"), ("zsl-synonyms/map", "unseen mAP, synonyms"))
    )
    return MetricTable("Many variants", rows, columns, (0, 1, 2))


def test_nothing_overlaps_however_many_variants_there_are(tmp_path, monkeypatch):
    count, figures = 23, []

    @contextmanager
    def kept(path, inches):
        with new_plot(path, inches) as (figure, axes):
            figures.append((figure, axes))
            yield figure, axes

    monkeypatch.setattr(table_page, "new_plot", kept)
    table_page.save_plot(table_of(count), ABLATION, tmp_path / "plot.png")
    ((figure, axes),) = figures
    figure.canvas.draw()
    (legend,) = figure.legends
    low, high = axes.get_xlim()
    ticks = [text for text in axes.get_xticklabels() if low <= text.get_position()[0] <= high]  # others are not drawn
    texts = [*axes.get_yticklabels(), *ticks, *axes.texts, *legend.get_texts(), axes.title]
    boxes = [text.get_window_extent() for text in texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert min(text.get_fontsize() for text in texts) >= 8
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())
    assert [box for box in boxes if box.x0 < figure.bbox.x0 or box.x1 > figure.bbox.x1] == []
    ends = np.concatenate([line.get_segments() for line in axes.collections])[..., 0]
    assert len(ends) == 2 * count
    assert ends.min() >= 0
    assert ends.max() <= 100
    assert ends.min(axis=0)[0] == pytest.approx(0, abs=1e-9)
    assert ends.max(axis=0)[1] == pytest.approx(100)


def test_a_readout_is_told_with_its_keys_and_a_blend_with_its_members():
    pair = [{"kind": "eszsl", "image_ridge": 0.1}, {"kind": "conse", "top": 3, "train": {"lr": 0.1}}]
    told = table_page.readout_told(BlendConfig(members=pair, weights=(1, 2)).model_dump())
    eszsl, conse = "eszsl, image_ridge 0.1", "conse, rates (1, 3, 10, 30), top 3, train {'lr': 0.1}"
    assert told == f"blend, members ({eszsl}) + ({conse}), weights (1.0, 2.0), normalise image"
