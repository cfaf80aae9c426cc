"""A grid: the runs of a table, each with a complete config that is checked before the first run starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic import Field

from embeddings.io.errors import InputError
from embeddings.io.settings import flat
from experiments.config.advice import encoder_notes
from experiments.config.reading import changed
from experiments.grids.variants import Ablation, Variant
from zsl.config import Config
from zsl.data.dataset import MultiLabelData
from zsl.data.table import load_data
from zsl.runs.config import RunConfig
from zsl.runs.held_out import HeldOutConfig
from zsl.runs.pairs import check_aligned, misfit

# keys of [evaluate] that do not change the question: neither the labels that are asked, nor the measures
NOT_PROTOCOL = ("evaluate.batch_size", "evaluate.bootstrap", "evaluate.normalise", "evaluate.temperature")


class Budget(Config):
    """Limits of a grid: only the first `runs` runs are done; none starts after the command has run for `hours`."""

    runs: int | None = Field(None, ge=1)
    hours: float | None = Field(None, gt=0)


@dataclass(frozen=True)
class Run:
    """One training and test of a grid; `folder` is relative to the grid's."""

    variant: Variant
    seed: int
    config: RunConfig

    @property
    def folder(self) -> str:
        return f"runs/{self.variant.title}-seed{self.seed}"

    @property
    def task(self) -> str:
        """The run's name in progress bars."""
        return f"{'/'.join(self.variant.shown.values())} seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """Variants of a config, each under every seed.

    `configs` are the configs of the variants, in order. What runs share is made under the first seed. `notes` are lines
    that a user should see before the runs.
    """

    ablation: Ablation
    config: RunConfig
    configs: tuple[RunConfig, ...]
    seeds: tuple[int, ...]
    budget: Budget = field(default_factory=Budget)
    notes: tuple[str, ...] = ()

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The runs, ordered by seed: a grid that is stopped then has whole tables of its first seeds."""
        variants = list(zip(self.ablation.variants, self.configs, strict=True))
        return tuple(Run(v, seed, seeded(config, seed)) for seed in self.seeds for v, config in variants)

    @property
    def within(self) -> tuple[Run, ...]:
        """The runs within the budget of `runs`."""
        return self.runs[: self.budget.runs]

    def changes(self, run: Run) -> dict[str, Any]:
        """The values of a run that differ from the base config, by key."""
        return differences(self.config, run.config)

    def changed_axes(self, run: Run) -> dict[str, Any]:
        """What a run changes in the table's own axes and in its seed, by key; without keys that the run lacks."""
        axes = (*run.variant.settings, "train.seed")
        before, now = (flat(config.model_dump(mode="json")) for config in (self.config, run.config))
        own = {key: value for key, value in now.items() if any(f"{key}.".startswith(f"{axis}.") for axis in axes)}
        return {key: value for key, value in own.items() if key not in before or before[key] != value}


def seeded(config: RunConfig, seed: int) -> RunConfig:
    """The config under another seed of training."""
    return changed(config, {"train.seed": seed}, "seeds")


def differences(before: Config, now: Config, prefix: str = "") -> dict[str, Any]:
    """The values of `now` that differ from `before`, by key; None for a key that `now` lacks."""
    old, new = (flat(config.model_dump(mode="json"), prefix) for config in (before, now))
    return {key: new.get(key) for key in {**old, **new} if old.get(key) != new.get(key)}


def variant_config(config: RunConfig, variant: Variant) -> RunConfig:
    """A config with a variant's values.

    Raises:
        InputError: an unknown key or an impossible value.
    """
    return changed(config, variant.settings, f"variant {variant.title}")


def completed(variants: Sequence[Variant], configs: Sequence[RunConfig]) -> tuple[Variant, ...]:
    """The variants, each with a value for every key that any of them names.

    The value is that of the variant's config, None if the config has no such key.
    """
    keys = dict.fromkeys(key for variant in variants for key in variant.settings)
    values = [flat(config.model_dump(mode="json")) for config in configs]
    return tuple(
        Variant({key: one.settings.get(key, own.get(key)) for key in keys}, one.paper)
        for one, own in zip(variants, values, strict=True)
    )


def table_grid(ablation: Ablation, config: RunConfig, seeds: int) -> Grid:
    """The grid of a table: its variants over a config, under seeds counted from the config's.

    A row that needs word vectors of the tokens' pair is left out where they are others; a note says so.

    Raises:
        InputError: as for `check_grid`.
    """
    first = config.train.seed
    table = ablation.over(config)
    rows = [(variant, variant_config(config, variant)) for variant in table.variants]
    faults = [misfit(own) for _, own in rows]
    left = dict.fromkeys(f"a row is left out: {fault}" for fault in faults if fault)
    rows = [row for row, fault in zip(rows, faults, strict=True) if not fault]
    variants, configs = [variant for variant, _ in rows], tuple(own for _, own in rows)
    notes = (*encoder_notes(config, [(variant.settings, own) for variant, own in rows]), *left)
    table = replace(table, variants=completed(variants, configs))
    grid = Grid(table, config, configs, tuple(range(first, first + seeds)), notes=notes)
    check_grid(grid, "variants")
    return grid


def check_grid(grid: Grid, place: str) -> None:
    """Checks everything about a grid that does not need its data.

    Raises:
        InputError: no run, a duplicate run, two runs with one name, a variant that changes the protocol; a readout that
            needs word vectors of the tokens' pair, and others.
    """
    if not grid.runs:
        raise InputError(f"{place}: no run is left; give [axes] or [[include]], and seeds")
    if len(set(grid.seeds)) < len(grid.seeds):
        raise InputError(f"{place}: seeds has a duplicate: {list(grid.seeds)}")
    known: dict[str, Variant] = {}
    for variant, config in zip(grid.ablation.variants, grid.configs, strict=True):
        told = ", ".join(f"{key} = {value!r}" for key, value in variant.settings.items())
        _check_protocol_keys(differences(grid.config, config), place)
        check_aligned(config)
        same = known.setdefault(config.model_dump_json(), variant)
        if same is not variant:
            raise InputError(f"{place}: the run {told} is listed twice; remove one of them")
    titles = [variant.title for variant in grid.ablation.variants]
    if len(set(titles)) < len(titles):
        raise InputError(f"two variants have the same name: {', '.join(titles)}; rename a file or a folder")


def _check_protocol_keys(changes: Mapping[str, Any], place: str) -> None:
    for key in changes:
        if key == "train.seed":
            raise InputError(f"{place}: train.seed cannot be an axis; give seeds")
        named = (
            key in ("data.name", "data.test")
            or key.startswith("held_out")
            or (key.startswith("evaluate.") and key not in NOT_PROTOCOL)
        )
        if named:
            raise InputError(
                f"{place}: {key} changes the protocol inside one table; run a table for each of its values"
            )


def check_protocol(tests: Sequence[tuple[RunConfig, MultiLabelData]], place: str) -> None:
    """Checks that all datasets of a grid make the same test: the same labels and the same test targets.

    Contents are compared: images of another size, fewer training images or the tokens of another backbone pass. Runs
    that hold out other labels are not compared.

    Raises:
        InputError: they are not; the message names the keys.
    """
    first: dict[HeldOutConfig | None, tuple[RunConfig, MultiLabelData]] = {}
    for config, data in tests:
        config_before, before = first.setdefault(config.held_out, (config, data))
        one, two = before.test.targets.matrix, data.test.targets.matrix
        names, other_names = (known.unseen + sum(known.renamed.values(), ()) for known in (before, data))
        differing = {
            "other seen labels": before.seen != data.seen,
            "other unseen labels": names != other_names,
            "other test images": one.shape != two.shape or (one != two).nnz > 0,
        }
        faults = [what for what, differ in differing.items() if differ]
        if faults:
            keys = ", ".join(differences(config_before.data, config.data, "data."))
            told = f"{place}: {keys} changes the protocol inside one table ({', '.join(faults)})"
            raise InputError(f"{told}; run a table for each of its values")


def check_test_parts(grid: Grid, place: str) -> None:
    """`check_protocol` of a grid whose data are not loaded yet; it loads them only if variants change `[data]`.

    Raises:
        InputError: as for `check_protocol`; unusable data.
    """
    distinct = {config.data.model_dump_json(): config for config in grid.configs}
    if len(distinct) > 1:
        check_protocol([(config, load_data(config.data)) for config in distinct.values()], place)
