"""Values of a config as a user gives them, nested by section and key, before they are validated."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embeddings.io.errors import InputError
from embeddings.io.reading import read_json, read_toml
from embeddings.io.settings import fitted, flat, kind_at, split_setting
from experiments.config.recipes import RECIPES, recipes
from zsl.readouts.table import READOUTS
from zsl.runs.config import RunConfig

# keys that decide which other keys a section has, or what they default to
TAGS = ("data.name", "decoder.kind", "backbone.kind", "backbone.name")
OF_NAME = ("mean", "std", "architecture")  # keys of a backbone that are of its name
BASE = "base"  # the key, before all sections, that names the recipe or file to inherit from
GROUPS = {"decoder.group_size": "num_groups", "decoder.num_groups": "group_size"}  # each with the key that it replaces


def read_values(source: str) -> dict[str, Any]:
    """The sections of a recipe or a .toml or .json file, with all that it inherits.

    Before its sections, a TOML file may name a `base`: a recipe, or another file by its path from this file's folder.
    Its keys replace those of the base as `put_value` does. Values have the types that their keys take.

    Raises:
        InputError: no such file, not TOML, a base that is missing or that leads back to the file.
    """
    path = RECIPES / f"{source}.toml" if source in recipes() else Path(source)
    if not path.is_file():
        raise InputError(f"no config file or recipe {source!r}; recipes: {', '.join(recipes())}")
    return _read(path, ())


def _read(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The values of a file; the files `above` inherit from it."""
    if path.suffix == ".json":
        content = read_json(path, "a config")
        if not isinstance(content, dict):
            raise InputError(f"{path} holds no sections; write {{SECTION: {{KEY: VALUE}}}}")
        return content
    content = read_toml(path, "a config")
    if BASE not in content:
        fitting: dict[str, Any] = fitted(RunConfig, content)
        return fitting
    base = _base(path, content.pop(BASE))
    chain = (*above, path)
    if any(base.samefile(one) for one in chain):
        told = " -> ".join(str(one) for one in (*chain, base))
        raise InputError(f"{path}: the bases form a circle: {told}; remove one of them")
    values = _read(base, chain)
    merge_sections(values, content, str(path))
    return values


def _base(path: Path, named: Any) -> Path:
    """The file of a base."""
    if named in recipes():
        return RECIPES / f"{named}.toml"
    base = path.parent / str(named)
    if not isinstance(named, str) or not base.is_file():
        raise InputError(f"{path}: no recipe or file {BASE} = {named!r}; recipes: {', '.join(recipes())}")
    return base


def apply_settings(values: dict[str, Any], settings: Sequence[str]) -> None:
    """Puts settings `section.key=value` into nested values, as `put_value` does, in any order.

    Raises:
        InputError: a setting is not of that form, or a key treats a value as a section.
    """
    split = [(*split_setting(setting), f"--set {setting!r}") for setting in settings]
    for key, text, place in sorted(split, key=lambda one: _turn(one[0])):
        put_value(values, key, text, place)


def merge_sections(values: dict[str, Any], sections: Mapping[str, Any], place: str) -> None:
    """Puts the keys of sections into nested values, as `put_value` does.

    Args:
        sections: nested, as a TOML file has them.
    Raises:
        InputError: a key treats a value as a section.
    """
    for key, value in sorted(flat(dict(sections)).items(), key=lambda item: _turn(item[0])):
        put_value(values, key, value, place)


def _turn(key: str) -> int:
    """When a key is put: those first that other keys depend on, in the order of `TAGS`."""
    return TAGS.index(key) if key in TAGS else len(TAGS)


def put_value(values: dict[str, Any], key: str, value: Any, place: str) -> None:
    """Puts a value into nested values at "section.key", converted to the type that the key takes.

    Some keys drop others: another `data.name` drops all earlier keys of `[data]`, and another `backbone.kind` those of
    `[backbone]`; another `backbone.name` drops the mean, std and architecture, another `decoder.kind` the keys that the
    new kind does not have. `decoder.group_size` and `decoder.num_groups` drop each other, and `backbone=none` drops the
    section.

    Raises:
        InputError: the key treats a value as a section; the message begins with `place`.
    """
    value = fitted(kind_at(RunConfig, values, key), value)
    data, decoder = values.get("data"), values.get("decoder")
    if key == "data.name" and isinstance(data, dict) and data.get("name", value) != value:
        values["data"] = {}
    backbone = values.get("backbone")
    if key == "backbone.kind" and isinstance(backbone, dict) and backbone.get("kind", "timm") != value:
        values["backbone"] = backbone = {}
    if key == "backbone.name" and isinstance(backbone, dict) and backbone.get("name", value) != value:
        values["backbone"] = {name: kept for name, kept in backbone.items() if name not in OF_NAME}
    if key == "decoder.kind" and value in READOUTS and isinstance(decoder, dict):
        known = READOUTS[value].model_fields
        values["decoder"] = decoder = {name: kept for name, kept in decoder.items() if name in known}
    if key in GROUPS and isinstance(decoder, dict):
        decoder.pop(GROUPS[key], None)
    *sections, last = key.split(".")
    for section in sections:
        if values.get(section) is None:  # a section that may be absent
            values[section] = {}
        values = values[section]
        if not isinstance(values, dict):
            raise InputError(f"{place}: {section!r} is a value, not a section")
    values[last] = value
