"""The runs of a selection: each variant of a grid, once for each fold of the seen labels that is held out."""

from dataclasses import dataclass, replace
from functools import cached_property

from embeddings.io.errors import InputError
from experiments.grids.grid import Grid, differences
from experiments.grids.variants import Variant
from zsl.runs.config import RunConfig
from zsl.runs.held_out import HeldOutConfig

# keys of which the variants of a selection must have one value: they decide which images validate, or how scores look
COMMON = ("train.validation", "evaluate.")


@dataclass(frozen=True)
class Plan:
    """A grid, and how its variants are compared.

    Args:
        asked: the grid of the user.
        held: into how many folds the seen labels are divided, and how.
        used: number of folds that are held out, one after another.
    """

    asked: Grid
    held: HeldOutConfig
    used: int

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.asked.ablation.variants

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """Of the variants, on all seen labels."""
        return self.asked.configs

    @cached_property
    def grid(self) -> Grid:
        """The grid of the runs that hold out labels, ordered by seed, fold and variant."""
        variants, configs = [], []
        for fold in range(self.used):
            held = self.held.model_copy(update={"fold": fold})
            for variant, config in zip(self.variants, self.configs, strict=True):
                variants.append(Variant(variant.settings | {"held_out.fold": fold}))
                configs.append(_holding_out(config, held))
        caption = f"{self.asked.ablation.caption}, without folds of the seen labels"
        ablation = replace(self.asked.ablation, caption=caption, variants=tuple(variants))
        return replace(
            self.asked, ablation=ablation, config=_holding_out(self.asked.config, self.held), configs=tuple(configs)
        )


def cells_of(grid: Grid, variants: int) -> list[list[str]]:
    """The folders of a grid's runs, relative to its own, in groups that have a run of each variant.

    Args:
        grid: of a plan (a group for each seed and fold), or of the user (a group for each seed).
        variants: number of variants of the user's grid.
    """
    runs = [run.folder for run in grid.runs]
    return [runs[first : first + variants] for first in range(0, len(runs), variants)]


def make_plan(grid: Grid, folds: int, use: int | None, place: str) -> Plan:
    """Checks that a grid can be selected from.

    Args:
        grid: of the user.
        folds: number of parts of the seen labels.
        use: number of parts that are held out; None for all.
        place: the grid's name, for messages.
    Raises:
        InputError: one variant; variants that are not validated alike; more folds to use than there are; a grid that
            holds out labels itself.
    """
    if len(grid.configs) < 2:
        raise InputError(f"{place} has one variant, so there is nothing to select; give [axes] with several values")
    if grid.config.held_out is not None:
        raise InputError(f"{place} has [held_out], which zsl select sets itself; remove it")
    if use is not None and use > folds:
        raise InputError(f"--use {use} is more than --folds {folds}")
    for variant, config in zip(grid.ablation.variants, grid.configs, strict=True):
        for key in differences(grid.configs[0], config):
            if key.startswith(COMMON):
                raise InputError(
                    f"{place}: variant {variant.title} changes {key}, which all variants of a selection must share"
                )
    return Plan(grid, HeldOutConfig(folds=folds), folds if use is None else use)


def _holding_out(config: RunConfig, held: HeldOutConfig) -> RunConfig:
    """The config of a run that is measured for a selection alone: scores as they are, no intervals."""
    evaluate = config.evaluate.model_copy(update={"bootstrap": 0, "normalise": "none"})
    return config.model_copy(update={"held_out": held, "evaluate": evaluate})
