"""Metrics as tables: on the console, in Markdown, LaTeX and CSV. Percent, mean and standard deviation over seeds."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from rich.table import Table as ConsoleTable

from embeddings.io import atomic
from embeddings.io.markup import csv_text, drawn, latex, latex_note, markdown, markdown_code, visible
from experiments.config.advice import FIRST, WORDLESS
from experiments.grids.variants import COST, Ablation, Results, Variant
from experiments.output.console import console_table
from experiments.output.plots import new_plot
from zsl.evaluation.uncertainty import against_best, at_chance

NOT_APART = "°"  # beside figures that seeds do not tell apart from the best
APART = f"{NOT_APART} not told apart from the column's best (paired t-test over seeds, Holm's correction, p >= 0.05)"
ONE_SEED = "one seed: differences may be luck, and are not tested"
GMAC = "G MAC: 10^9 multiply-accumulates an image, backbone included."
PROTOCOLS = (
    '"unseen" ranks the unseen labels alone (ZSL), GZSL all labels; "seen mAP" is over the seen labels\nin GZSL. '
)


@dataclass(frozen=True)
class Table:
    """Text cells; the first `left` columns are names, the others figures."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1

    def console(self) -> ConsoleTable:
        """For a terminal."""
        return console_table(self.title, list(self.header), [list(row) for row in self.rows], self.left)

    def markdown(self) -> str:
        """A pipe table."""
        return markdown_table(list(self.header), [list(row) for row in self.rows])

    def latex(self) -> str:
        """A table for booktabs."""
        lines = [" & ".join(map(latex, row)) + r" \\" for row in [self.header, *self.rows]]
        columns = "l" * self.left + "r" * (len(self.header) - self.left)
        note = latex_note("".join(lines))
        return (
            f"% {visible(self.title)}\n{note}\\begin{{tabular}}{{{columns}}}\n\\toprule\n{lines[0]}\n\\midrule\n"
            + "\n".join(lines[1:])
            + "\n\\bottomrule\n\\end{tabular}\n"
        )

    def csv(self) -> str:
        """Comma-separated values."""
        return csv_text([self.header, *self.rows])


def metric_columns(metrics: Mapping[str, float]) -> dict[str, str]:
    """Title by metric, of those that a table shows; other names of the unseen labels ("synonyms") come second."""
    if "closed/map" in metrics:
        shown = [n for n in metrics if n.startswith(("closed/map", "closed/f1@")) and not n.endswith("_chance")]
        return {"closed/map": "mAP"} | {n: n[len("closed/") :].upper() for n in shown if "f1@" in n}
    alone = not any(name.startswith(("zsl", "gzsl")) for name in metrics)  # scores of the seen labels and no others
    columns = {"zsl/map": "unseen mAP"} if "zsl/map" in metrics else {}
    for name in metrics:
        protocol, _, metric = name.partition("/")
        if not metric:
            continue  # a cost
        if protocol == "seen" and not alone:
            continue
        base, _, other = protocol.partition("-")
        if other:
            if (base, metric) == ("zsl", "map"):
                columns[name] = f"unseen mAP, {other}"
        elif metric == "map_seen":
            columns[name] = "seen mAP"
        elif metric == "map" or (metric.startswith("f1@") and not metric.endswith("_chance")):
            title = "seen alone" if alone else base.upper()
            columns.setdefault(name, f"{title} {metric.replace('map', 'mAP').replace('f1', 'F1')}")
    order = sorted(columns, key=lambda name: not columns[name].startswith("unseen"))
    return {name: columns[name] for name in order}


def chance_of(metrics: Mapping[str, float], name: str) -> float:
    """What a random ranking gives for a metric."""
    return metrics[f"{name}_chance"]


def percent(values: np.ndarray) -> str:
    """Mean and, over several seeds, sample standard deviation."""
    if len(values) == 1:
        return f"{100 * values[0]:.1f}"
    return f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1):.1f}"


def rows_of(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table, as text."""
    first = results.records[0].metrics
    columns = metric_columns(first)
    axes = list(results.ablation.variants[0].axes)
    header = [*axes, *columns.values(), COST]
    alike = {}
    for column in columns:
        _, p = against_best([results.of(v, column) for v in results.ablation.variants])
        alike[column] = {v.title for v, one in zip(results.ablation.variants, p, strict=True) if one >= 0.05}
    rows = []
    for variant in results.ablation.variants:
        filled = results.random[variant.title]
        *names, last = variant.shown.values()
        last += f" ({filled} labels have random vectors)" if filled else ""
        marks = {c: f" {NOT_APART}" if variant.title in alike[c] else "" for c in columns}
        figures = [percent(results.of(variant, c)) + marks[c] for c in columns]
        rows.append([*names, last, *figures, f"{results.of(variant, COST).mean():.3g}"])
    blank = [""] * (len(axes) - 1)
    if results.baseline:
        own = (percent(np.array([results.baseline[c]])) for c in columns)
        rows.append(["backbone's own readout", *blank, *own, ""])
    rows.append(["chance", *blank, *(percent(np.array([chance_of(first, c)])) for c in columns), ""])
    for name, title in {**columns, COST: COST}.items():
        papers = [v.paper.get(name) for v in results.ablation.variants]
        if any(paper is not None for paper in papers):
            header.append(f"paper: {title}")
            scale = 1 if name == COST else 100
            shown = ["" if paper is None else f"{scale * paper:.4g}" for paper in papers]
            rows = [[*row, paper] for row, paper in zip_longest(rows, shown, fillvalue="")]
    return header, rows


def chance_rows(results: Results) -> tuple[str, ...]:
    """A line that names the variants at chance, by their mean over seeds of what the table is about; none without."""
    first = results.records[0].metrics
    main, title = next(iter(metric_columns(first).items()))
    chance = chance_of(first, main)
    low = [v for v in results.ablation.variants if at_chance(float(results.of(v, main).mean()), chance)]
    names = ", ".join("/".join(v.shown.values()) for v in low)
    unseen = f"{WORDLESS}; for others try more train.epochs, or another bank.encoder"
    remedy = unseen if main == "zsl/map" else f"{FIRST}, then more train.epochs"
    return (f"At chance by {title}: {names}; {remedy}.",) if low else ()


def narrowed(header: list[str], rows: list[list[str]], width: int) -> tuple[list[str], list[list[str]]]:
    """Without F1@K where a terminal of so many letters has no room for all columns."""
    columns = [[name, *cells] for name, cells in zip(header, zip(*rows, strict=True), strict=True)]
    fits = sum(3 + max(map(len, column)) for column in columns) < width
    kept = [column for column in columns if fits or "F1@" not in column[0]]
    return [name for name, *_ in kept], [list(row) for row in zip(*(cells for _, *cells in kept), strict=True)]


def paper_note(ablation: Ablation) -> str:
    """Whose figures the paper's columns have; "" without one."""
    told = any(variant.paper for variant in ablation.variants)
    return f"The paper's columns are its figures on {ablation.published}, not on this data." if told else ""


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A pipe table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(markdown, line)) + " |" for line in lines) + "\n"


def save_plot(results: Results, path: Path) -> None:
    """Bars of unseen mAP (of a closed set: mAP) by variant, with the seeds' spread, chance and the paper's figures."""
    first = results.records[0].metrics
    shown = metric_columns(first)
    main, kind = next(iter(shown.items()))
    columns = {n: t for n, t in shown.items() if t.startswith(kind)}
    variants = results.ablation.variants
    with new_plot(path, (7.5, 4)) as (figure, axes):
        places = np.arange(len(variants))
        width = 0.8 / len(columns)
        for index, (name, title) in enumerate(columns.items()):
            values = [100 * results.of(v, name) for v in variants]
            spread = [v.std(ddof=1) for v in values] if len(values[0]) > 1 else None
            offset = places + (index - (len(columns) - 1) / 2) * width
            bars = axes.bar(offset, [v.mean() for v in values], width, yerr=spread, capsize=3, label=drawn(title))
            axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
        chance = 100 * chance_of(first, main)
        axes.axhline(chance, color="black", linestyle=":", linewidth=1, label=f"chance ({chance:.1f})")
        paper = [100 * v.paper.get(main, np.nan) for v in variants]
        if not np.isnan(paper).all():
            label = f"paper ({results.ablation.published}, {kind})"
            axes.plot(places, paper, "kD", markersize=5, fillstyle="none", label=label)
        axes.set_xticks(places, [_axis_title(v) for v in variants], fontsize=8)
        axes.set_ylabel(f"{kind} [%]")
        axes.set_title(drawn(results.ablation.caption, 100), fontsize=10, loc="left")
        axes.margins(y=0.12)
        figure.legend(fontsize=8, loc="outside lower center", ncols=4, frameon=False)


def _axis_title(variant: Variant) -> str:
    if len(variant.shown) == 1:
        (value,) = variant.shown.values()
        return "\n".join(textwrap.wrap(drawn(value, 100).replace("+", " + ").replace(":", ": "), 22))
    return "\n".join(f"{axis}: {drawn(value)}" for axis, value in variant.shown.items())


def save_report(results: Results, command: str, path: Path) -> None:
    """The table in Markdown, with what it rests on and how to repeat it; beside it as LaTeX and CSV."""
    table = Table(results.ablation.caption, *rows_of(results), left=len(results.ablation.variants[0].axes))
    atomic.write_text(path.with_name("table.tex"), table.latex())
    atomic.write_text(path.with_name("table.csv"), table.csv())
    config, seeds = results.config, {record.seed for record in results.records}
    backbone = "none: the dataset holds tokens"
    if config.backbone is not None:
        trained = "trained on seen labels" if config.backbone.pretrain else "given weights"
        backbone = f"{config.backbone.name}, {trained}, {config.backbone.mode}"
    spread = f"mean ± standard deviation over seeds; {APART}" if len(seeds) > 1 else ONE_SEED
    paper = f"\n{paper_note(results.ablation)}" if paper_note(results.ablation) else ""
    low = "".join(f"\n{markdown(line)}" for line in chance_rows(results))
    closed = "closed/map" in results.records[0].metrics
    protocols = "" if closed else PROTOCOLS
    vectors = (
        "by variant" if "encoder" in results.ablation.variants[0].axes else config.bank.file or config.bank.encoder
    )
    sizes = [f"{k} {v}" for k, v in config.decoder.model_dump(exclude={"kind"}).items() if v is not None]
    readout = ", ".join([config.decoder.kind, *sizes])
    content = f"""# {markdown(results.ablation.caption)}

{table.markdown()}
Percent; {spread}. {protocols}F1@K is micro. Labels without a positive test image are left out of mAP. The epoch was
chosen on a validation part of the seen training data; the test set was scored once. {GMAC}{paper}{low}

![{"mAP" if closed else "unseen mAP"} by variant](plot.png)

- data: {markdown(config.data.name)}
- word vectors: {markdown(str(vectors))}
- backbone: {markdown(backbone)}
- readout: {markdown(readout)}
- seeds: {", ".join(map(str, sorted(seeds)))}

Repeat with {markdown_code(command)}; every run's config, weights and metrics are in `runs/`.
"""
    atomic.write_text(path, content)
