"""Trains or solves any readout; the members of a blend one after another, each as it would be alone."""

from collections.abc import Sequence
from dataclasses import replace

from embeddings.io.progress import silent
from zsl.context import Context
from zsl.data.loading import SeenSamples
from zsl.model import ZeroShotModel
from zsl.readouts.blend import BlendReadout
from zsl.readouts.closed_form import ClosedFormReadout
from zsl.readouts.residual import ResidualReadout
from zsl.scoring import score
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
    passes = replace(context, batch_size=plan.train.batch_size)
    if isinstance(model.readout, ClosedFormReadout):
        return solve(model, seen, passes, journal, plan.train.seed)
    if isinstance(model.readout, ResidualReadout):  # solved again after a stop: it is the same to the bit
        closed = ZeroShotModel(model.backbone, model.readout.closed)
        solve(closed, seen, passes, Journal(f"{journal.task}, closed form"), plan.train.seed)
    return train_at_best_rate(plan.rates, plan.train, model, seen, context, journal)


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
