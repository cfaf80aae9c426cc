"""Every command that a page names can be typed: the command, its options, recipes, tables and keys are there."""

import shlex

import pytest
import typer.main

from experiments.commands.main import app
from experiments.config.reading import load_config
from experiments.config.recipes import recipes
from experiments.grids.paper_tables import ABLATIONS
from tests.docs.pages import ROOT, commands

COST_TABLES = ("table9", "table11", "table12")


def parsed(command):
    """The names of a command, its values and the arguments that are no options."""
    words = [word for word in shlex.split(command)[1:] if word != "..."]
    found, names = typer.main.get_command(app), []
    while hasattr(found, "commands") and words and not words[0].startswith("-"):
        names.append(words.pop(0))
        assert names[-1] in found.commands, f"no command zsl {' '.join(names)}"
        found = found.commands[names[-1]]
    context = found.make_context("zsl", [], resilient_parsing=True)
    values, _, _ = found.make_parser(context).parse_args(words)
    return names, values


@pytest.mark.parametrize(("page", "command"), commands())
def test_command_can_be_typed(page, command):
    names, values = parsed(command)
    config = values.get("config")
    if names == ["ablate"] and values.get("name"):
        name = values["name"]
        assert name.isupper() or name.endswith(".toml") or name in {*ABLATIONS, *COST_TABLES}
        own = ABLATIONS[name].recipe if name in ABLATIONS else "demo"
        config = None if name in COST_TABLES else config or own
    if config in recipes():
        made_up = ("KIND", "NAME", "=cosine")  # a reader's own; "cosine" is the example of the page on extending
        settings = [s for s in values.get("settings") or [] if not any(word in s for word in made_up)]
        load_config(config, settings)
    elif config is not None:
        assert config.isupper() or config.endswith((".toml", ".json"))


def test_commands_are_found():
    found = dict.fromkeys(command for _, command in commands())
    assert "zsl demo" in found
    assert any("--set data.root=FOLDER" in command for command in found)


def test_readme_holds_the_test_command():
    text = (ROOT / "README.md").read_text()
    assert text.count("<!-- test command -->\n```bash\n") == 1
