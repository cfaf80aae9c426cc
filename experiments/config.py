"""One run's configuration: a TOML file and `--set section.key=value`, validated."""

import difflib
import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from embeddings import InputError
from experiments.bank import BankConfig
from zsl.augmentation import AugmentConfig
from zsl.backbone import BackboneConfig
from zsl.config import Config
from zsl.data import DATASETS, DataConfig, ScenesConfig
from zsl.readouts import READOUTS, DecoderConfig, MlDecoderConfig
from zsl.training import TrainConfig

RECIPES = Path(__file__).parent / "recipes"
GROUPS = {"decoder.group_size": "num_groups", "decoder.num_groups": "group_size"}  # either, and what it replaces


class EvaluateConfig(Config):
    """`k` of F1@K; `bootstrap` replicates over test images, or 0; `batch_size` of scoring and token extraction."""

    k: tuple[int, ...] = (3, 5)
    bootstrap: int = Field(200, ge=0)
    batch_size: int = Field(128, ge=1)


class RunConfig(Config):
    """Everything that one run depends on."""

    data: DataConfig = ScenesConfig()
    bank: BankConfig = BankConfig()
    backbone: BackboneConfig | None = None
    decoder: DecoderConfig = MlDecoderConfig(num_groups=100)
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _random_queries_are_texts(self) -> "RunConfig":
        if self.train.random_queries and not self.decoder.open_vocabulary:
            # groups of random vectors would take the parameters of groups of labels
            asked = "decoder.query = 'text' and a head that is not 'learnable'"
            if not isinstance(self.decoder, MlDecoderConfig):
                asked = f"another readout than decoder.kind = {self.decoder.kind!r}, or {asked}"
            raise ValueError(f"train.random_queries needs {asked}")
        return self

    @model_validator(mode="after")
    def _solved_readouts_train_no_backbone(self) -> "RunConfig":
        if self.decoder.kind == "eszsl" and self.backbone is not None and self.backbone.mode == "tuned":
            raise ValueError("decoder.kind = 'eszsl' is solved and trains nothing: set backbone.mode = 'frozen'")
        return self


def recipes() -> list[str]:
    """The names of the configs that come with the toolkit."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_config(source: str, settings: list[str]) -> RunConfig:
    """A recipe's name or a .toml or .json file, with `section.key=value` settings on top.

    Raises:
        InputError: no such file, not TOML, an unknown key (with the known ones), an impossible value.
    """
    values = read_values(source)
    for setting in settings:
        apply_setting(values, setting)
    return validated(values, str(source))


def read_values(source: str) -> dict[str, Any]:
    """The sections of a recipe or a .toml or .json file, as they stand.

    Raises:
        InputError: no such file, not TOML.
    """
    path = RECIPES / f"{source}.toml" if source in recipes() else Path(source)
    try:
        text = path.read_text("utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise InputError(f"no config file or recipe {source!r}; recipes: {', '.join(recipes())}") from error
    except ValueError as error:
        raise InputError(f"{path} is not {path.suffix[1:].upper() or 'TOML'} ({error})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no sections")
    return values


def validated_settings(settings: list[str], sections: tuple[str, ...]) -> RunConfig:
    """The defaults with settings of some sections.

    Raises:
        InputError: a setting of another section, an unknown key, an impossible value.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        if not setting.startswith(sections):
            raise InputError(f"--set {setting!r}: only {', '.join(f'{s}*' for s in sections)} can be set here")
        apply_setting(values, setting)
    return validated(values, "--set")


def apply_setting(values: dict[str, Any], setting: str) -> None:
    """Puts `section.key=value` into nested values; the value is TOML, or else a plain string.

    Another `data.name` drops the keys of the dataset before it, another `decoder.kind` the keys that it has no use
    for, each of `decoder.group_size` and `decoder.num_groups` the other; `backbone=none` drops the section.
    """
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {setting!r}: write section.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    put_value(values, key.strip(), value, f"--set {setting!r}")


def put_value(values: dict[str, Any], key: str, value: Any, place: str) -> None:
    """Puts a value into nested ones at "section.key", as `apply_setting` does.

    Raises:
        InputError: a part of the key names a value; it tells the place.
    """
    if key == "backbone" and value == "none":
        values["backbone"] = None
        return
    if key == "data.name" and values.get("data", {}).get("name", value) != value:
        values["data"] = {}
    if key == "decoder.kind" and value in READOUTS and isinstance(values.get("decoder"), dict):
        known = READOUTS[value][0].model_fields
        values["decoder"] = {name: kept for name, kept in values["decoder"].items() if name in known}
    if key in GROUPS and isinstance(values.get("decoder"), dict):
        values["decoder"].pop(GROUPS[key], None)
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"{place}: {section!r} is a value, not a section")
    values[last] = value


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by "section.key"."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def validated(values: dict[str, Any], source: str) -> RunConfig:
    """The config, or one line that says what is wrong with which key.

    Raises:
        InputError: as `load_config`.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{source}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    fault = error.errors()[0]
    where = [str(part) for part in fault["loc"]]
    model = _section(where)
    tables: dict[str, list[str]] = {"data": list(DATASETS), "decoder": list(READOUTS)}
    table = tables.get(where[0], []) if where else []
    if len(where) > 1 and where[1] in table:
        del where[1]  # the name of the dataset or the readout, which is no key
    key = ".".join(where)
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where[-1], model.model_fields, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"unknown key {key!r}; {hint}known: {', '.join(model.model_fields)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "union_tag_invalid":
        name = str(fault["ctx"]["tag"])
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        what = "dataset data.name" if where[0] == "data" else "readout decoder.kind"
        return f"unknown {what} = {name!r}; {hint}known: {', '.join(table)}"
    if fault["type"] == "union_tag_not_found":
        message = f"give data.name, one of {', '.join(DATASETS)}" if where[0] == "data" else "not a section of keys"
    return message if not key or key in message else f"{key}: {message} (got {fault['input']!r})"


def _section(where: list[str]) -> type[Config]:
    """The config section that holds the key at `where`."""
    model: type[Config] = RunConfig
    for part in where[:-1]:
        if model is RunConfig and part in ("data", "decoder"):
            continue
        if part in DATASETS or part in READOUTS:
            model = (DATASETS.get(part) or READOUTS[part])[0]
        elif part in model.model_fields:
            annotation = model.model_fields[part].annotation
            for choice in getattr(annotation, "__args__", (annotation,)):
                if isinstance(choice, type) and issubclass(choice, Config):
                    model = choice
    return model
