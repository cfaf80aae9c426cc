"""Notes for users: word vectors that they did not choose, and results no better than chance."""

from collections.abc import Mapping, Sequence
from typing import Any

from zsl.evaluation.uncertainty import at_chance
from zsl.runs.config import RunConfig
from zsl.training.history import History

SPELLING = (
    "word vectors are lexical, as no bank.encoder was chosen: they know how names are spelt, not what they mean; "
    "zsl bank encoders lists others"
)
FIRST = "try decoder.kind=eszsl first, which takes seconds"
WORDLESS = "a head that is not made from word vectors (gap, learnable) finds no unseen label"
# by metric, the labels that it is the mean AP of
PARTS = {"zsl/map": "unseen labels", "gzsl/map_seen": "seen labels", "closed/map": "labels"}


def encoder_notes(base: RunConfig, runs: Sequence[tuple[Mapping[str, Any], RunConfig]] = ()) -> tuple[str, ...]:
    """One note if a readout is made from word vectors and the user did not choose them.

    Args:
        base: the config as it was read; it distinguishes given values from defaults.
        runs: for each run, settings over `base` by key, and the resulting config; without any, `base` is the run.
    """
    given = {f"bank.{key}" for key in base.bank.model_fields_set}
    default = any(
        config.decoder.reads_vectors and not {"bank.encoder", "bank.file"} & (given | settings.keys())
        for settings, config in runs or [({}, base)]
    )
    return (SPELLING,) if default else ()


def training_notes(history: History, solved: bool) -> tuple[str, ...]:
    """One note if a run's best epoch is at chance on the labels that it was trained on.

    Args:
        history: of a finished run.
        solved: whether its readout is solved in closed form, or not trained at all, so that more epochs do not help.
    """
    if not at_chance(history.best, history.chance):
        return ()
    told = f"seen validation mAP {100 * history.best:.1f} %, by chance {100 * history.chance:.1f} %"
    remedy = "check the data (zsl data check) and the backbone" if solved else f"{FIRST}, then more train.epochs"
    return (f"the run ended at chance ({told}): {remedy}",)


def parts_at_chance(metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """The groups of labels whose mAP cannot be told apart from that of a random ranking.

    Seen labels are named only together with unseen ones.

    Args:
        metrics, intervals: of `zsl.evaluation.evaluation.Evaluation`.
    """
    low = {
        name: title
        for name, title in PARTS.items()
        if name in metrics and at_chance(metrics[name], metrics[f"{name}_chance"], intervals.get(name))
    }
    return tuple(low.values()) if low.keys() & {"zsl/map", "closed/map"} else ()


def chance_notes(parts: Sequence[str]) -> tuple[str, ...]:
    """The line that reports what `parts_at_chance` found."""
    told = " and ".join(parts)
    return (f"At chance: the mAP of {told} is not distinguishable from that of a random ranking.",) if parts else ()


def remedies(parts: Sequence[str]) -> tuple[str, ...]:
    """What to try if a run is at chance."""
    if not parts:
        return ()
    if list(parts) == ["unseen labels"]:  # training has worked
        return (f"{FIRST}, then a bank.encoder that knows more of the names; {WORDLESS}",)
    return (f"{FIRST}, then more train.epochs",)
