"""How often bootstrap intervals contain the expected figure, in simulated test sets."""

from typing import Annotated

import numpy as np
import typer

from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured
from zsl.evaluation.bootstrap import bootstrap_average_precision
from zsl.evaluation.uncertainty import centred, image_weights, interval
from zsl.metrics.average_precision import average_precision

LABELS = 30


def command(
    images: Annotated[int, typer.Option(min=10, help="Images of a simulated test set.")] = 300,
    positives: Annotated[
        list[float] | None,
        typer.Option(min=0.1, show_default="1.5, 4, 20", help="Expected positives of a label; may be repeated."),
    ] = None,
    sets: Annotated[int, typer.Option(min=2, help="Test sets that are simulated.")] = 150,
    replicates: Annotated[int, typer.Option(min=2, help="Replicates of the bootstrap.")] = 200,
    out: Out = None,
) -> None:
    """Count how often bootstrap intervals of mAP contain the expected mAP."""
    measured(lambda progress: bench_intervals(images, positives or [1.5, 4, 20], sets, replicates, progress), out)


def bench_intervals(images: int, positives: list[float], sets: int, replicates: int, progress: Progress) -> Figures:
    """Coverage of nominal 95 % intervals of mAP; the expected mAP is the mean of many more test sets.

    Args:
        images: of a test set.
        positives: expected positives per label, in each simulation.
        sets: number of test sets for which intervals are made.
        replicates: of the bootstrap.
        progress: told of the test sets.
    """
    rows, measured = [], []
    for number, expected_positives in enumerate(positives):
        generator = np.random.default_rng([number, images])
        strength = 3 * generator.random(LABELS)

        def draw(
            rate: float = expected_positives / images,
            generator: np.random.Generator = generator,
            strength: np.ndarray = strength,
        ) -> tuple[np.ndarray, np.ndarray]:
            targets = generator.random((images, LABELS)) < rate
            return generator.standard_normal(targets.shape) + strength * targets, targets

        expected = float(np.mean([np.nanmean(average_precision(*draw())) for _ in range(10 * sets)]))
        held, figures = 0, []
        for done in range(sets):
            scores, targets = draw()
            ap = bootstrap_average_precision(scores, targets, image_weights(images, replicates))
            figures.append(float(np.nanmean(average_precision(scores, targets))))
            low, high = interval(centred(np.nanmean(ap, axis=1), figures[-1]))
            held += low <= expected <= high
            progress(f"{expected_positives} positives a label", done + 1, sets)
        measured.append({"positives": expected_positives, "expected_map": expected, "held": held, "sets": sets})
        rows.append([f"{expected_positives:g}", f"{100 * expected:.1f}", f"{100 * held / sets:.0f}"])
    title = f"Nominal 95 % intervals of mAP, {sets} simulated test sets of {images} images, {LABELS} labels"
    header = ["positives a label", "expected mAP [%]", "intervals that contain it [%]"]
    return Figures(title, header, rows, {"measured": measured, "machine": machine()})
