"""`python -m benchmarks NAME`: speed, memory and coverage compared with peers; one run measures both sides.

Run it at the top of the repository. `zsl bench` measures what users compare: heads, layers, modules.
"""

from benchmarks import (
    allocation,
    bank_memory,
    company,
    encoding,
    intervals,
    loader,
    metrics,
    normalisation,
    nus_wide,
    onnx,
    pareto,
    photos,
    pointing,
    predict,
    step,
    thresholds,
    tokens,
)
from experiments.commands.app import Commands
from experiments.output.console import clear_errors

BENCHMARKS = {
    "allocation": allocation,
    "encoding": encoding,
    "bank-memory": bank_memory,
    "nus-wide": nus_wide,
    "loader": loader,
    "tokens": tokens,
    "step": step,
    "metrics": metrics,
    "intervals": intervals,
    "onnx": onnx,
    "thresholds": thresholds,
    "company": company,
    "normalisation": normalisation,
    "predict": predict,
    "pointing": pointing,
    "photos": photos,
    "pareto": pareto,
}

app = Commands(help="Compare speed, memory and coverage with peers.")
for name, module in BENCHMARKS.items():
    app.command(name)(clear_errors(module.command))

if __name__ == "__main__":
    app()
