"""Help of all commands has one form."""

import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer.main
from typer.testing import CliRunner

from experiments.commands.app import Commands
from experiments.commands.main import app
from tests.experiments.command import zsl


def _commands(group, names=()):
    for name, command in group.commands.items():
        yield (*names, name)
        if hasattr(command, "commands"):
            yield from _commands(command, (*names, name))


@pytest.mark.parametrize("names", list(_commands(typer.main.get_command(app))), ids=" ".join)
def test_help_names_values_in_one_way(names):
    shown = zsl(*names, "--help").stdout
    usage, _, options = shown.partition("Options:")
    assert not re.search(r"[{}<]|list\[", usage)
    assert not re.search(r"<(str|path|int|float|list)|list\[| \.( |$)|Repeat it", options)


def test_arguments_and_options_are_named_by_what_they_take():
    made = Commands()

    @made.command()
    def one(
        first: Path,
        others: Annotated[list[str] | None, typer.Argument(help="Others.")] = None,
        count: Annotated[int, typer.Option(min=1)] = 2,
        share: float | None = None,
        kind: Literal["a", "b"] = "a",
        text: Annotated[list[str] | None, typer.Option()] = None,
        file: Path | None = None,
        place: Annotated[str, typer.Option(metavar="PLACE")] = "",
        on: bool = False,
    ) -> None:
        """Do one thing."""

    shown = CliRunner().invoke(made, ["--help"]).stdout
    assert "one [OPTIONS] FIRST [OTHERS...]" in shown
    options = ("--count NUMBER", "--share NUMBER", "--kind a|b", "--text TEXT", "--file PATH", "--place PLACE")
    assert all(option in shown for option in options)
    assert "--on / --no-on" in shown
