"""The report: the content of tables' folders in one self-contained HTML file."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.markup import shell
from embeddings.io.progress import Progress, silent
from experiments.report import charts
from experiments.report.differences import config_differences, disagreeing, flattened
from experiments.report.errors import FIRST, WORST, error_data
from experiments.report.labels import label_data, over_seeds
from experiments.report.published import published_beside
from experiments.tables.label_rows import LabelRow
from experiments.tables.metric_table import Column, MetricTable, metric_table
from experiments.tables.notes import mark_note
from experiments.tables.table_folder import FinishedRun, TableFolder, read_table_folder
from zsl.evaluation.saved_scores import PLAIN

HERE = Path(__file__).parent
CHARTED = 6  # bar charts, at most


def write_report(folders: Sequence[Path], out: Path, progress: Progress = silent) -> None:
    """Writes one page of one or several tables; the same folders give the same bytes.

    Args:
        folders: of the tables.
        out: the HTML file.
        progress: told of each table.
    Raises:
        InputError: a folder holds no table or a damaged file, or is given twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("a folder is given twice; give each once")
    atomic.write_text(out, render([read_table_folder(folder) for folder in folders], progress))


def render(folders: Sequence[TableFolder], progress: Progress = silent) -> str:
    """The page as text.

    Args:
        folders: of the tables, read.
        progress: told of each table.
    Raises:
        InputError: a run's bank is damaged.
    """
    views = []
    for number, folder in enumerate(folders, 1):
        views.append(view_of(folder, f"t{number}"))
        progress("report", number, len(folders))
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"embedded": _embedded}
    environment.globals |= {"first_errors": FIRST, "worst_labels": WORST}
    environment.globals["raw"] = lambda name: Markup((HERE / name).read_text("utf-8"))
    title = views[0]["caption"] if len(views) == 1 else f"{len(views)} tables"
    return environment.get_template("page.html").render(title=title, tables=views) + "\n"


def view_of(folder: TableFolder, name: str) -> dict[str, Any]:
    """What the template shows of one table; `name` starts the ids of its elements."""
    table = metric_table(folder)
    best = next((i for i, cell in enumerate(table.main[0].cells) if cell is not None and cell.best), 0)
    titles = [row.name for row in table.rows]
    merged = [over_seeds(folder.of(axes)) for axes in folder.variants]
    differences, shared = config_differences(folder)
    cells = [cell for column in table.columns for cell in column.cells]
    return {
        "id": name,
        "name": folder.name,
        "caption": folder.caption,
        "command": folder.command,
        "trained": any(run.path for run in folder.runs),
        "machine": folder.machine,
        "setup": folder.setup,
        "unfinished": folder.unfinished,
        "uneven": _uneven(folder),
        "axes": list(table.rows[0].axes),
        "rows": table.rows,
        "titles": titles,
        "seeds": table.seeds,
        "mark": mark_note(table),
        "columns": table.columns,
        "best": best,
        "intervals": any(cell is not None and cell.interval for cell in cells),
        "paper": any(value is not None for column in table.main for value in column.paper),
        "paper_note": folder.paper_note,
        "published": published_beside(folder),
        "curves": _curves(folder, titles, name),
        "labels": label_data(titles, merged, best),
        "ap_charts": _ap_charts(merged[best], name),
        "errors": error_data(folder, titles, best),
        "pictures": _pictures(folder, best),
        "protocol": _protocol(folder),
        "differences": differences,
        "shared": shared,
        "runs": folder.runs,
        "provenance": _provenance(folder),
        "again": shell(f"{folder.name}/{folder.of(folder.variants[best])[0].path}/config.json"),
        "lacking": _lacking(folder.runs),
        "restated": _restated(folder.runs),
    } | _result_charts(table, titles, name)


def _result_charts(table: MetricTable, titles: Sequence[str], name: str) -> dict[str, Any]:
    """Bars of the first columns, those of mAP where there are any, and two metrics against each other."""
    charted = [column for column in table.main if "mAP" in column.title][:CHARTED] or table.main[:CHARTED]
    bars = [(column, charts.bars(column, titles, f"{name}-bars{i}")) for i, column in enumerate(charted)]
    return {"bars": bars, "scatter": _scatter(table.main, titles, name)}


def _scatter(columns: Sequence[Column], titles: Sequence[str], name: str) -> str | None:
    """Unseen against seen mAP, else the second metric against the first; None if there is only one."""
    by_metric = {column.metric: column for column in columns}
    chosen = [by_metric[metric] for metric in ("gzsl/map_seen", "zsl/map") if metric in by_metric]
    chosen = chosen if len(chosen) == 2 else list(columns[:2])
    return charts.scatter(chosen[0], chosen[1], titles, f"{name}-scatter") if len(chosen) == 2 else None


def _curves(table: TableFolder, titles: Sequence[str], name: str) -> list[tuple[str, str]]:
    """Captions and charts of the variants that have a history."""
    histories = [[run.history for run in table.of(axes) if run.history] for axes in table.variants]
    kept = [(found, f"{i} {titles[i - 1]}") for i, found in enumerate(histories, 1) if found]
    captions = [caption for _, caption in kept]
    return list(zip(captions, charts.curves([found for found, _ in kept], captions, f"{name}-curve"), strict=True))


def _ap_charts(rows: Sequence[LabelRow], name: str) -> list[tuple[str, str]]:
    """Captions and charts of one variant."""
    wanted = [
        ("similarity", "zsl", "unseen"),
        ("similarity", "gzsl", "unseen"),
        ("train_images", "gzsl", "seen"),
        ("train_images", "closed", "seen"),
    ]
    drawn = [charts.ap_against(rows, *what, f"{name}-ap{i}") for i, what in enumerate(wanted)]
    return [chart for chart in drawn if chart is not None]


def _pictures(table: TableFolder, best: int) -> dict[str, Any] | None:
    """Each picture once, with the labels that every variant's first seed finds in it; None if there are no pictures."""
    cards: dict[tuple[str, str | None], dict[str, Any]] = {}
    first = None
    for place, axes in enumerate(table.variants):
        run = next((run for run in table.of(axes) if run.samples is not None), None)
        if run is None or run.samples is None:
            continue
        first = first or run.samples
        for image in run.samples.images:
            card = cards.setdefault((image.name, image.picture), {"image": image, "found": {}, "mapped": False})
            card["found"][place] = image
            card["mapped"] |= any(found.map is not None for found in image.top)
    if first is None:
        return None
    shown = sorted({place for card in cards.values() for place in card["found"]})
    return {
        "draw": first,
        "cards": list(cards.values()),
        "variants": shown,
        "first": best if best in shown else shown[0],
    }


def _protocol(table: TableFolder) -> dict[str, Any]:
    # results of earlier versions have no company and no normalisation; they knew only one
    stamps = [PLAIN._asdict() | run.measured.protocol if run.measured else None for run in table.runs]
    first = next((stamp for stamp in stamps if stamp is not None), None)
    told = {key.replace("_", " ").replace(".", ", "): _rounded(text) for key, text in flattened(first or {}).items()}
    return {"images": (first or {}).get("images"), "told": told, "differences": disagreeing(table.runs, stamps)}


def _rounded(text: str) -> str:
    """A long decimal number to five figures; any other text as it is."""
    return f"{float(text):.5g}" if re.fullmatch(r"-?\d+\.\d{5,}", text) else text


def _provenance(table: TableFolder) -> dict[str, Any]:
    kept = [
        None if (r := run.record) is None else {"versions": r.versions, "git": r.git, "data": asdict(r.data)}
        for run in table.runs
    ]
    return {"first": next((p for p in kept if p is not None), None), "differences": disagreeing(table.runs, kept)}


def _lacking(runs: Sequence[FinishedRun]) -> dict[str, list[str]]:
    """The folders of runs, by the file that they lack."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for name in run.lacks:
            found.setdefault(name, []).append(run.path)
    return found


def _uneven(table: TableFolder) -> dict[int, list[int]]:
    """The seeds that variants lack, by the variants' numbers."""
    seeds = {run.seed for run in table.runs}
    lacking = [sorted(seeds - {run.seed for run in table.of(axes)}) for axes in table.variants]
    return {number: lack for number, lack in enumerate(lacking, 1) if lack}


def _restated(runs: Sequence[FinishedRun]) -> list[str]:
    """Runs that were measured again after the table was made, with other figures."""
    measured = [(run.path, run.metrics, run.measured.metrics) for run in runs if run.measured is not None]
    return [path for path, kept, now in measured if now != {name: kept.get(name) for name in now}]


def _embedded(value: Any) -> Markup:
    """JSON that cannot close the script element that contains it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
