"""mAP and F1@K of NUS-WIDE's whole test set, compared with peers, and how the cost grows."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import torch
import typer
from sklearn.metrics import average_precision_score, f1_score

from benchmarks.nus_wide import read_truth
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, interleaved, machine
from experiments.commands.bench import Out, measured
from zsl.metrics.average_precision import average_precision
from zsl.metrics.f1 import f1_at_k, top_k_counts

POSITIVES = 6.80  # an image of NUS-WIDE's whole test set, over all 1,006 labels
OWN = "zsl.metrics: AP, F1@3, F1@5"
LOOP = "scikit-learn: AP, label by label"


def command(
    images: Annotated[int, typer.Option(min=10, help="Rows of the scores.")] = 107_859,
    labels: Annotated[int, typer.Option(min=10, help="Columns of the scores.")] = 1006,
    truth: Annotated[
        Path | None, typer.Option(help="The real annotation, an .npz; by default, a generated one.")
    ] = None,
    growth: Annotated[
        list[int] | None,
        typer.Option(min=1, show_default="10^4, 10^5, 10^6", help="Images of further sizes; may be repeated."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; in each, every side runs once.")] = 3,
    out: Out = None,
) -> None:
    """Measure mAP and F1@K of NUS-WIDE's whole test set, compared with peers."""
    sizes = growth or [10_000, 100_000, 1_000_000]
    measured(lambda progress: bench_metrics(images, labels, truth, sizes, rounds, progress), out)


def bench_metrics(
    images: int, labels: int, truth: Path | None, sizes: list[int], rounds: int, progress: Progress
) -> Figures:
    """Every side computes the same measures from the same float32 scores; each AP is checked against scikit-learn's.

    Args:
        images, labels: of the score matrix.
        truth: the real annotation of NUS-WIDE, for its 81 labels; the others are generated at their density.
        sizes: images of further runs, of zsl.metrics alone, with a tenth of the labels.
        rounds: times that each side runs, in turn.
        progress: told of the rounds.
    """
    scores, targets = _scores(images, labels, truth)
    results: dict[str, np.ndarray] = {}
    sides = _sides(scores, targets, results)
    extra = _extra_bytes(sides[OWN])  # first: memory that other sides leave allocated would hide it
    seconds = interleaved(sides, rounds, progress)
    apart = {s: float(np.nanmax(np.abs(v - results[LOOP]))) for s, v in results.items()}
    for side, difference in apart.items():
        if difference > 1e-5:
            raise RuntimeError(f"{side} differs from scikit-learn by {difference}")
    base = median(seconds[OWN])
    rows = [
        [side, f"{median(times):.2f}", f"{median(times) / base:.1f}", f"{apart[side]:.0e}" if side in apart else ""]
        for side, times in seconds.items()
    ]
    record = {
        "images": images,
        "labels": labels,
        "positives_per_image": float(targets.sum() / images),
        "seconds": seconds,
        "largest_difference": apart,
        "extra_bytes": extra,
        "matrix_bytes": scores.nbytes,
        "machine": machine() | _peers(),
    }
    share = "not measured" if extra is None else f"{extra / scores.nbytes:.2f} times the matrix"
    del scores, targets, sides, results
    record["growth"] = growth = _growth([*sizes], max(labels // 10, 1), rounds, progress)
    rows += [[f"zsl.metrics: {one['images']:,} x {one['labels']}", f"{one['seconds']:.2f}", "", ""] for one in growth]
    told = "; ".join(f"{1e9 * one['seconds'] / one['images'] / one['labels']:.1f} ns a score" for one in growth)
    title = (
        f"{images:,} x {labels:,} float32 scores, {record['positives_per_image']:.2f} positives an image, median of "
        f"{rounds} rounds; extra memory {share}; growth: {told}"
    )
    return Figures(title, ["", "seconds", "times ours", "largest difference"], rows, record)


def _scores(images: int, labels: int, truth: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a middling model, and targets with the skewed frequencies of tags."""
    generator = np.random.default_rng(0)
    frequency = generator.pareto(1.2, labels) + 0.2
    frequency = np.minimum(frequency * POSITIVES * labels / 1006 / frequency.sum(), 0.3)
    targets = np.empty((images, labels), np.bool_)
    for label in range(labels):
        targets[:, label] = generator.random(images, dtype=np.float32) < frequency[label]
    if truth is not None:
        annotation, _, test = read_truth(truth)
        rows, columns = min(images, len(test)), min(labels, annotation.shape[1])
        targets[:rows, -columns:] = annotation[test[:rows], :columns]
    scores = generator.standard_normal((images, labels), dtype=np.float32)
    scores[targets] += 1
    return scores, targets


def _sides(scores: np.ndarray, targets: np.ndarray, results: dict[str, np.ndarray]) -> dict[str, Callable[[], None]]:
    def own() -> None:
        results[OWN] = average_precision(scores, targets)
        for counts in top_k_counts(scores, targets, (3, 5)).values():
            counts.micro()

    def loop() -> None:
        columns = zip(targets.T, scores.T, strict=True)
        results[LOOP] = np.array([average_precision_score(t, s) if t.any() else np.nan for t, s in columns])

    def loop_f1() -> None:
        for k in (3, 5):
            chosen = np.zeros_like(targets)
            np.put_along_axis(chosen, np.argpartition(-scores, k, axis=1)[:, :k], True, axis=1)
            value = f1_score(targets, chosen, average="micro")
            assert abs(value - f1_at_k(scores, targets, k).f1) < 1e-12  # without ties the same labels

    def sort() -> None:
        results["torch: AP by sorting"] = sorted_average_precision(scores, targets)

    def library() -> None:
        from torchmetrics.functional.classification import multilabel_average_precision

        present = targets.any(0)  # torchmetrics warns of labels without positives
        probabilities = torch.from_numpy(scores[:, present]).sigmoid()
        truth = torch.from_numpy(targets[:, present]).long()
        values = multilabel_average_precision(probabilities, truth, int(present.sum()), "none", validate_args=False)
        results["torchmetrics: AP"] = np.full(targets.shape[1], np.nan)
        results["torchmetrics: AP"][present] = values.numpy()

    sides = {OWN: own, LOOP: loop, "scikit-learn: F1@3, F1@5": loop_f1, "torch: AP by sorting": sort}
    return sides | ({"torchmetrics: AP": library} if "torchmetrics" in _peers() else {})


def sorted_average_precision(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """AP as it is often written: sort, running sums; tied scores are in arbitrary order."""
    values = []
    for label in range(scores.shape[1]):
        ranking = torch.from_numpy(np.ascontiguousarray(scores[:, label]))
        truth = torch.from_numpy(targets[:, label])[ranking.argsort(descending=True)]
        precision = truth.cumsum(0) / torch.arange(1, len(truth) + 1, dtype=torch.float64)
        values.append(float(precision[truth].mean()))
    return np.array(values)


def _growth(sizes: list[int], labels: int, rounds: int, progress: Progress) -> list[dict[str, float]]:
    """Seconds of our side on matrices of other sizes."""
    growth = []
    for images, width in [*((size, labels) for size in sizes), (sizes[0], 10 * labels)]:
        scores, targets = _scores(images, width, None)
        own = {OWN: _sides(scores, targets, {})[OWN]}
        taken = median(interleaved(own, rounds, progress)[OWN])
        growth.append({"images": images, "labels": width, "seconds": taken})
    return growth


def _extra_bytes(work: Callable[[], None]) -> int | None:
    """The peak memory of some work, beyond what the process had before (from Linux's /proc)."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return None

    def read(field: str) -> int:
        lines = status.read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(field))) * 1024

    reset.write_text("5")  # the peak starts anew
    before = read("VmRSS")
    work()
    return read("VmHWM") - before


def _peers() -> dict[str, str]:
    found = {}
    for name in ("scikit-learn", "torchmetrics"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
