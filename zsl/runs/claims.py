"""Only one command at a time may write into a folder: it holds a lock of the operating system, which ends with it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from embeddings.io.errors import InputError
from embeddings.io.output_folders import make_folder
from zsl.acceleration import is_main_process
from zsl.runs.records import BEGUN, read_finished

LOCK = ".lock"


@contextmanager
def claimed(folder: Path, make: bool = False) -> Iterator[None]:
    """Claims a folder: no other command can claim it during the `with` block. All processes of a training call this.

    Args:
        folder: of a run, or of tokens.
        make: make the folder; an existing one belongs to another command. An empty folder is removed at the end.
    Raises:
        InputError: another command is using the folder, or has made it; the folder is missing, or cannot be made or
            written to.
    """
    with ExitStack() as stack:
        told = [""]
        if is_main_process():
            try:
                if make:
                    stack.enter_context(_made(folder))
                stack.enter_context(_locked(folder))
            except InputError as error:
                told = [str(error)]
        broadcast_object_list(told)  # without it, the others would wait for a main process that has ended
        if told[0]:
            raise InputError(told[0])
        yield


@contextmanager
def claimed_run(folder: Path) -> Iterator[None]:
    """Claims the folder of a finished run; a folder of anything else is not written to.

    Args:
        folder: of the run.
    Raises:
        InputError: not a finished run, or another command is using it.
    """
    if not (folder / BEGUN).is_file():
        read_finished(folder)
    with claimed(folder):
        read_finished(folder)
        yield


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    make_folder(folder)
    try:
        yield
    finally:
        if {path.name for path in folder.iterdir()} <= {LOCK}:
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    lock = FileLock(_lock_of(folder), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"another command is using {folder}; wait until it has ended, or choose another folder"
        ) from error
    except (OSError, NotImplementedError) as error:
        raise InputError(f"{folder} cannot be written to, or its file system has no locks ({error})") from error
    try:
        yield
    finally:
        lock.release()


def _lock_of(folder: Path) -> Path:
    """The file that is locked; for a run of a grid, the grid's own lock of the run."""
    place = folder.resolve()
    grid = place.parent.parent
    if place.parent.name == "runs" and (grid / "grid.json").is_file():
        return grid / "locks" / f"{place.name}.lock"
    return place / LOCK
