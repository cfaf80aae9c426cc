"""What normalising an image's scores changes, and what the scores look like before, from the saved scores of runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from jaxtyping import Float
from scipy.stats import spearmanr

from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured
from experiments.runs.measurement import SCORES
from zsl.evaluation.saved_scores import SavedScores, load_scores
from zsl.metrics.average_precision import mean_average_precision
from zsl.readouts.normalisation import normalised

FORMS = ("as they are", "by image", "only centred", "only scaled")
Scores = Float[np.ndarray, "image label"]


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Runs that zsl evaluate has measured.")],
    out: Out = None,
) -> None:
    """Compare mAP with and without a normalisation of scores, and say how images differ in their scores."""
    measured(lambda progress: bench_normalisation(runs, progress), out)


def bench_normalisation(runs: Sequence[Path], progress: Progress) -> Figures:
    """mAP of unseen and of seen labels in each form, and how scores differ between images.

    Args:
        runs: folders with saved scores, measured with `evaluate.normalise = "none"`, of data with unseen labels.
        progress: told of the runs.
    Raises:
        InputError: no saved scores; normalised ones; a closed set.
    """
    rows, record = [], []
    for done, run in enumerate(runs, 1):
        saved = load_scores(run / SCORES)
        if saved.form.normalise != "none" or "zsl" not in saved.scores or "seen" not in saved.scores:
            raise InputError(f"{run}: give a run with unseen labels, measured with evaluate.normalise = 'none'")
        found = _figures(saved)
        unseen, seen = (" / ".join(f"{100 * value:.1f}" for value in found[part]) for part in ("unseen", "seen"))
        level = f"{100 * found['between']:.0f}", f"{100 * found['spread']:.0f}", f"{found['labels']:.2f}"
        rows.append([run.name, unseen, seen, *level])
        record.append({"run": run.name} | found)
        progress("runs", done, len(runs))
    forms = " / ".join(FORMS)
    header = ["run", f"unseen mAP {forms}", f"seen mAP {forms}", "between images [%]", "spread [%]", "and labels"]
    return Figures("Normalisation of scores [%]", header, rows, {"measured": record, "machine": machine()})


def _figures(saved: SavedScores) -> dict[str, Any]:
    """mAP of each part in each form; and three facts about the scores.

    "between" is the share of the variance of unseen scores, each label's own mean taken off, that lies between images.
    "spread" is how much images differ in the deviation of their seen scores, in units of its mean. "labels" is the rank
    correlation of an image's mean seen score with its number of seen labels.
    """
    count = len(saved.test.seen)
    targets = saved.test.targets.dense()
    unseen, seen = (np.asarray(saved.scores[part], np.float64) for part in ("zsl", "seen"))
    maps = {}
    for part, scores, chosen in (("unseen", unseen, slice(count, None)), ("seen", seen, slice(count))):
        truth, known = targets[:, chosen] > 0, targets[:, chosen] != 0 if saved.test.targets.partial else None
        maps[part] = [mean_average_precision(form, truth, annotated=known) for form in _forms(scores, seen)]
    level = (unseen - unseen.mean(0)).mean(1)
    deviations = seen.std(1)
    return maps | {
        "between": float(level.var() / (unseen - unseen.mean(0)).var()),
        "spread": float(deviations.std() / deviations.mean()),
        "labels": float(spearmanr(seen.mean(1), (targets[:, :count] > 0).sum(1)).statistic),
    }


def _forms(scores: Scores, seen: Scores) -> list[Scores]:
    centred = scores - seen.mean(1, keepdims=True)
    return [scores, normalised(scores, seen, "image"), centred, scores / seen.std(1, keepdims=True)]
