"""Plots of a training while it runs."""

from itertools import combinations

import numpy as np
import pytest

from experiments.output import plots
from zsl.training.history import Epochs, History, MemberHistory


def test_names_of_points_cover_no_other_name(tmp_path):
    places = np.random.default_rng(0).random((40, 2))
    with plots.new_plot(tmp_path / "a.png", (5, 4)) as (_, axes):
        axes.plot(*places.T, "o")
        plots.name_points(axes, [(x, y, f"a label called {i}") for i, (x, y) in enumerate(places)])
        boxes = [text.get_window_extent() for text in axes.texts]
        named, frame = [text.get_text() for text in axes.texts], axes.get_window_extent()
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert named[0] == "a label called 0"
    assert 5 < len(named) < 40
    assert all(box.x0 > frame.x0 - 1 and box.x1 < frame.x1 + 1 for box in boxes)


@pytest.mark.parametrize(("seconds", "drawn"), [(0.1, [1, 6]), (3, [1, 3, 5, 6])])
def test_a_history_is_drawn_after_the_first_and_the_last_epoch_and_seldom_between(
    tmp_path, monkeypatch, seconds, drawn
):
    history, now, found = History(), [100.0], []
    monkeypatch.setattr(plots.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(plots, "save_history_plot", lambda history, path: found.append((len(history.loss), path)))
    draw = plots.history_plotter(tmp_path, epochs=6)
    for _ in range(6):
        history.loss.append(1.0)
        draw(history)
        now[0] += seconds
    assert found == [(epoch, tmp_path / "history.png") for epoch in drawn]


def test_a_blend_is_drawn_with_its_members_as_soon_as_it_is_whole(tmp_path, monkeypatch):
    sizes, now = [], [100.0]
    monkeypatch.setattr(plots.time, "monotonic", lambda: now[0])
    draw, members = (
        plots.history_plotter(tmp_path, epochs=6),
        [MemberHistory(1, "eszsl", Epochs([1.0], [0.0], [0.4], 0))],
    )
    for history in (
        History(members=members),
        History(loss=[1.0], lr=[0.0], validation_map=[0.5], best_epoch=0, members=[*members, *members]),
    ):
        draw(history)
        sizes.append((tmp_path / "history.png").read_bytes())
    assert sizes[0] != sizes[1]


def test_a_history_that_is_whole_at_once_is_drawn(tmp_path):
    history = History(loss=[2.0, 1.0], lr=[0.1, 0.1], validation_map=[0.5, 0.6], best_epoch=1)
    plots.history_plotter(tmp_path, epochs=40)(history)
    assert (tmp_path / "history.png").stat().st_size > 1000
