"""Arguments and options that several commands share."""

from typing import Annotated

import typer

ConfigArgument = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A recipe (zsl recipe lists them) or a TOML file.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Set a key of the config; may be repeated."),
]
Seeds = Annotated[
    int | None, typer.Option(min=1, show_default="1, or the grid's", help="Number of seeds, counted from train.seed.")
]
