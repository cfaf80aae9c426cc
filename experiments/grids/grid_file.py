"""A user's own grid: a TOML file with axes over any key of a config."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from embeddings.io.errors import InputError
from embeddings.io.reading import read_toml
from embeddings.io.settings import flat, parsed
from experiments.config.advice import encoder_notes
from experiments.config.reading import changed, with_backbone
from experiments.config.recipes import recipes
from experiments.config.values import apply_settings, merge_sections, read_values
from experiments.grids.grid import Budget, Grid, check_grid, completed
from experiments.grids.variants import Ablation, Variant
from zsl.config import Config
from zsl.runs.config import RunConfig, validated

SECTIONS = tuple(RunConfig.model_fields)


class GridSpec(Config):
    """The keys of a grid's file.

    `config` is a recipe, or a config file by its path from the grid's file; the keys of the sections replace its keys.
    Every combination of the values of `axes` is a variant, except those that match an entry of `exclude`; `include`
    adds variants. `seeds` is the number of seeds, counted from train.seed, or a list of seeds.
    """

    caption: str | None = None
    config: str | None = None
    axes: dict[str, Any] = {}
    include: tuple[dict[str, Any], ...] = ()
    exclude: tuple[dict[str, Any], ...] = ()
    seeds: int | tuple[int, ...] = 1
    budget: Budget = Budget()
    data: dict[str, Any] = {}
    bank: dict[str, Any] = {}
    backbone: dict[str, Any] | Literal["none"] = {}
    decoder: dict[str, Any] = {}
    augment: dict[str, Any] = {}
    train: dict[str, Any] = {}
    evaluate: dict[str, Any] = {}
    held_out: dict[str, Any] = {}


def read_spec(path: Path) -> GridSpec:
    """Reads a grid's file.

    Raises:
        InputError: no such file, not TOML, an unknown key (with the known ones), a value of the wrong type.
    """
    if not path.is_file():
        raise InputError(f"no grid file {path}")
    return parsed(GridSpec, read_toml(path, "a grid"), str(path))


def spec_grid(path: Path, source: str | None, settings: list[str], seeds: int | None) -> Grid:
    """The grid that a file describes.

    Args:
        path: of the grid's file.
        source: a recipe or a config file, in place of the grid's own; None keeps that.
        settings: `section.key=value`; they replace values of the config.
        seeds: number of seeds, in place of the grid's own; None keeps those.
    Raises:
        InputError: as for `read_spec`; an unknown axis, no run, a duplicate run, an impossible config.
    """
    spec = read_spec(path)
    asked = _base(spec, path, source, settings)
    chosen = spec.seeds if seeds is None else seeds
    if isinstance(chosen, int):
        if chosen < 1:
            raise InputError(f"{path}: seeds = {chosen}; give 1 or more, or a list of seeds")
        chosen = tuple(range(asked.train.seed, asked.train.seed + chosen))
    if not chosen:
        raise InputError(f"{path}: seeds is empty")
    first = {"train.seed": chosen[0]}
    config = changed(asked, first, f"{path}: seeds")
    combinations = _combinations(spec, path)
    keys = list(dict.fromkeys(key for values in combinations for key in values))
    _check_keys(config, keys, path)
    # from the config before it is resolved, so that each backbone reads pictures in its own way
    configs = tuple(changed(asked, first | values, f"{path}: {_told(values)}") for values in combinations)
    variants = completed([Variant(values) for values in combinations], configs)
    caption = " ".join((spec.caption or "").split()) or path.stem  # a text of several lines becomes one
    ablation = Ablation(caption, variants, recipe=source or spec.config or "")
    grid = Grid(
        ablation,
        config,
        configs,
        chosen,
        spec.budget,
        encoder_notes(asked, list(zip(combinations, configs, strict=True))),
    )
    check_grid(grid, str(path))
    return grid


def _base(spec: GridSpec, path: Path, source: str | None, settings: list[str]) -> RunConfig:
    """The config that the axes change, before timm fills anything in."""
    values: dict[str, Any] = {}
    if source is not None or spec.config in recipes():
        values = read_values(source or str(spec.config))
    elif spec.config is not None:
        values = read_values(str(path.parent / spec.config))
    merge_sections(values, {name: getattr(spec, name) for name in SECTIONS}, str(path))
    apply_settings(values, settings)
    return with_backbone(validated(values, str(path)))


def _combinations(spec: GridSpec, path: Path) -> list[dict[str, Any]]:
    """The settings of every variant: the product of the axes without the excluded ones, then the included ones."""
    axes = flat(spec.axes)
    for key, values in axes.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"{path}: axis {key} = {values!r}; give a list of values")
    product = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())] if axes else []
    excluded: set[int] = set()
    for number, entry in enumerate(spec.exclude, 1):
        wanted = flat(entry)
        fitting = {place for place, one in enumerate(product) if wanted and wanted.items() <= one.items()}
        if not fitting:
            raise InputError(f"{path}: exclude {number} ({_told(wanted)}) matches no run of the axes")
        excluded |= fitting
    kept = [one for place, one in enumerate(product) if place not in excluded]
    return kept + [flat(entry) for entry in spec.include]


def _check_keys(config: RunConfig, keys: list[str], path: Path) -> None:
    """Refuses an unknown axis before its values are tried."""
    for key in keys:
        section, dot, _ = key.partition(".")
        if section not in SECTIONS or not dot:
            raise InputError(
                f"{path}: unknown axis {key!r}; an axis is SECTION.KEY, with a section of {', '.join(SECTIONS)}"
            )
        if config.model_dump().get(section) is None:
            raise InputError(f"{path}: axis {key!r}: the config has no [{section}]")


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value!r}" for key, value in values.items())
