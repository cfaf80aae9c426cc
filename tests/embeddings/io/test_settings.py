"""Text as the types of keys take it."""

import re
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import Field, PositiveInt, ValidationError

from embeddings.io.errors import InputError
from embeddings.io.settings import changed_by, explained, fitted, kind_at
from experiments.bench.cost_tables import COST_TABLES
from zsl.backbones.config import BackboneConfig
from zsl.config import Config
from zsl.data.table import DATASETS
from zsl.readouts.blend import BlendConfig
from zsl.readouts.table import READOUTS
from zsl.runs.bank_config import BankConfig
from zsl.runs.config import RunConfig
from zsl.training.config import TrainConfig


class _Red(Config):
    kind: Literal["red"] = "red"
    year: str = ""


class _Blue(Config):
    kind: Literal["blue"]
    year: int = 0


class _All(Config):
    text: str = ""
    path: Path = Path()
    choice: Literal["2014", "none"] = "2014"
    whole: int = Field(0, ge=0)
    number: float = 0
    truth: bool = False
    names: tuple[str, ...] = ()
    counts: tuple[PositiveInt, ...] = ()
    mean: tuple[float, float, float] = (0, 0, 0)
    names_or_file: tuple[str, ...] | Path = ()
    count_or_file: Annotated[int, Field(ge=0)] | Path | None = None
    maybe: float | None = None
    free: dict[str, Any] = {}
    colour: Annotated[_Red | _Blue, Field(discriminator="kind")] = _Red()
    perhaps: _Red | None = None


def _read(*settings):
    values = {}
    for setting in settings:
        key, _, text = setting.partition("=")
        *sections, last = key.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = fitted(kind_at(_All, values, key), text)
    return values


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("text=2017", "2017"),
        ("text=true", "true"),
        ('text="a b"', "a b"),
        ("text=none", "none"),
        ("path=2024", Path("2024")),
        ("path=1e3", Path("1e3")),
        ("path=true", Path("true")),
        ("path=2017-01-01", Path("2017-01-01")),
        ("path=a,b", Path("a,b")),
        ("choice=2014", "2014"),
        ("choice=none", "none"),
        ("whole=1_000", 1000),
        ("whole=1e3", 1000),
        ("number=3", 3.0),
        ("truth=true", True),
        ("names=phrase,lower", ("phrase", "lower")),
        ("names=phrase, lower", ("phrase", "lower")),
        ("names=[phrase,lower]", ("phrase", "lower")),
        ('names=["a, b", "c"]', ("a, b", "c")),
        ("names=[2017, 1e3]", ("2017", "1e3")),
        ("names=2017", ("2017",)),
        ("names=none", ()),
        ("names=", ()),
        ("counts=3", (3,)),
        ("counts=3,5", (3, 5)),
        ("counts=[1, 2]", (1, 2)),
        ("mean=0.5,1,0.5", (0.5, 1, 0.5)),
        ("names_or_file=a b.txt", Path("a b.txt")),
        ("names_or_file=['a {}', 'b, {}']", ("a {}", "b, {}")),
        ("count_or_file=400", 400),
        ("count_or_file=400.txt", Path("400.txt")),
        ("count_or_file=none", None),
        ("maybe=none", None),
        ("maybe=1", 1.0),
        ("free={a = 1}", {"a": 1}),
        ("perhaps=none", None),
        ("perhaps={year = 2017}", _Red(year="2017")),
    ],
)
def test_text_is_converted_to_the_type_of_the_key(setting, value):
    found = getattr(_All.model_validate(_read(setting)), setting.partition("=")[0])
    assert (found, type(found)) == (value, type(value))


def test_the_tag_chooses_the_kind_of_a_section():
    assert _All.model_validate(_read("colour.kind=red", "colour.year=2017")).colour.year == "2017"
    assert _All.model_validate(_read("colour.kind=blue", "colour.year=2017")).colour.year == 2017
    assert kind_at(_All, {}, "free.any.depth") is Any


def test_a_list_of_sections_is_read_item_by_item():
    text = 'members=[{kind = "eszsl", image_ridge = "none"}, {kind = "gap-text", rates = 3, train = {lr = 0.1}}]'
    blend = changed_by(BlendConfig(), [text, "weights=1,2"])
    assert [member.kind for member in blend.members] == ["eszsl", "gap-text"]
    assert (blend.members[0].image_ridge, blend.members[1].rates, blend.members[1].train) == (None, (3.0,), {"lr": 0.1})
    assert blend.weights == (1.0, 2.0)
    for given, message in (
        ('[{kind = "eszsl"}, {kind = "gap", top = 3}]', "unknown key 'members.2.top'; known: "),
        ('[{kind = "eszls"}]', "unknown members.1.kind = 'eszls'; did you mean 'eszsl'"),
        ("[3]", "members.1 = 3: it is a section; give members.1.kind, one of ml-decoder"),
        ('[{kind = "conse", top = 0}]', "members.1.top: Input should be greater than or equal to 1"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            changed_by(BlendConfig(), [f"members={given}"])


def test_values_of_files_are_read_alike():
    assert fitted(Path, 2024) == "2024"
    assert fitted(str, True) == "true"
    assert fitted(tuple[str, ...], [2017, "a"]) == ["2017", "a"]
    assert fitted(tuple[int, ...], 3) == [3]
    assert fitted(int | Path, 3) == 3
    assert fitted(_All, {"colour": {"kind": "red", "year": 2017}, "unknown": 1}) == {
        "colour": {"kind": "red", "year": "2017"},
        "unknown": 1,
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("count_or_file=-1", "count_or_file: Input should be greater than or equal to 0 (got -1)"),
        ("mean=1,2", "mean takes 3 numbers (got [1, 2])"),
        ("colour.kind=rad", "unknown colour.kind = 'rad'; did you mean 'red'? known: red, blue"),
        ("colour.yaer=1", "colour = {'yaer': 1}: it is a section; give colour.kind, one of red, blue"),
        ("perhaps.yaer=1", "unknown key 'perhaps.yaer'; did you mean 'year'? known: kind, year"),
        ("number=inf", "number: Input should be a finite number (got inf)"),
    ],
)
def test_a_value_that_does_not_fit_gives_one_line_with_its_key(setting, message):
    with pytest.raises(ValidationError) as caught:
        _All.model_validate(_read(setting))
    assert explained(_All, caught.value) == message


def test_every_key_that_may_be_absent_takes_none():
    sections = [RunConfig, BankConfig, BackboneConfig, TrainConfig]
    sections += [*DATASETS.values(), *READOUTS.values()]
    kinds = [field.annotation for section in sections for field in section.model_fields.values()]
    absent = [kind for kind in kinds if NoneType in get_args(kind)]
    assert len(absent) > 15
    assert all(fitted(kind, "none") is None for kind in absent)
    assert fitted(kind_at(RunConfig, {}, "train.epochs"), "none") == "none"


def test_tables_of_costs_read_their_settings_alike():
    table = COST_TABLES["table9"]
    assert table.changed(["classes=7", "heads=GAP", "alone=true"]).model_dump(
        include={"classes", "heads", "alone"}
    ) == {
        "classes": (7,),
        "heads": ("GAP",),
        "alone": True,
    }
    for setting, message in (
        ("class=7", "unknown key 'class'; did you mean 'classes'"),
        ("rounds=0", r"rounds: Input should be greater than 0 \(got 0\)"),
        ("rounds", "write KEY=VALUE"),
    ):
        with pytest.raises(InputError, match=message):
            table.changed([setting])
