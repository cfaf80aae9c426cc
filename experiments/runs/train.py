"""`zsl train`: one run, from its config to its folder."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from embeddings.io.output_folders import check_new
from embeddings.io.progress import Progress
from experiments.config.advice import encoder_notes, training_notes
from experiments.output.plots import history_plotter
from zsl.acceleration import make_accelerator
from zsl.context import Context
from zsl.evaluation.protocol import left_out, protocols
from zsl.readouts.table import check_readout
from zsl.runs.bank_config import load_bank
from zsl.runs.claims import claimed
from zsl.runs.config import RunConfig
from zsl.runs.folder import carry_out, check_same_config
from zsl.runs.pairs import check_aligned, warn_of_other_space
from zsl.runs.saved import CONFIG, OWN
from zsl.runs.source import Source, open_source
from zsl.training.checkpoint import Checkpoints


def train(
    config: RunConfig, folder: Path, resume: bool, progress: Progress, tell: Callable[[str], None]
) -> Bank | None:
    """Trains a run in a folder that no other command may use meanwhile; all is checked before anything is written.

    Args:
        folder: made; with `resume`, the folder of the same run, which continues.
        tell: prints a line for the user; only the main process calls it.
    Returns:
        the run's bank; None if the run was finished before.
    Raises:
        InputError: unusable data, bank or sizes; a folder with something else, or that another command is using.
    """
    with ExitStack() as claims:
        again = folder.is_dir()
        if again:
            _check_begun(folder, resume)
            claims.enter_context(claimed(folder))
            if any((folder / name).is_file() for name in (CONFIG, OWN)):
                check_same_config(config, folder)
        else:
            check_new(folder)
        if (folder / "run.json").is_file():
            Checkpoints(folder / "checkpoint").remove()
            return None
        accelerator = make_accelerator(config.train.precision, config.train.trackers, folder)
        source, bank = _prepared(config, Context(accelerator, progress=progress), tell)
        accelerator.wait_for_everyone()  # every process has checked whether the folder exists
        if not again:
            claims.enter_context(claimed(folder, make=True))
        _, history = carry_out(source, bank, folder, resume, history_plotter(folder, config.train.epochs))
        accelerator.state.destroy_process_group()
        if accelerator.is_main_process:
            for line in training_notes(history, config.decoder.solved or config.decoder.fixed):
                tell(f"note: {line}")
        return bank


def _check_begun(folder: Path, resume: bool) -> None:
    """Checks that a run in an existing folder is to be continued."""
    if resume:
        return
    if (folder / "begun.json").is_file() and not (folder / "run.json").is_file():
        with claimed(folder):  # an error if another command is using it
            raise InputError(f"{folder} holds an unfinished run; continue it with --resume, or choose another --out")
    check_new(folder)


def _prepared(config: RunConfig, context: Context, tell: Callable[[str], None]) -> tuple[Source, Bank]:
    """Data, backbone and bank of a run, after all checks that are possible before it starts."""
    check_aligned(config)
    source = open_source(config, context)
    if context.is_main:
        asked = {name: len(protocol.labels) for name, protocol in protocols(source.data).items()}
        for line in (*left_out(asked, config.evaluate.k), *encoder_notes(config)):
            tell(f"note: {line}")
    bank = load_bank(config.bank, source.data)
    if context.is_main:
        warn_of_other_space(config, bank)
    check_readout(config.decoder, 1, bank.embed_dim, len(source.data.seen), context.device)
    pretrained = config.backbone is not None and config.backbone.pretraining is not None
    if source.cached and not pretrained and not source.spares_training:
        _ = source.train  # an image that does not decode is found before anything is written
    return source, bank
