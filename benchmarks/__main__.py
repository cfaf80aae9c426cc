"""`python -m benchmarks NAME`: speed, memory and coverage against peers, both sides measured in one run.

Run it at the top of the repository. What users compare (heads, layers, modules) is measured by `zsl bench`.
"""

from benchmarks import bank_memory, encoding, intervals, loader, metrics, nus_wide, step, tokens
from experiments.commands.app import Commands
from experiments.output.console import clear_errors

BENCHMARKS = {
    "encoding": encoding,
    "bank-memory": bank_memory,
    "nus-wide": nus_wide,
    "loader": loader,
    "tokens": tokens,
    "step": step,
    "metrics": metrics,
    "intervals": intervals,
}

app = Commands(help="Measure what only developers compare, against peers.")
for name, module in BENCHMARKS.items():
    app.command(name)(clear_errors(module.command))

if __name__ == "__main__":
    app()
