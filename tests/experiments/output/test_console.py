"""Errors that end a command in one line."""

import numpy as np
import pytest
import torch
import typer

from experiments.output.console import clear_errors, stoppable


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: np.empty((10**12, 10**6)),
        lambda: np.empty((2**30, 2**31)),
        lambda: torch.empty(10**12, 10**4),
        lambda: torch.empty(10**14, 10**14),
    ],
)
def test_running_out_of_memory_is_one_line(attempt, capsys):
    with pytest.raises(typer.Exit) as caught:
        clear_errors(attempt)()
    assert caught.value.exit_code == 1
    told = capsys.readouterr().err
    assert told.startswith("error: out of memory; lower train.batch_size")
    assert told.count("\n") == 1


@pytest.mark.parametrize("error", [RuntimeError("another fault"), ValueError("another fault")])
def test_other_errors_are_raised(error):
    def fails():
        raise error

    with pytest.raises(type(error), match="another fault"):
        clear_errors(fails)()


@pytest.mark.parametrize(("rank", "told"), [("0", "stopped; give it again\n"), ("1", "")])
def test_ctrl_c_says_how_to_continue_once(rank, told, capsys, monkeypatch):
    monkeypatch.setenv("RANK", rank)
    with pytest.raises(typer.Exit) as caught, stoppable(lambda: "give it again"):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == told
