"""One run's configuration: a TOML file and `--set section.key=value`, validated."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveInt, model_validator

from embeddings.banks.transforms import check_transforms
from embeddings.encoders.oov import check_policy
from embeddings.encoders.table import split_spec
from embeddings.io.errors import InputError, InputWarning
from embeddings.io.reading import read_json, read_toml
from experiments.config.bank_config import BankConfig
from experiments.config.settings import fitted, kind_at, parsed, shown, split_setting
from zsl.backbones.backbone import BackboneConfig
from zsl.backbones.pretrained import reading_of
from zsl.config import Config
from zsl.data.layouts.scenes import ScenesConfig
from zsl.data.squares import SquareConfig
from zsl.data.table import DATASETS, DataConfig
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.table import READOUTS, DecoderConfig
from zsl.training.augmentation import AugmentConfig
from zsl.training.loop import TrainConfig

RECIPES = Path(__file__).parents[1] / "recipes"
# keys that tell which other keys their sections have, or what those are
TAGS = ("data.name", "decoder.kind", "backbone.name")
LARGEST = 2**53  # of whole numbers; what counts in 64 bits, or in floats, counts these
# how runs read pictures before there were keys for it
WHOLE = {"interpolation": "bilinear", "crop": 1.0, "squash": True}
GROUPS = {"decoder.group_size": "num_groups", "decoder.num_groups": "group_size"}  # either, and what it replaces


class EvaluateConfig(Config):
    """`k` of F1@K, for protocols with so many labels; `bootstrap` replicates over test images, or 0; `batch_size` of
    scoring and token extraction."""

    k: tuple[PositiveInt, ...] = (3, 5)
    bootstrap: int = Field(200, ge=0)
    batch_size: int = Field(128, ge=1)


class RunConfig(Config):
    """Everything that one run depends on."""

    data: DataConfig = ScenesConfig()
    bank: BankConfig = BankConfig()
    backbone: BackboneConfig | None = None
    decoder: DecoderConfig = MlDecoderConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _bank_is_known(self) -> "RunConfig":
        checks: dict[str, Callable[[Any], object]] = {
            "encoder": split_spec,
            "oov": check_policy,
            "transforms": check_transforms,
        }
        for key, check in checks.items():
            try:
                check(getattr(self.bank, key))
            except InputError as error:
                raise ValueError(f"bank.{key}: {error}") from error
        return self

    @model_validator(mode="after")
    def _random_queries_are_texts(self) -> "RunConfig":
        if self.train.random_queries and not self.decoder.open_vocabulary:
            # groups of random vectors would take the parameters of groups of labels
            asked = self.decoder.opened_by or f"another readout than decoder.kind = {self.decoder.kind!r}"
            raise ValueError(f"train.random_queries needs {asked}")
        return self

    @model_validator(mode="after")
    def _solved_readouts_train_no_backbone(self) -> "RunConfig":
        if self.decoder.solved and self.backbone is not None and self.backbone.mode == "tuned":
            kind = self.decoder.kind
            raise ValueError(f"decoder.kind = {kind!r} is solved and trains nothing: set backbone.mode = 'frozen'")
        return self


def recipes() -> list[str]:
    """The names of the configs that come with the toolkit."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_config(source: str, settings: Sequence[str], trains: bool = False) -> RunConfig:
    """A recipe's name or a .toml or .json file, with `section.key=value` settings on top, `resolved`.

    Args:
        trains: the config is to be trained: it gets a backbone where it lacks one (`with_backbone`).
    Raises:
        InputError: no such file, not TOML, an unknown key (with the known ones), an impossible value.
    """
    return _settled(read_values(source), settings, source, trains)


def with_backbone(config: RunConfig) -> RunConfig:
    """The config with a recipe's frozen backbone, if it reads pictures and does not say through which; it warns."""
    if "backbone" in config.model_fields_set or not isinstance(config.data, SquareConfig | ScenesConfig):
        return config
    recipe = "demo" if isinstance(config.data, ScenesConfig) else "photographs"
    section = BackboneConfig.model_validate(read_values(recipe)["backbone"])
    told = f"no [backbone] is given; that of the recipe {recipe!r} is taken, {section.name}"
    warnings.warn(InputWarning(told), stacklevel=2)
    return config.model_copy(update={"backbone": section})


def run_config(folder: Path, settings: Sequence[str] = ()) -> RunConfig:
    """The config that a run was trained with, with settings on top.

    Raises:
        InputError: as `load_config`.
    """
    path = folder / "config.json"
    values = read_values(str(path))
    data = values.get("data")
    if isinstance(data, dict) and issubclass(DATASETS.get(str(data.get("name")), (Config,))[0], SquareConfig):
        values["data"] = WHOLE | data
    return _settled(values, settings, str(path))


def _settled(values: dict[str, Any], settings: Sequence[str], source: str, trains: bool = False) -> RunConfig:
    apply_settings(values, settings)
    config = validated(values, source)
    return resolved(with_backbone(config) if trains else config)


def resolved(config: RunConfig) -> RunConfig:
    """The config with the backbone's own way to read pictures, as timm has it, where none is given.

    Raises:
        InputError: timm has no such backbone, or reads pictures in a way that there is no key for.
    """
    chosen, data = config.backbone, config.data
    if chosen is None:
        return config
    update: dict[str, Config] = {"backbone": chosen.resolved()}
    missing = [key for key in SquareConfig.model_fields if getattr(data, key, "") is None]
    if missing:
        own = reading_of(chosen.name, chosen.arguments)
        values = {key: getattr(own, key) for key in missing}
        unknown = [key for key, value in values.items() if value is None]
        if unknown:
            raise InputError(f"timm's input of backbone {chosen.name!r} is no crop of a square; set data.{unknown[0]}")
        update["data"] = data.model_copy(update=values)
    return config.model_copy(update=update)


def read_values(source: str) -> dict[str, Any]:
    """The sections of a recipe or a .toml or .json file; TOML's values as their keys take them.

    Raises:
        InputError: no such file, not TOML.
    """
    path = RECIPES / f"{source}.toml" if source in recipes() else Path(source)
    if not path.is_file():
        raise InputError(f"no config file or recipe {source!r}; recipes: {', '.join(recipes())}")
    if path.suffix != ".json":
        values: dict[str, Any] = fitted(RunConfig, read_toml(path, "a config"))
        return values
    values = read_json(path, "a config")
    if not isinstance(values, dict):
        raise InputError(f"{path} holds no sections; write {{SECTION: {{KEY: VALUE}}}}")
    return values


def validated_settings(settings: list[str], sections: tuple[str, ...]) -> RunConfig:
    """The defaults with settings of some sections.

    Raises:
        InputError: a setting of another section, an unknown key, an impossible value.
    """
    for setting in settings:
        if not setting.startswith(sections):
            raise InputError(f"--set {setting!r}: only {', '.join(f'{s}*' for s in sections)} can be set here")
    values: dict[str, Any] = {}
    apply_settings(values, settings)
    return validated(values, "--set")


def apply_settings(values: dict[str, Any], settings: Sequence[str]) -> None:
    """Puts settings `section.key=value` into nested values, as `put_value` does, in any order.

    Raises:
        InputError: not of that form, or a part of a key names a value.
    """
    split = [(*split_setting(setting), f"--set {setting!r}") for setting in settings]
    for key, text, place in sorted(split, key=lambda one: one[0] not in TAGS):  # they drop keys and give others types
        put_value(values, key, text, place)


def put_value(values: dict[str, Any], key: str, value: Any, place: str) -> None:
    """Puts a value, as its key takes it, into nested ones at "section.key".

    Another `data.name` drops the keys of the dataset before it, another `backbone.name` the mean and std of the model
    before it, another `decoder.kind` the keys that it has no use for, each of `decoder.group_size` and
    `decoder.num_groups` the other; `backbone=none` drops the section.

    Raises:
        InputError: a part of the key names a value; it tells the place.
    """
    value = fitted(kind_at(RunConfig, values, key), value)
    data, decoder = values.get("data"), values.get("decoder")
    if key == "data.name" and isinstance(data, dict) and data.get("name", value) != value:
        values["data"] = {}
    backbone = values.get("backbone")
    if key == "backbone.name" and isinstance(backbone, dict) and backbone.get("name", value) != value:
        values["backbone"] = {name: kept for name, kept in backbone.items() if name not in ("mean", "std")}
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
    config = parsed(RunConfig, values, source)
    for key, value in flat(config.model_dump()).items():
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int) and number > LARGEST:
                raise InputError(f"{source}: {key} is more than {LARGEST:,} (got {shown(number)})")
    return config


def changed(config: RunConfig, settings: Mapping[str, Any], place: str) -> RunConfig:
    """A config with other values by key, resolved.

    Raises:
        InputError: an unknown key or an impossible value; it tells the place.
    """
    values = config.model_dump(mode="json")
    for key, value in settings.items():
        put_value(values, key, value, place)
    return resolved(validated(values, place))
