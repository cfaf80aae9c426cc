"""Runs the command as one of NUMBER processes: `python -m tests.experiments.counted NUMBER ARGUMENTS`."""

import sys

from accelerate import PartialState

from experiments.commands.main import app

if __name__ == "__main__":
    expected = int(sys.argv.pop(1))
    status = app(standalone_mode=False)
    found = PartialState().num_processes  # as the command had it
    if found != expected:  # a launcher that starts one process alone would let every test of two pass
        sys.exit(f"{found} processes instead of {expected}")
    sys.exit(status)
