"""Recipes: configs that come with the toolkit. Listing them does not import torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).parents[1] / "recipes"


def recipes() -> list[str]:
    """The names of the configs that come with the toolkit."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def summaries() -> dict[str, str]:
    """For each recipe, by its name, one line that says what it is for."""
    return {name: remarks(RECIPES / f"{name}.toml")[0].removeprefix("# ") for name in recipes()}


def remarks(path: Path) -> list[str]:
    """The comment lines at the head of a config file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return lines[:first]


def as_toml(values: Mapping[str, Any]) -> str:
    """Sections of keys as TOML, which reads back as the same values.

    Args:
        values: sections by name, or "none" for a section that is left out.
    """
    plain = "".join(f"{key} = {_toml_value(value)}\n" for key, value in values.items() if not isinstance(value, dict))
    sections = [
        f"[{name}]\n" + "".join(f"{_toml_key(key)} = {_toml_value(value)}\n" for key, value in section.items())
        for name, section in values.items()
        if isinstance(section, dict)
    ]
    return "\n".join([plain] * bool(plain) + sections)


def _toml_key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _toml_value(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml_key(key)} = {_toml_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
