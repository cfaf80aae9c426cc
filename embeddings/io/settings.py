"""Settings by key: converts text and TOML values to the key's type, and explains in one line what does not fit.

`--set`, config files, the axes of grids and the settings of cost tables all pass through here, so that a key reads the
same text in the same way everywhere.
"""

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from embeddings.io.errors import InputError

Changed = TypeVar("Changed", bound=BaseModel)
NONE = "none"
ABSENT = object()
SHOWN = 120  # letters of a value in a message
PLURALS = {"a path": "paths", "text": "texts", "a whole number": "whole numbers", "a number": "numbers"}


def split_setting(setting: str, form: str = "section.key=value") -> tuple[str, str]:
    """The key and the text of `key=text`.

    Raises:
        InputError: the key or the equals sign is missing; the message shows the form.
    """
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {setting!r}: write {form}")
    return key.strip(), text


def changed_by(config: Changed, settings: Sequence[str]) -> Changed:
    """A copy of one section's config, changed by settings `key=value`.

    Raises:
        InputError: a setting of another form, an unknown key, an impossible value.
    """
    kind, values = type(config), config.model_dump()
    for setting in settings:
        key, text = split_setting(setting, "KEY=VALUE")
        values[key] = fitted(kind_at(kind, values, key), text)
    return parsed(kind, values, "--set")


def parsed(model: type[Changed], values: Any, source: str) -> Changed:
    """A config of these values, or one line that says what is wrong with which key.

    Args:
        model: the config's class.
        values: by key, nested.
        source: where the values come from; the message begins with it.
    Raises:
        InputError: an unknown key, a missing key, an impossible value.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{source}: {explained(model, error)}") from error


def kind_at(model: type[BaseModel], values: Any, key: str) -> Any:
    """The type of "section.key".

    Args:
        model: the class of the whole config.
        values: the config's values, nested; they decide the class of a section that may have several.
        key: the key, with dots between its parts.
    Returns:
        a type, or `Any` for a key that is unknown or in a table that takes any key.
    """
    kind: Any = model
    for part in key.split("."):
        section = _section(kind, values)
        if section is None or part not in section.model_fields:
            return Any
        kind = section.model_fields[part].annotation
        values = values.get(part) if isinstance(values, dict) else None
    return kind


def fitted(kind: Any, value: Any) -> Any:
    """Converts a value to its key's type. A value that does not fit is returned unchanged, and validation reports it.

    Text becomes a number or a truth value if the key takes one: "2017" becomes an integer for a number, and stays text
    for a path. A list takes one item, or several with commas between them. "none" becomes None if the key may be None,
    and the empty list for a list. A section takes a table.

    Args:
        kind: the key's type.
        value: text, or a value of TOML.
    """
    kinds = list(_members(kind))
    sequence = next((one for one in kinds if get_origin(one) is tuple), None)
    if isinstance(value, str):
        value = _of_text(kinds, sequence, value)
        if not isinstance(value, dict):
            return value
    if isinstance(value, dict):
        section = _section(kind, value)
        fields = {} if section is None else section.model_fields
        return {key: fitted(fields[key].annotation if key in fields else Any, part) for key, part in value.items()}
    if sequence is not None and isinstance(value, list | tuple):
        return [fitted(one, item) for one, item in zip(_items(sequence, len(value)), value, strict=True)]
    if isinstance(value, bool | int | float) and not {int, float, bool, Any} & set(kinds):
        if _takes_words(kinds) and not isinstance(value, float):  # a float has lost the digits that were written
            return str(value).lower()
        if sequence is not None:
            return [fitted(_items(sequence, 1)[0], value)]
    return value


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as one table with keys "section.key"."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def explained(model: type[BaseModel], error: ValidationError) -> str:
    """The first fault of a validation, in one line: the key, its value and what would fit."""
    fault = error.errors()[0]
    keys, kind = _place(model, fault["loc"])
    key = ".".join(keys)
    got = shown(fault["input"])
    if fault["type"] == "extra_forbidden":
        name, known = str(fault["loc"][-1]), list(_models(_place(model, fault["loc"][:-1])[1])[0].model_fields)
        return f"unknown key {'.'.join([*keys, name])!r}; {_near(name, known)}known: {', '.join(known)}"
    if fault["type"].startswith("union_tag") or (fault["type"] == "model_attributes_type" and len(_models(kind)) > 1):
        tag, known = _tags(kind)
        if fault["type"] == "union_tag_invalid":
            name = str(fault["ctx"]["tag"])
            return f"unknown {key}.{tag} = {name!r}; {_near(name, known)}known: {', '.join(known)}"
        return f"{key} = {got}: it is a section; give {key}.{tag}, one of {', '.join(known)}"
    if fault["type"] in ("model_type", "model_attributes_type"):
        section = _section(kind, {})
        known = [] if section is None else list(section.model_fields)
        return f"{key} = {got}: it is a section; give {', '.join(f'{key}.{name}' for name in known)}"
    if fault["type"] in ("missing", "too_long") and isinstance(fault["input"], list | tuple):
        return f"{key} takes {_named(kind)} (got {got})"
    if fault["type"] == "missing":
        return f"{key} is missing; it takes {_named(kind)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not key or (fault["type"] == "value_error" and key in message):
        return message
    return f"{key}: {message} (got {got})"


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _members(kind: Any) -> Iterator[Any]:
    """The types of a union, without constraints."""
    if get_origin(kind) is Annotated:
        yield from _members(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for one in get_args(kind):
            yield from _members(one)
    else:
        yield kind


def _models(kind: Any) -> list[type[BaseModel]]:
    return [one for one in _members(kind) if isinstance(one, type) and issubclass(one, BaseModel)]


def _tags(kind: Any) -> tuple[str, list[str]]:
    """The key that tells which of several models a section is, and its values."""
    models = _models(kind)
    for name in models[0].model_fields:
        values = [value for model in models for value in _literal(model, name)]
        if all(_literal(model, name) for model in models) and len({*values}) == len(values):
            return name, list(map(str, values))
    raise TypeError(f"no key tells {models} apart")


def _literal(model: type[BaseModel], name: str) -> tuple[Any, ...]:
    field = model.model_fields.get(name)
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


def _section(kind: Any, values: Any) -> type[BaseModel] | None:
    """The model of a section; the value of the tag chooses among several."""
    models = _models(kind)
    if len(models) < 2:
        return models[0] if models else None
    tag, _ = _tags(kind)
    given = values if isinstance(values, dict) else {}
    fitting = (m for m in models if given.get(tag, m.model_fields[tag].default) in _literal(m, tag))
    return next(fitting, None)


def _takes_words(kinds: Sequence[Any]) -> bool:
    return any(one in (str, Path) or get_origin(one) is Literal for one in kinds)


def _toml(text: str) -> Any:
    """The value of a TOML expression; `ABSENT` if the text is not one."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return ABSENT
    return found["value"] if set(found) == {"value"} else ABSENT  # several lines may hold several keys


def _of_text(kinds: Sequence[Any], sequence: Any, text: str) -> Any:
    if text == NONE and NoneType in kinds:
        return None
    found = _toml(text)
    if isinstance(found, bool):
        if bool in kinds:
            return found
    elif isinstance(found, int | float) and {int, float} & set(kinds):
        return found
    listed = text.startswith("[") and text.endswith("]")
    if sequence is not None and (listed or not _takes_words(kinds)):
        return _list_of(sequence, text, found, listed)
    if _takes_words(kinds):
        return found if isinstance(found, str) else text
    return text if found is ABSENT else found


def _list_of(sequence: Any, text: str, found: Any, listed: bool) -> list[Any]:
    """The items of `["a", "b"]`, of `[a, b]`, of `a,b`, or of a list of sections `[{...}, {...}]`."""
    if listed and isinstance(found, list) and all(isinstance(item, str | dict) for item in found):
        return fitted(sequence, found)
    inside = text[1:-1] if listed else "" if text == NONE else text
    parts = [part.strip() for part in inside.split(",")] if inside.strip() else []
    return [fitted(one, part) for one, part in zip(_items(sequence, len(parts)), parts, strict=True)]


def _items(sequence: Any, count: int) -> list[Any]:
    """The type of each of `count` items of a tuple type."""
    types = get_args(sequence)
    if types[-1] is Ellipsis:
        return [types[0]] * count
    return [*types[:count], *[Any] * (count - len(types))]


def _place(model: type[BaseModel], where: Sequence[int | str]) -> tuple[list[str], Any]:
    """The key at a location that pydantic reports, and its type; the location also names tags and union branches.

    A section in a list goes by its number, from 1.
    """
    keys: list[str] = []
    kind: Any = model
    for part in where:
        models = _models(kind)
        sequence = next((one for one in _members(kind) if get_origin(one) is tuple), None)
        if isinstance(part, int) and sequence is not None and _models(_items(sequence, 1)[0]):
            keys.append(str(part + 1))
            kind = _items(sequence, 1)[0]
            continue
        fields = [one.model_fields[str(part)] for one in models if str(part) in one.model_fields]
        tagged = [one for one in models if len(models) > 1 and part in _literal(one, _tags(kind)[0])]
        if tagged:
            kind = tagged[0]
        elif fields:
            keys.append(str(part))
            kind = fields[0].annotation
    return keys, kind


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def _named(kind: Any) -> str:
    """What a key takes, in words."""
    return " or ".join(dict.fromkeys(_name(one) for one in _members(kind)))


def _name(kind: Any) -> str:
    plain = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
    if kind in plain:
        return plain[kind]
    if kind is NoneType:
        return NONE
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) is tuple:
        types = get_args(kind)
        item = _named(types[0])
        count = "a list of" if types[-1] is Ellipsis else str(len(types))
        return f"{count} {PLURALS.get(item, item)}"
    return "a section" if _models(kind) else "a table"
