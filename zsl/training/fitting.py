"""Trains or solves any readout; the members of a blend one after another, each as it would be alone."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from accelerate.utils import set_seed

from embeddings.io.errors import InputError
from embeddings.io.progress import silent
from zsl.context import Context
from zsl.data.loading import SeenSamples
from zsl.model import ZeroShotModel
from zsl.readouts.blend import BlendReadout
from zsl.readouts.closed_form import ClosedFormReadout
from zsl.readouts.residual import ResidualReadout
from zsl.scoring import score
from zsl.training.epoch_choice import Trials, train_by_held_out
from zsl.training.history import History, MemberHistory, chance_of, validation_map
from zsl.training.journal import UNWATCHED, Journal
from zsl.training.plan import Plan
from zsl.training.rates import train_at_best_rate
from zsl.training.solving import solve


def fit_model(
    model: ZeroShotModel, plan: Plan, seen: SeenSamples, context: Context, journal: Journal = UNWATCHED
) -> History:
    """Trains or solves a model on seen labels.

    Args:
        model: trained in place, with the weights of the best epoch.
        plan: `Plan.of` the readout's config.
        seen: training and validation samples, and the word vectors of the seen labels.
        context: device, batch size, workers and progress.
        journal: the task's name, checkpoints, and a function to call after each epoch.
    Returns:
        the history.
    Raises:
        InputError: same as for `solve` and `Training`.
        TrainingError: the loss does not stay finite.
    """
    if isinstance(model.readout, BlendReadout):
        return _fit_members(model, model.readout, plan, seen, context, journal)
    if model.readout.fixed:
        return _measured(model, seen, context, journal)
    passes = replace(context, batch_size=plan.train.batch_size)
    if isinstance(model.readout, ClosedFormReadout):
        return solve(model, seen, passes, journal, plan.train.seed)
    _solve_part(model, plan, seen, passes, journal)
    if plan.train.select == "held_out_labels":
        return train_by_held_out(_trials(model, plan, passes, journal), model, seen, context, journal)
    return train_at_best_rate(plan.rates, plan.train, model, seen, context, journal)


def _measured(model: ZeroShotModel, seen: SeenSamples, context: Context, journal: Journal) -> History:
    """The history of a readout that has nothing to train: one entry, with its validation and a loss of 0.

    Raises:
        InputError: a validation part without positives.
    """
    if not seen.validation.targets.label_counts().any():
        raise InputError("the validation part holds no positive; raise train.validation")
    scores = score(model, seen.validation, {"seen": seen.vectors}, replace(context, progress=silent))["seen"]
    history = History(
        loss=[0.0],
        lr=[0.0],
        validation_map=[validation_map(scores, seen.validation.targets)],
        best_epoch=0,
        chance=chance_of(seen.validation.targets),
    )
    context.progress(journal.task, 1, 1, f"nothing to train; seen validation mAP {100 * history.best:.1f}")
    if journal.watch is not None and context.is_main:
        journal.watch(history)
    return history


def _solve_part(model: ZeroShotModel, plan: Plan, seen: SeenSamples, passes: Context, journal: Journal) -> None:
    """Solves the closed form that a readout is trained on, if there is one."""
    if isinstance(model.readout, ResidualReadout):  # solved again after a stop: it is the same to the bit
        closed = ZeroShotModel(model.backbone, model.readout.closed)
        solve(closed, seen, passes, Journal(f"{journal.task}, closed form"), plan.train.seed)


def _trials(model: ZeroShotModel, plan: Plan, passes: Context, journal: Journal) -> Trials:
    """How models of the same kind are trained on other labels.

    Args:
        model: with initial weights.
        plan: of its readout.
        passes, journal: of its closed form, if it has one.
    Raises:
        InputError: the readout is an object of the user's own.
    """
    decoder = plan.decoder
    if decoder is None:
        raise InputError("train.select = 'held_out_labels' needs a readout of a config, of which more can be made")

    def fresh(samples: SeenSamples) -> ZeroShotModel:
        assert samples.vectors is not None
        labels, embed_dim = samples.vectors.shape
        set_seed(plan.train.seed)
        made = ZeroShotModel(copy.deepcopy(model.backbone), decoder.make(_channels(model, samples), embed_dim, labels))
        _solve_part(made, plan, samples, passes, journal)
        return made

    return Trials(plan.train, plan.rates, fresh)


@torch.inference_mode()
def _channels(model: ZeroShotModel, samples: SeenSamples) -> int:
    """The size of a token."""
    inputs = samples.train.part.inputs.read(samples.train.rows[:1])
    device = next(model.parameters()).device
    return int(model.eval().encode(inputs.to(device)).shape[-1])


def _fit_members(
    model: ZeroShotModel, blend: BlendReadout, plan: Plan, seen: SeenSamples, context: Context, journal: Journal
) -> History:
    """Fits each member, and validates the blend.

    Each member has its own checkpoints, which stay until the caller removes them. So a stopped run continues with the
    member that it had reached.
    """
    assert seen.vectors is not None
    blend.remember(seen.vectors)
    done: list[MemberHistory] = []
    for number, (readout, vectors) in enumerate(blend.parts(seen.vectors), 1):
        config, own = plan.members[number - 1]

        def watched(history: History, number: int = number, kind: str = config.kind) -> None:
            if journal.watch is not None:
                journal.watch(History(members=[*done, MemberHistory(number, kind, history.plain())]))

        kept = journal.checkpoints and journal.checkpoints.of(f"member-{number}")
        task = f"{journal.task}, member {number}/{len(plan.members)} ({config.kind})"
        member = ZeroShotModel(model.backbone, readout)
        history = fit_model(member, own, replace(seen, vectors=vectors), context, Journal(task, kept, watched))
        done.append(MemberHistory(number, config.kind, history.plain()))
    history = _validated(model, blend, plan, seen, context, done)
    told = f"seen validation mAP {100 * history.best:.1f}"
    context.progress(f"{journal.task}, blend", 1, 1, told)
    if journal.watch is not None and context.is_main:
        journal.watch(history)
    return history


def _validated(
    model: ZeroShotModel,
    blend: BlendReadout,
    plan: Plan,
    seen: SeenSamples,
    context: Context,
    members: Sequence[MemberHistory],
) -> History:
    """The history of a blend: one entry, with the blend's own validation, and the members' histories."""
    quiet, samples = replace(context, progress=silent), seen.validation
    scores = score(model, samples, {"seen": seen.vectors}, quiet)["seen"]
    losses = [member.epochs.loss[member.epochs.best_epoch] for member in members]
    chosen = [config.chosen(member.epochs.chosen) for (config, _), member in zip(plan.members, members, strict=True)]
    return History(
        loss=[sum(weight * loss for weight, loss in zip(blend.weights, losses, strict=True))],
        lr=[0.0],
        validation_map=[validation_map(scores, samples.targets)],
        best_epoch=0,
        chance=chance_of(samples.targets),
        chosen={"decoder.members": chosen} if any(member.epochs.chosen for member in members) else {},
        members=list(members),
        best_state={name: value.detach().cpu().clone() for name, value in model.state_dict().items()},
    )
