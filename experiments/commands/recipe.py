"""`zsl recipe`."""

from typing import Annotated

import typer

from experiments.commands.options import Settings
from experiments.output.console import clear_errors, tell


@clear_errors
def recipe(
    name: Annotated[str | None, typer.Argument(help="A recipe's name, or a TOML file.")] = None,
    settings: Settings = None,
) -> None:
    """List the recipes, or print one with all that it inherits.

    The output is a TOML file that zsl train takes.
    """
    from experiments.config.recipes import RECIPES, as_toml, recipes, remarks, summaries

    if name is None:
        known = summaries()
        for one, summary in known.items():
            tell(f"{one:{max(map(len, known))}}  {summary}")
        return
    from experiments.config.values import apply_settings, read_values

    values = read_values(name)
    apply_settings(values, settings or [])
    if name in recipes():
        for line in remarks(RECIPES / f"{name}.toml"):
            tell(line)
    for line in as_toml(values).splitlines():
        tell(line)
