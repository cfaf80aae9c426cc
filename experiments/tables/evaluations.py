"""`zsl evaluate`: runs and files of scores, measured, written and set side by side."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from embeddings.banks.bank import Bank
from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.markup import markdown
from embeddings.io.progress import Progress
from embeddings.texts import read_labels
from experiments.config.reading import load_config, validated_settings
from experiments.output.files import filling, new_folder
from experiments.runs.claims import claimed_run
from experiments.runs.result import Result, save_metrics
from experiments.runs.run import measure_run, open_run, save_measured
from experiments.tables.result_plots import check_curves, save_plots
from experiments.tables.result_tables import footnotes, tables_of
from experiments.tables.text_table import TextTable
from zsl.data.table import load_data
from zsl.evaluation.matching import as_test_set, match
from zsl.evaluation.measures import measure
from zsl.evaluation.named_matrix import named, read_matrix
from zsl.evaluation.per_label import per_label
from zsl.evaluation.protocol import TestSet
from zsl.evaluation.saved_scores import load_scores, save_scores
from zsl.runs.config import RunConfig


def result_of_run(run: Path, bank: Path | None, settings: list[str], keep: bool, progress: Progress) -> Result:
    """Tests a trained run; writes its files, and its scores where they are to be kept, unless another bank is given.

    Raises:
        InputError: as `open_run` and `measure_run`; another command writes into the run.
    """
    with nullcontext() if bank is not None else claimed_run(run):
        source = open_run(run, settings, progress)
        result = measure_run(run, source, bank)
        if bank is None and source.context.is_main:
            with filling(run) as folder:
                if keep:
                    save_scores(folder / "scores", result.scores, result.test)
                save_pages(result, folder)
                save_measured(result, source, folder)
        return result


def result_of_scores(
    path: Path,
    targets: Path | None,
    config: str | None,
    settings: list[str],
    labels: Path | None,
    unseen: Path | None,
    bank: Path | None,
    shift: float | None,
) -> Result:
    """Measures scores of any system.

    Args:
        path: a folder that `zsl evaluate RUN` saved, or a file (`zsl.evaluation.named_matrix.read_matrix`).
        targets: a file of targets; or
        config: a recipe or a TOML file of the dataset whose test annotations they are measured against.
        settings: `evaluate.*`, and those of the config.
        labels: a file with the names of the columns, where the files of scores and targets have none.
        unseen: a file with the names of unseen labels, for targets from a file.
        bank: word vectors, for the similarity to seen labels.
        shift: a bias on seen logits that was chosen on validation data.
    Raises:
        InputError: files that cannot be read or do not fit together.
    """
    values, train_images = RunConfig(), None
    if path.is_dir():
        if targets or config or labels or unseen:
            raise InputError(f"{path} holds its own targets; leave out --targets, --config, --labels and --unseen")
        values = validated_settings(settings, ("evaluate.",))
        scores, test = load_scores(path)
    else:
        if (targets is None) == (config is None):
            raise InputError(f"to measure {path} give one of --targets FILE and --config CONFIG")
        names = read_labels(labels) if labels else None
        if targets is not None:
            values = validated_settings(settings, ("evaluate.",))
            test = as_test_set(named(read_matrix(targets, "targets"), names), read_labels(unseen) if unseen else ())
        else:
            if unseen is not None:
                raise InputError("--unseen is for --targets; the unseen labels of a dataset are in its config")
            assert config is not None
            values = load_config(config, settings)
            data = load_data(values.data)
            test, train_images = TestSet.of(data), data.train.targets.label_counts()
        scores = match(named(read_matrix(path, "scores"), names), test)
    if shift is not None and "gzsl" not in scores:
        raise InputError(f"--shift is a bias on seen among all labels, of which {path} has no scores; leave it out")
    found = measure(scores, test, values.evaluate.k, values.evaluate.bootstrap, shift)
    rows = per_label(found, test, None if bank is None else Bank.load(bank), train_images)
    return Result(str(path), test, scores, found, rows)


def save_pages(result: Result, folder: Path, labels: Sequence[str] = ()) -> None:
    """`evaluation.md`, `evaluation.tex` and the plots of a result.

    Args:
        labels: of the precision-recall curves.
    """
    plots = save_plots(result, folder, labels)
    tables = tables_of(result)
    parts = [f"## {markdown(table.title)}\n\n{table.markdown()}" for table in tables]
    notes = "".join(f"- {markdown(line)}\n" for line in footnotes(result))
    pictures = "\n".join(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in plots)
    stamp = "".join(f"- {markdown(f'{key}: {value}')}\n" for key, value in result.evaluation.stamp.as_json().items())
    title = f"# {markdown(result.test.name)}"
    content = "\n".join([title, "", *parts, notes, pictures, "", "## Protocol", "", stamp])
    atomic.write_text(folder / "evaluation.md", content)
    atomic.write_text(folder / "evaluation.tex", "\n".join(table.latex() for table in tables))


def save_result(result: Result, folder: Path, labels: Sequence[str] = ()) -> None:
    """All files of a result that belongs to no run.

    Raises:
        InputError: as `check_curves`.
    """
    check_curves(result, labels)
    with new_folder(folder) as made:
        save_metrics(result, made)
        save_pages(result, made, labels)


def save_comparison(table: TextTable, folder: Path) -> None:
    """A comparison in Markdown, LaTeX and CSV."""
    with new_folder(folder) as made:
        for name, content in (("md", table.markdown()), ("tex", table.latex()), ("csv", table.csv())):
            atomic.write_text(made / f"comparison.{name}", content)
