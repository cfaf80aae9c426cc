"""A table's cells against plain arithmetic, and the same figures and marks in every form of it."""

import html
import json
import re

import numpy as np
import pytest
from scipy.stats import ttest_rel

from embeddings.banks.build import build_bank
from experiments.report.page import render
from experiments.tables.metric_table import Cell, Column, metric_table
from experiments.tables.notes import spread_note
from experiments.tables.table_folder import read_table_folder
from tests.experiments.report_folder import make_folder
from zsl.evaluation.uncertainty import holm, paired_p

VARIANTS = [{"query": query, "head": head} for query, head in (("text", "text"), ("none", "text"), ("text", "shared"))]


@pytest.fixture
def folder(tmp_path):
    """Three variants, four seeds, 23 seen and 7 unseen labels."""
    made = tmp_path / "table8"
    make_folder(made, VARIANTS, seeds=4)
    return made


def table_of(folder):
    return metric_table(read_table_folder(folder))


def change(folder, edit):
    """Rewrites the records of a table."""
    records = json.loads((folder / "results.json").read_text())
    edit(records)
    (folder / "results.json").write_text(json.dumps(records))


def test_cells_are_means_with_spread_interval_and_mark(folder):
    records = json.loads((folder / "results.json").read_text())
    main = table_of(folder).main
    assert [column.metric for column in main] == ["zsl/map", "zsl/f1@3", "gzsl/map", "gzsl/map_seen"]
    for column in main:
        values = [[r["metrics"][column.metric] for r in records if r["variant"] == v] for v in VARIANTS]
        best = int(np.argmax([np.mean(v) for v in values]))
        raw = [None if i == best else ttest_rel(v, values[best]).pvalue for i, v in enumerate(values)]
        first, second = sorted((p, i) for i, p in enumerate(raw) if p is not None)
        # Holm: the smaller of two p-values counts twice, the larger once and no less than that
        adjusted = {first[1]: min(1, 2 * first[0]), second[1]: max(min(1, 2 * first[0]), second[0])}
        for place, cell in enumerate(column.cells):
            assert cell.values == tuple(values[place])
            np.testing.assert_allclose(cell.mean, sum(values[place]) / 4, rtol=1e-12)
            np.testing.assert_allclose(cell.spread, np.std(values[place], ddof=1), rtol=1e-12)
            np.testing.assert_allclose(cell.interval, [0.9 * cell.mean, 1.1 * cell.mean], rtol=1e-12)
            assert cell.best == (place == best)
            assert cell.p is None if cell.best else cell.p == pytest.approx(adjusted[place], rel=1e-9)


def test_further_columns_are_not_compared(folder):
    (column,) = [column for column in table_of(folder).columns if not column.main]
    assert (column.metric, column.fraction) == ("gzsl/coverage", False)
    assert [(cell.mean, cell.best, cell.p) for cell in column.cells] == [
        (12.5, False, None),
        (13.5, False, None),
        (14.5, False, None),
    ]


def test_columns_carry_chance_baseline_and_paper(folder):
    columns = {column.metric: column for column in table_of(folder).columns}
    assert next(iter(columns)) == "zsl/map"
    assert (columns["zsl/map"].chance, columns["zsl/map"].baseline) == (0.01, 0.05)
    assert columns["zsl/map"].paper == (0.024, None, None)
    assert columns["zsl/f1@3"].chance is columns["zsl/f1@3"].baseline is None
    assert not any(name.endswith("_chance") for name in columns)


def test_one_seed_is_not_tested(tmp_path):
    make_folder(tmp_path / "one", VARIANTS, seeds=1)
    cells = table_of(tmp_path / "one").columns[0].cells
    assert [(cell.spread, cell.p) for cell in cells] == [(None, None)] * 3


def test_bootstrap_draws_join_the_test(tmp_path):
    make_folder(tmp_path / "two", VARIANTS, seeds=2)
    without = table_of(tmp_path / "two")
    assert not any(column.tested for column in without.columns)
    assert "2 seeds without bootstrap draws of the test images are too few for a test" in spread_note(without)
    assert "°" not in without.text().markdown()
    generator = np.random.default_rng(0)
    drawn = {}
    for path in sorted((tmp_path / "two/runs").iterdir()):
        drawn[path.name] = 0.01 * generator.normal(size=37)
        values = [*drawn[path.name].tolist(), None]
        (path / "bootstrap.json").write_text(json.dumps({"zsl/map": values}))
    table = table_of(tmp_path / "two")
    column = table.columns[0]
    (best,) = [place for place, cell in enumerate(column.cells) if cell.best]
    raw = []
    for place, cell in enumerate(column.cells):
        if place != best:
            own, other = ([drawn[f"{i}-seed{seed}"] for seed in (0, 1)] for i in (place, best))
            deviation = np.std(np.mean(own, axis=0) - np.mean(other, axis=0), ddof=1)
            raw.append(paired_p(cell.values, column.cells[best].values, deviation))
    found = [cell.p for place, cell in enumerate(column.cells) if place != best]
    np.testing.assert_allclose(found, holm(raw), rtol=1e-9)
    assert column.images
    assert not any(other.tested for other in table.columns[1:])  # they have no draws
    assert "paired t-test over 2 seeds and bootstrap draws of the test images" in spread_note(table)
    assert "no bootstrap draws: ZSL F1@3, GZSL mAP, seen mAP" in spread_note(table)


def test_a_variant_without_all_seeds_is_not_compared(folder):
    change(folder, lambda records: records.pop())  # of the last variant, which has the best unseen mAP
    table = table_of(folder)
    assert [row.whole for row in table.rows] == [True, True, False]
    cells = table.main[0].cells
    assert cells[2].mean > max(cells[0].mean, cells[1].mean)
    assert [cell.best for cell in cells] == [False, True, False]
    # one test is left, of the first variant, so Holm changes nothing
    assert cells[0].p == pytest.approx(ttest_rel(cells[0].values, cells[1].values).pvalue)
    assert cells[2].p is None
    whole = table.whole()
    assert [row.name for row in whole.rows] == ["text / text", "query none"]
    assert whole.main[0].cells == cells[:2]
    assert whole.main[0].paper == (0.024, None)


def test_every_form_shows_the_same_figures_and_marks(folder):
    change(folder, lambda records: [record["metrics"].update({"G MAC": 0.06149}) for record in records])
    table = table_of(folder)
    text = table.text()
    assert text.header[:3] == ["query", "head", "unseen mAP"]
    assert text.header[-2:] == ["G MAC", "paper: unseen mAP"]
    assert text.rows[0][-2:] == ["0.0615", "2.4"]
    assert [row[0] for row in text.rows[-2:]] == ["backbone's own readout", "chance"]
    page = render([read_table_folder(folder)])
    lines = page[page.index("<tbody>") : page.index("</tbody>")].split("</tr>")
    for row, line in zip(text.rows[:3], lines, strict=False):
        cells = re.findall(r'<td class="num" data-column.*?</td>', line, re.DOTALL)[: len(table.main)]
        plain = [re.sub(r'<span class="interval">.*?</span>|<[^>]+>', "", cell) for cell in cells]
        assert [html.unescape(cell).strip().replace("°", " °") for cell in plain] == row[2:-1]


def test_figures_as_text():
    percent = Column("zsl/map", "unseen mAP", True, True, True, (), None, None, ())
    cost = Column("images/s", "images/s", True, False, False, (), None, None, ())
    several = Cell((0.5, 0.75), None, p=0.2)
    assert percent.text(several) == "62.5 ± 17.7 °"
    assert cost.text(several) == "0.625 °"
    assert percent.text(None) == percent.figure(None) == percent.published(None) == ""
    assert [cost.figure(value) for value in (0.06149, 12.34, 706.25, 12345.6)] == ["0.0615", "12.3", "706.2", "12345.6"]
    assert [cost.figure(value) for value in (464.0, 8.0, 0.0)] == ["464", "8", "0"]
    assert percent.figure(1.0) == "100.0"
    assert [percent.published(value) for value in (0.9, 0.311, 0.3112)] == ["90.0", "31.1", "31.12"]
    assert [cost.published(value) for value in (36.2, 120)] == ["36.2", "120"]


def test_rows_at_chance_are_named(folder):
    values = {"text / text": (0.3, 0.4, 0.4), "none / text": (0.1, 0.3, 0.2), "text / shared": (0.04, 0.06, 0.05)}

    def lower(records):
        for record in records:
            own = values[" / ".join(record["variant"].values())]
            record["metrics"] |= {"zsl/map": own[record["seed"] % len(own)], "zsl/map_chance": 0.05}

    change(folder, lower)
    (line,) = table_of(folder).at_chance()
    assert line.startswith("At chance by unseen mAP: text / shared; ")
    change(folder, lambda records: records.__delitem__(slice(6, None)))
    assert table_of(folder).at_chance() == ()


def test_random_vectors_are_noted(folder):
    run = json.loads((folder / "results.json").read_text())[0]["run"]
    build_bank(["dog", "qqq"], "lexical").save(folder / run / "bank.safetensors")
    assert table_of(folder).rows[0].note == ""
    noted = build_bank(["dog", "qqq"], "lexical")
    object.__setattr__(noted, "notes", ("", "random vector of seed 0"))
    noted.save(folder / run / "bank.safetensors")
    assert table_of(folder).rows[0].names == ["text", "text (1 labels have random vectors)"]
