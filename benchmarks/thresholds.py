"""F1 at chosen thresholds, against the K best labels and against one half, on a dataset with unseen labels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured
from experiments.commands.options import Settings
from experiments.config.reading import load_config
from experiments.runs.measurement import measure_run, open_run
from experiments.runs.result import Result
from experiments.runs.thresholds import threshold_run
from experiments.runs.train import train
from zsl.evaluation.decisions import with_decisions
from zsl.evaluation.evaluation import Evaluation
from zsl.evaluation.threshold_choice import best_threshold
from zsl.prediction.thresholds import Rule, Thresholds

READOUTS = {
    "groups of similar labels": ("decoder.kind=ml-decoder", "decoder.grouping=similar"),
    "label attention": ("decoder.kind=label-attention",),
    "pooled tokens and words": ("decoder.kind=gap-text",),
    "ESZSL": ("decoder.kind=eszsl",),
}
WIDE = ("groups of similar labels", "label attention")  # readouts that have a width
COLUMNS = {
    "F1 of all": "gzsl/f1{}",
    "of seen": "gzsl/f1_seen{}",
    "of unseen": "gzsl/f1_unseen{}",
    "of unseen alone": "zsl/f1{}",
    "macro F1 of seen": "gzsl/macro_f1_seen{}",
    "macro F1 of unseen": "gzsl/macro_f1_unseen{}",
}
Ruled = tuple[str, Evaluation, Thresholds | None]  # a rule's name, what it gives, and its thresholds
HALF = Rule(1.0, 0.0, 0.5)
LEAST = 20  # positives that a label needs for a threshold of its own


def command(
    config: Annotated[str, typer.Option(metavar="CONFIG", help="A recipe or a TOML file; its readout is replaced.")],
    settings: Settings = None,
    width: Annotated[int, typer.Option(min=1, help="Of readouts that are trained.")] = 256,
    readout: Annotated[
        list[str] | None, typer.Option(metavar="NAME", show_default="all", help="A readout; may be repeated.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder for the runs. Those in it are used again.")] = Path("runs"),
    out: Out = None,
) -> None:
    """F1 at chosen thresholds, against the K best labels and against one half."""
    asked = readout or list(READOUTS)
    measured(lambda progress: bench_thresholds(config, settings or [], width, asked, runs, progress), out)


def bench_thresholds(
    config: str, settings: Sequence[str], width: int, readouts: Sequence[str], runs: Path, progress: Progress
) -> Figures:
    """Trains each readout, chooses its thresholds, and measures rules on the test images.

    Args:
        config: a recipe or a file.
        settings: over it, for every readout.
        width: of readouts that are trained.
        readouts: keys of `READOUTS`.
        runs: folder for the runs; training continues there.
        progress: told of trainings.
    """
    rows, record = [], []
    for name in readouts:
        own = [*READOUTS[name], *([f"decoder.width={width}"] if name in WIDE else [])]
        run = runs / name.replace(" ", "-")
        train(load_config(config, [*settings, *own], trains=True), run, True, progress, lambda _: None)
        choice = threshold_run(run, LEAST, None, progress)
        source = open_run(run, [], progress)
        result = measure_run(run, source.asking(choice.thresholds.company))
        rules = _best_labels(result) + _rules(result, choice.thresholds)
        if choice.thresholds.company is not None:
            rules = _best_labels(measure_run(run, source), ", asked together") + rules
        for rule, found, thresholds in rules:
            at = rule.partition(",")[0] if rule.startswith("@") else "@threshold"
            cells = [_cell(found, column.format(at)) for column in COLUMNS.values()]
            errors = [_cell(found, f"gzsl/ece_{part}") if thresholds else "" for part in ("seen", "unseen")]
            rows.append([name, rule, *_told(thresholds), *cells, *errors])
            record.append({"readout": name, "rule": rule, "metrics": found.metrics, "intervals": found.intervals})
        record.append(
            {
                "readout": name,
                "thresholds": choice.thresholds.described(),
                "validation": {one.title: one.f1.f1 for one in choice.found},
                "own": {"labels": choice.own.enough, "f1": dict(choice.own.f1)},
            }
        )
    header = ["readout", "rule", "threshold of seen", "of unseen", *COLUMNS, "ECE of seen", "ECE of unseen"]
    return Figures("Rules on test images [%]", header, rows, {"measured": record, "machine": machine()})


def _best_labels(result: Result, how: str = "") -> list[Ruled]:
    """The K best labels of each image, for each K."""
    return [(f"@{k}{how}", result.evaluation, None) for k in result.evaluation.stamp.k]


def _rules(result: Result, chosen: Thresholds) -> list[Ruled]:
    """Rules with thresholds."""
    bootstrap = len(next(iter(result.evaluation.replicates.values())))
    rules = {
        "sigmoid(logit) above one half": Thresholds(HALF, HALF),
        "chosen": chosen,
        "chosen, without thresholds of single labels": replace(chosen, by_label={}),
        "chosen, unseen treated as seen": replace(chosen, unseen=chosen.seen),
        "best on these test images": _best(result, chosen),
    }
    return [
        (name, with_decisions(result.evaluation, rule, result.scores, result.test, bootstrap), rule)
        for name, rule in rules.items()
    ]


def _best(result: Result, chosen: Thresholds) -> Thresholds:
    """The thresholds with the highest micro F1 on the test images, which nobody could choose: a bound."""
    seen = np.arange(len(result.test.seen + result.test.unseen)) < len(result.test.seen)
    probabilities = chosen.probabilities(result.scores["gzsl"], seen)
    targets = result.test.targets.dense() > 0
    best = [best_threshold(probabilities[:, part].ravel(), targets[:, part].ravel()) for part in (seen, ~seen)]
    return Thresholds(replace(chosen.seen, threshold=best[0]), replace(chosen.unseen, threshold=best[1]))


def _told(thresholds: Thresholds | None) -> list[str]:
    return ["", ""] if thresholds is None else [f"{r.threshold:.3f}" for r in (thresholds.seen, thresholds.unseen)]


def _cell(found: Evaluation, name: str) -> str:
    if name not in found.metrics:
        return ""
    ends = found.intervals.get(name)
    return f"{100 * found.metrics[name]:.1f}" + (f" ({100 * ends[0]:.1f}–{100 * ends[1]:.1f})" if ends else "")
