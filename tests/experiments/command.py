"""The command line as tests call it."""

from typer.testing import CliRunner

from experiments.commands.main import app
from tests.started import ranks


def zsl(*arguments):
    """Runs the command in this process; an exception that is not meant for users comes through."""
    return run(app, *arguments)


def run(commands, *arguments):
    """`zsl`, of other commands."""
    result = CliRunner().invoke(commands, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refused(result, *words):
    """Checks for exit status 2 and one line on stderr that holds the words."""
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def launched(processes, *arguments):
    """Runs the command in several processes until they end, and checks that they work together."""
    ranks(processes, "-m", "tests.experiments.counted", processes, *arguments)
