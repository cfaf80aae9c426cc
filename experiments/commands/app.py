"""The form of every `zsl` command: help names values uniformly, and bad input is one line.

Help text is printed literally: rich's markup would read "[default: all]" as a style and drop it.
"""

import inspect
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand

NAMES = {Path: "PATH", str: "TEXT", int: "NUMBER", float: "NUMBER"}


class Command(TyperCommand):
    """A command whose help shows an argument as NAME, and an option's value as PATH, TEXT, NUMBER or its choices."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        assert self.callback is not None
        hints = get_type_hints(inspect.unwrap(self.callback))
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                parameter.metavar = parameter.metavar or str(parameter.name).upper()
            elif not getattr(parameter, "is_flag", False) and parameter.name in hints:
                parameter.metavar = parameter.metavar or _metavar(hints[parameter.name])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line: NAME is required, [NAME] may be left out, NAME... may be several."""
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *(_usage(one) for one in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the arguments, each by its name alone, then the options."""
        for kind in ("argument", "option"):
            own = [one for one in self.get_params(ctx) if one.param_type_name == kind]
            records = [(one, record) for one in own if (record := one.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(f"{kind.capitalize()}s"):
                    formatter.write_dl([(_usage(one) if kind == "argument" else r[0], r[1]) for one, r in records])


class Commands(typer.Typer):
    """A group of such commands."""

    def __init__(self, add_completion: bool = False, **options: Any):
        plain: dict[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": None}
        super().__init__(no_args_is_help=True, add_completion=add_completion, **plain, **options)

    def command(self, name: str | None = None, **options: Any) -> Any:
        """Registers a command, as Typer does."""
        return super().command(name, cls=Command, **options)


def _metavar(hint: Any) -> str | None:
    """What an option's value is called in help."""
    kind = hint
    while get_origin(kind) in (Annotated, list, Union, UnionType):
        kind = get_args(kind)[0]
    return "|".join(get_args(kind)) if get_origin(kind) is Literal else NAMES.get(kind)


def _usage(argument: Any) -> str:
    name = argument.metavar + ("..." if argument.nargs != 1 else "")
    return name if argument.required else f"[{name}]"
