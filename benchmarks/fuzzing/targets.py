"""What is fuzzed: every reader of files."""

from benchmarks.fuzzing.bank_targets import BANKS
from benchmarks.fuzzing.data_targets import DATA
from benchmarks.fuzzing.run_targets import RUNS
from benchmarks.fuzzing.target import Target

TARGETS: list[Target] = [*DATA, *BANKS, *RUNS]
