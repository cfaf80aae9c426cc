"""Thresholds and probabilities of a run, chosen on its seen validation images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.output.reliability_plot import save_reliability_plot
from experiments.runs.folds import HeldOut, held_out_scores, remove_folds, validation_scores
from experiments.runs.measurement import open_run
from zsl.data.targets import Targets
from zsl.evaluation.measures import Scores
from zsl.evaluation.probabilities import Reliability, Scale, fit_scale, reliability
from zsl.evaluation.threshold_choice import LabelThresholds, best_threshold, label_thresholds
from zsl.losses.table import LOSSES
from zsl.metrics.f1 import F1, Counts
from zsl.prediction.thresholds import FILE, Rule, Thresholds
from zsl.readouts.company import Company
from zsl.runs.source import Source

PLOT = "reliability.png"
CLOSED_SHARE = 0.2  # of the labels of a closed set, which names no unseen ones


class Entries(NamedTuple):
    """Annotated pairs of an image and a label: (entry,) logits, and whether the image shows the label."""

    logits: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class Found:
    """How a rule does on validation images.

    Args:
        title: the labels, and whose rule it is.
        labels: how many.
        plain, fitted: reliability of sigmoid(logit), and of the rule's probabilities.
        f1: micro, of the entries above the rule's threshold.
    """

    title: str
    labels: int
    plain: Reliability
    fitted: Reliability
    f1: F1


@dataclass(frozen=True)
class Choice:
    """The thresholds of a run, and what they rest on.

    Args:
        thresholds: as in `thresholds.json`.
        found: seen labels; left-out labels at the rule that the other model chose; those at the rule of seen labels.
        own: how thresholds of single labels were chosen.
    """

    thresholds: Thresholds
    found: tuple[Found, Found, Found]
    own: LabelThresholds


def threshold_run(
    folder: Path, least: int, share: float | None, progress: Progress, settings: Sequence[str] = ()
) -> Choice:
    """Chooses thresholds and scales of a run, and writes `thresholds.json` and `reliability.png`.

    The scale of seen labels (`fit_scale`) and their threshold, with the highest micro F1, come from the run's model on
    its validation images. A seen label with enough positives there gets its own threshold, if cross-validation over
    these images favours that (`label_thresholds`).

    Unseen labels get what left-out seen labels need. Two models are trained, each without the annotations of some seen
    labels (`held_out_scores`). In each, logits are first scaled as its own seen labels need, which makes the logits of
    different models comparable. Then one scale and one threshold are fitted to the left-out labels of both models. The
    test set is not used. Readouts of groups are asked for each label by itself, as in predictions (`Source.asking`).

    Args:
        folder: of a trained run; a choice that was stopped there is continued.
        least: positives on validation images that a label needs for a threshold of its own.
        share: of the seen labels, those that each model is trained without; by default the share of unseen labels among
            all labels, or a fifth for a closed set.
        progress: called as training proceeds.
        settings: `section.key=value` of data and evaluation, over those of the run.
    Returns:
        the thresholds, and how they do on validation images.
    Raises:
        InputError: not a finished run; a model whose labels compete; too few labels or images; scores that are
            normalised by label.
    """
    own = open_run(folder, list(settings), progress)
    loss, evaluate = own.config.train.loss, own.config.evaluate
    how = evaluate.normalisation.of_picture
    if LOSSES[loss].exclusive:
        told = f"{folder} was trained with the loss {loss!r}, under which labels compete"
        raise InputError(f"{told}: no label has a probability of its own; train with another train.loss")
    if not own.split(own.data.train)[1].targets.label_counts().any():
        raise InputError(f"no validation image of {own.data.name} shows a seen label; raise train.validation")
    if share is None and not own.data.unseen:
        share = CLOSED_SHARE
    own = own.asking(_company(own))
    held = held_out_scores(folder, own, share)
    choice = choose(*_seen_scores(folder, own), own.data.seen, held, least)
    thresholds = replace(choice.thresholds, company=_company(own), normalise=how, temperature=evaluate.temperature)
    choice = replace(choice, thresholds=thresholds)
    if own.context.is_main:
        choice.thresholds.save(folder / FILE)
        drawn = zip(("seen", "left out"), choice.found[:2], strict=True)
        save_reliability_plot([(name, one.plain, one.fitted) for name, one in drawn], folder / PLOT)
        remove_folds(folder)
    own.context.accelerator.wait_for_everyone()
    return choice


def _company(own: Source) -> Company | None:
    """The company in which predictions ask labels; None if the readout scores each label by itself."""
    config, companies = own.config, own.config.decoder.companies
    return config.evaluate.company if config.evaluate.company in companies else next(iter(companies), None)


def _seen_scores(folder: Path, own: Source) -> tuple[Scores, Targets]:
    """The scores of seen labels among all labels, on validation images, with the targets."""
    scores, targets = validation_scores(folder, own)
    asked = scores["gzsl" if own.data.unseen else "closed"]
    return asked[:, : len(own.data.seen)], targets


def choose(
    scores: Scores,
    targets: Targets,
    seen: Sequence[str],
    held: Sequence[HeldOut],
    least: int,
) -> Choice:
    """Chooses thresholds from scores on validation images; `threshold_run` says how.

    Args:
        scores: (image, label) of the run's model, over the seen labels.
        targets: (image, label) of the same images.
        seen: names of the seen labels.
        held: of the models without some seen labels, two at least.
        least: positives that a label needs for a threshold of its own.
    Raises:
        InputError: labels that every image shows, or none.
    """
    entries = _entries(scores, targets)
    rule = _rule([entries])
    found = _found("seen labels", len(seen), [entries], [entries], [rule])
    values, probabilities = targets.dense(), _scale(rule).probabilities(scores)
    known = values != 0 if targets.partial else None
    own = label_thresholds(probabilities, values > 0, rule.threshold, least, known)
    left, crossed, as_seen = _left_out(held)
    unseen = _scale(rule).then(_scale(left))
    thresholds = Thresholds(
        rule,
        Rule(unseen.temperature, unseen.bias, left.threshold),
        {seen[column]: value for column, value in own.thresholds.items()},
    )
    return Choice(thresholds, (found, crossed, as_seen), own)


def _left_out(held: Sequence[HeldOut]) -> tuple[Rule, Found, Found]:
    """The rule of all left-out labels, whose logits are first scaled as their model's seen labels need.

    Returns:
        the rule; how each model's labels do at the rule of the other models, and at the rule of its seen labels.
    """
    kept = [_rule([_entries(one.scores, one.targets, slice(len(one.kept)))]) for one in held]
    plain = [_entries(one.scores, one.targets, slice(len(one.kept), None)) for one in held]
    scaled = [Entries(_scale(rule).standardised(one.logits), one.truth) for rule, one in zip(kept, plain, strict=True)]
    others = [_rule([*scaled[:place], *scaled[place + 1 :]]) for place in range(len(held))]
    seen = [Rule(1.0, 0.0, rule.threshold) for rule in kept]  # the logits are scaled for it already
    labels = sum(len(one.left_out) for one in held)
    crossed = _found("left-out labels, as the other model chooses", labels, plain, scaled, others)
    return _rule(scaled), crossed, _found("left-out labels, treated as seen", labels, plain, scaled, seen)


def _entries(scores: Scores, targets: Targets, labels: slice = slice(None)) -> Entries:
    """The annotated entries of some labels."""
    values = targets.columns(labels).dense()
    known = values != 0 if targets.partial else np.ones(values.shape, np.bool_)
    return Entries(scores[:, labels][known], values[known] > 0)


def _scale(rule: Rule) -> Scale:
    return Scale(rule.temperature, rule.bias)


def _rule(parts: Sequence[Entries]) -> Rule:
    """The scale and the threshold that fit these entries best.

    Raises:
        InputError: all entries are positive, or none is.
    """
    logits, truth = (np.concatenate(values) for values in zip(*parts, strict=True))
    if truth.all() or not truth.any():
        kind = "positive" if truth.any() else "negative"
        told = f"all {len(truth)} validation entries of one group of labels are {kind}"
        raise InputError(f"{told}, so they have no probabilities; raise train.validation")
    scale = fit_scale(logits, truth)
    return Rule(scale.temperature, scale.bias, best_threshold(scale.probabilities(logits), truth))


def _found(
    title: str, labels: int, plain: Sequence[Entries], scaled: Sequence[Entries], rules: Sequence[Rule]
) -> Found:
    """How entries do, each part at its own rule.

    Args:
        title, labels: of the result.
        plain: entries with the logits of the models.
        scaled: the same with the logits that the rules are for.
        rules: one a part.
    """
    truth = np.concatenate([part.truth for part in plain])
    given = [_scale(rule).probabilities(part.logits) for rule, part in zip(rules, scaled, strict=True)]
    taken = np.concatenate([values > rule.threshold for rule, values in zip(rules, given, strict=True)])
    logits = np.concatenate([part.logits for part in plain]).astype(np.float64)
    counts = Counts(*(np.array([mask.sum()]) for mask in (taken & truth, taken, truth)))
    fitted = reliability(np.concatenate(given), truth)
    return Found(title, labels, reliability(expit(logits), truth), fitted, counts.micro())
