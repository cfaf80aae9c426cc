"""Reads one run's config: a recipe or a file, with `--set section.key=value` over it, validated."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embeddings.io.errors import InputError, InputWarning
from experiments.config.values import apply_settings, put_value, read_values
from zsl.backbones.config import BackboneConfig
from zsl.runs.config import RunConfig, resolved, validated
from zsl.runs.saved import CONFIG, config_values


def load_config(source: str, settings: Sequence[str], trains: bool = False) -> RunConfig:
    """The config of a recipe or a file, with settings over it, `resolved`.

    Args:
        source: a recipe's name, or a .toml or .json file.
        settings: `section.key=value`, in any order.
        trains: whether the config is for training; then a missing backbone is filled in (`with_backbone`).
    Raises:
        InputError: no such file, not TOML, an unknown key (with the known ones), an impossible value.
    """
    return _settled(read_values(source), settings, source, trains)


def with_backbone(config: RunConfig) -> RunConfig:
    """Fills in a recipe's frozen backbone, with a warning, if a config of pictures has none."""
    if "backbone" in config.model_fields_set or not config.data.pictures:
        return config
    recipe = "demo" if config.data.drawn else "photographs"
    section = BackboneConfig.model_validate(read_values(recipe)["backbone"])
    told = f"no [backbone] is given; using that of the recipe {recipe!r}, {section.name}"
    warnings.warn(InputWarning(told), stacklevel=2)
    return config.model_copy(update={"backbone": section})


def run_config(folder: Path, settings: Sequence[str] = ()) -> RunConfig:
    """The config that a run was trained with, with settings over it.

    Raises:
        InputError: as for `load_config`.
    """
    return _settled(config_values(folder), settings, str(folder / CONFIG))


def _settled(values: dict[str, Any], settings: Sequence[str], source: str, trains: bool = False) -> RunConfig:
    apply_settings(values, settings)
    config = validated(values, source)
    return resolved(with_backbone(config) if trains else config)


def validated_settings(settings: list[str], sections: tuple[str, ...]) -> RunConfig:
    """The default config with settings of some sections.

    Raises:
        InputError: a setting of another section, an unknown key, an impossible value.
    """
    for setting in settings:
        if not setting.startswith(sections):
            raise InputError(f"--set {setting!r}: only {', '.join(f'{s}*' for s in sections)} can be set here")
    values: dict[str, Any] = {}
    apply_settings(values, settings)
    return validated(values, "--set")


def changed(config: RunConfig, settings: Mapping[str, Any], place: str) -> RunConfig:
    """The config with some values replaced, by key, and resolved.

    Raises:
        InputError: an unknown key or an impossible value; the message begins with `place`.
    """
    values = config.model_dump(mode="json")
    for key, value in settings.items():
        put_value(values, key, value, place)
    return resolved(validated(values, place))
