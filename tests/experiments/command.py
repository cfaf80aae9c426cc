"""The command line as tests call it."""

from typer.testing import CliRunner

from experiments.cli import app


def zsl(*arguments):
    """Runs the command in this process; an exception that is not meant for users comes through."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refused(result, *words):
    """One line on stderr that holds the words, exit status 2."""
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
