"""One run of a grid: which errors it waits for, and which are failures."""

import errno

from embeddings.io.errors import InputError
from experiments.grids.job import disk_fault, outcome_of


def test_a_run_waits_for_faults_of_the_disk_only():
    def wrapped(number):
        try:
            try:
                raise OSError(number, "told", "place")
            except OSError as error:
                raise InputError("output folder cannot be made") from error
        except InputError as error:
            return error

    for number in (errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EIO):
        assert disk_fault(wrapped(number)) == "told: place"
        assert outcome_of(wrapped(number)).kind == "waiting"
    assert disk_fault(wrapped(errno.ENOENT)) is None
    assert outcome_of(ValueError("no\nnumber")).message == "ValueError: no number"
