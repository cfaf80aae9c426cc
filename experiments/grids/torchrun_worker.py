"""One of the processes that train a run of a grid together; `experiments.grids.job` starts them by torchrun."""

import sys

from experiments.grids.job import ANSWER, Job, perform_alone


def main() -> None:
    """Executes the run that the first argument describes in JSON, and prints how it ended."""
    outcome = perform_alone(Job.model_validate_json(sys.argv[1]))
    print(ANSWER + outcome.model_dump_json(), flush=True)
    if outcome.kind not in ("finished", "busy"):
        sys.exit(1)  # the others may wait for this one


if __name__ == "__main__":
    main()
