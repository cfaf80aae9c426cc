"""`zsl evaluate`: measures runs and files of scores, writes the results, and shows them alone or side by side."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.io.errors import InputError
from embeddings.io.names import label_name
from embeddings.io.output_folders import check_new
from embeddings.io.progress import Progress
from experiments.config.advice import parts_at_chance, remedies
from experiments.output.console import ConsoleProgress
from experiments.output.files import filling
from experiments.runs.company import check_company
from experiments.runs.measurement import SCORES, measure_run, open_run, save_measured
from experiments.runs.result import Result
from experiments.tables.given_scores import Given, result_of_scores
from experiments.tables.result_files import WRITTEN, save_comparison, save_pages, save_result
from experiments.tables.result_tables import comparison_table, footnotes, tables_of
from zsl.acceleration import is_main_process
from zsl.evaluation.saved_scores import save_scores
from zsl.runs.claims import claimed_run
from zsl.runs.saved import calibrated
from zsl.runs.source import Source

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Asked:
    """What `zsl evaluate` is asked to measure, and where the results go.

    Args:
        runs: folders of trained runs.
        scores: files or folders of scores of any system.
        given: what those scores are measured against; its bank and settings apply to runs too.
        curves: labels whose precision is drawn against recall.
        keep: whether the scores of a run are saved in its folder.
        mixed: whether results of different protocols may stand side by side.
        out: a folder to make, for scores and comparisons.
        companies: whether the companies that labels can be asked in are compared on validation images.
    """

    runs: Sequence[Path]
    scores: Sequence[Path]
    given: Given
    curves: Sequence[str] = ()
    keep: bool = True
    mixed: bool = False
    out: Path | None = None
    companies: bool = False

    def check(self) -> None:
        """Checks what can be known before anything is read.

        Raises:
            InputError: options that do not go together; the folder exists.
        """
        given = self.given
        if not self.runs and not self.scores:
            raise InputError("nothing to evaluate; name a run's folder, or scores by --from-scores")
        if not self.scores and any((given.targets, given.config, given.labels, given.unseen, given.shift is not None)):
            raise InputError("--targets, --config, --labels, --unseen and --shift are for --from-scores")
        if self.companies and not self.runs:
            raise InputError("--check-company is for runs; scores are measured as they are")
        if self.out is not None:
            check_new(self.out)
        elif self.curves:
            raise InputError("--curve needs --out, a folder for the plots")
        if self.curves and len(self.runs) + len(self.scores) > 1:
            raise InputError("--curve draws one run, or one file of scores; leave it out to see several side by side")


def evaluate(asked: Asked, console: "Console") -> None:
    """Measures runs and scores, writes their files, and prints their tables.

    Raises:
        InputError: as for `Asked.check`, `measure_run` and `result_of_scores`; results of different protocols.
    """
    asked.check()
    with ConsoleProgress(console) as progress:
        measured = [_measured_run(run, asked, progress) for run in asked.runs]
        results = [result for result, _ in measured]
        results += [result_of_scores(path, asked.given) for path in asked.scores]
    if not is_main_process():
        return
    if len(results) > 1:
        _compare(results, asked, console)
    else:
        _show(results[0], asked, console)
    for line in (line for _, notes in measured for line in notes):
        console.print(f"note: {line}", soft_wrap=True)


def _measured_run(run: Path, asked: Asked, progress: Progress) -> tuple[Result, list[str]]:
    """Tests a trained run and writes its files into it, unless `asked` names another bank; also gives notes on it.

    Args:
        run: its folder.
        asked: for the bank, the settings, whether scores are kept, and whether companies are compared.
        progress: called as images are read.
    Raises:
        InputError: as for `open_run` and `measure_run`; another command is using the run.
    """
    bank = asked.given.bank
    with nullcontext() if bank is not None else claimed_run(run):
        source = open_run(run, list(asked.given.settings), progress)
        result = measure_run(run, source, bank)
        if bank is None and source.context.is_main:
            with filling(run) as folder:
                if asked.keep:
                    save_scores(folder / SCORES, result.scores, result.test, source.config.evaluate.form)
                save_pages(result, folder)
                save_measured(result, source, folder)
        return result, _notes(run, source, asked)


def _notes(run: Path, source: Source, asked: Asked) -> list[str]:
    """What the form of the scores means for the figures of a run."""
    used, known = source.config.evaluate.form, calibrated(run)
    notes = [check_company(run, source).told()] if asked.companies else []
    before = used if known is None else known.form
    other = [f"evaluate.{key} = {value!r}" for key, value in before._asdict().items() if value != getattr(used, key)]
    if other:
        remedy = "calibrate it again: zsl calibrate-gzsl has the same --set"
        notes.append(f"no calibrated figures: {run} was calibrated for {', '.join(other)}; {remedy}")
    return notes


def _compare(results: Sequence[Result], asked: Asked, console: "Console") -> None:
    table = comparison_table(results, asked.mixed)
    if asked.out is not None:
        save_comparison(table, asked.out)
    console.print(table.console())
    console.print(
        "Percent; in brackets the 95 % interval of the difference from the first, over the same bootstrap draws of "
        "test images; * marks an interval that excludes 0.",
    )


def _show(result: Result, asked: Asked, console: "Console") -> None:
    if asked.out is not None:
        save_result(result, asked.out, [label_name(label, "--curve") for label in asked.curves])
    for table in tables_of(result):
        console.print(table.console())
    for line in footnotes(result):
        console.print(line)
    low = parts_at_chance(result.evaluation.metrics, result.evaluation.intervals)
    for line in remedies(low) if asked.runs else ():
        console.print(f"note: {line}", soft_wrap=True)
    place = asked.out or (asked.runs[0] if asked.runs and asked.given.bank is None else None)
    if place is not None:
        there = [name for name in WRITTEN if (place / name).exists()]
        console.print(f"{place}/: {', '.join(there)}", soft_wrap=True)
