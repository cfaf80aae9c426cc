"""Predictions of many pictures: read, asked, written as they come."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.prediction.answers import Form, head_of, text_of
from experiments.prediction.illustrations import Drawings, Illustrations
from experiments.prediction.output_file import OutputFile
from zsl.config import Precision
from zsl.context import Context
from zsl.prediction.loading import load
from zsl.prediction.model import TrainedModel
from zsl.prediction.prediction import Prediction, Predictor, Wanted, predictions
from zsl.prediction.words import Words, words_of
from zsl.readouts.company import Company
from zsl.readouts.normalisation import Normalisation

FEW = 512  # pictures that one process reads


@dataclass(frozen=True)
class Question:
    """What `zsl predict` is asked.

    Args:
        run: the folder of a model, or its name on a hub.
        paths: of pictures.
        labels: the words; None for the labels of the model's bank.
        with_seen: the model's seen labels are asked too.
        wanted: how many words are shown, and from which score.
        company: in which group each label is asked.
        normalisation: of each picture's scores; None takes the model's.
        encoder: a spec that says where the encoder of the model's words is now; None takes that of training.
    """

    run: str
    paths: list[str]
    labels: str | None
    with_seen: bool
    wanted: Wanted
    company: Company | None
    normalisation: Normalisation | None = None
    encoder: str | None = None

    def hash(self, model: TrainedModel, output: "Output", words: tuple[str, ...]) -> str:
        """Identifies the answers: with another hash, a file cannot be continued."""
        kind = output.form, output.drawings.why is not None  # with pages, answers say what is near
        digest = sha256(
            repr((kind, self.wanted, self.company, self.normalisation, model.bank.sha256, model.facts)).encode()
        )
        for name in (*words, *self.paths):
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()


@dataclass(frozen=True)
class Output:
    """Where the answers go.

    Args:
        form: of the answers.
        out: a file; None prints them.
        resume: continue the file of a command that was stopped.
        drawings: what is drawn beside them.
    """

    form: Form
    out: Path | None = None
    resume: bool = False
    drawings: Drawings = field(default_factory=Drawings)


@dataclass(frozen=True)
class Pace:
    """How fast: pictures per batch, processes that read pictures (None chooses), and the precision."""

    batch_size: int = 64
    workers: int | None = None
    precision: Precision = "fp32"

    def context(self, pictures: int, progress: Progress) -> Context:
        """The context for so many pictures."""
        free = max((os.cpu_count() or 1) - 1, 1)
        workers = (min(free, 8) if pictures > FEW else 0) if self.workers is None else self.workers
        return Context.of(self.precision, self.batch_size, workers, progress)


@dataclass(frozen=True)
class Counted:
    """How many pictures were asked about, how many of them could not be read, and a note about drawings or ""."""

    pictures: int
    unreadable: int
    note: str = ""


def answer(question: Question, output: Output, pace: Pace, progress: Progress, tell: Callable[[str], None]) -> Counted:
    """Predicts and writes.

    Args:
        question: what is asked.
        output: where answers go.
        pace: batch size, processes, precision.
        progress: called as pictures are done.
        tell: prints text without a line end.
    Returns:
        the counts, over all pictures of the file.
    Raises:
        InputError: no such model; words without a vector; an output that exists; no picture could be read.
    """
    output.drawings.check(question.run)
    file = None if output.out is None else OutputFile(output.out, output.resume)
    model = load(question.run, encoder=question.encoder)
    if question.normalisation is not None:
        model.normalisation = question.normalisation
    context = pace.context(len(question.paths), progress)
    asked = model.asked(_words(model, question, progress), question.company, context)
    predictor = Predictor(asked, question.wanted)
    illustrations = Illustrations(asked, output.drawings, question.run)
    with _sink(file, head_of(output.form), question.hash(model, output, asked.words.labels), tell) as sink:
        pictures = model.pictures(question.paths, sink.start)
        for place, found in enumerate(predictions(predictor, pictures), sink.start):
            near = illustrations.add(pictures, place, found)
            sink.write(text_of(found, output.form, near), found)
    counted = replace(sink.counted(), note=illustrations.finish(sink.start))
    if counted.unreadable == counted.pictures:
        told = "the picture" if counted.pictures == 1 else f"none of the {counted.pictures:,} pictures"
        where = "above" if output.out is None else output.out
        raise InputError(f"{told} could {'not ' if counted.pictures == 1 else ''}be read; see {where}")
    return counted


def _words(model: TrainedModel, question: Question, progress: Progress) -> Words:
    words = words_of(model.bank, model.seen, question.labels, model.encoder, progress)
    return words.joined(words_of(model.bank, model.seen, model.seen)) if question.with_seen else words


class _Printed:
    """Answers on stdout."""

    start = 0

    def __init__(self, tell: Callable[[str], None]):
        self.tell = tell
        self.pictures = self.unreadable = 0

    def write(self, text: str, found: Prediction) -> None:
        self.tell(text)
        self.pictures += 1
        self.unreadable += bool(found.fault)

    def counted(self) -> Counted:
        return Counted(self.pictures, self.unreadable)


class _Kept:
    """Answers in a file."""

    def __init__(self, file: OutputFile):
        self.file, self.start = file, file.done.pictures

    def write(self, text: str, found: Prediction) -> None:
        self.file.write(text, 1, bool(found.fault))

    def counted(self) -> Counted:
        return Counted(self.file.done.pictures, self.file.done.unreadable)


@contextmanager
def _sink(file: OutputFile | None, head: str, asked: str, tell: Callable[[str], None]) -> Iterator[_Printed | _Kept]:
    """Where answers are written, after a head; at the end, a file gets its name."""
    if file is None:
        if head:
            tell(head)
        yield _Printed(tell)
        return
    with file.opened(asked):
        if head and not file.done.bytes:
            file.write(head)
        yield _Kept(file)
