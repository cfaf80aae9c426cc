"""Text encoders by name: one line each in `ENCODERS`; a spec is `family` or `family:argument`, joined by `+`."""

import glob
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embeddings.encoders import fasttext_models, gensim_models, matrix
from embeddings.encoders.lexical import lexical_vectors
from embeddings.encoders.oov import RowTable, WordTable, gather, look_up
from embeddings.encoders.seeded import random_vectors
from embeddings.encoders.sentences import SentenceEncoder
from embeddings.encoders.word_files import MAX_WIDTH, WordFile
from embeddings.io.errors import InputError
from embeddings.texts import read_labels

MATRIX_OPTIONS = ("labels", "key", "layout")
BLOCK = 8_192

TagLists = Callable[[], Iterable[list[str]]] | Iterable[list[str]]


@dataclass(frozen=True)
class Request:
    """What an encoder is asked: distinct texts, and what may decide their vectors.

    `tag_lists` are those of the training set at hand, where there is one.
    """

    texts: tuple[str, ...]
    oov: tuple[str, ...]
    seed: int = 0
    tag_lists: TagLists | None = None


@dataclass(frozen=True)
class Encoding:
    """Vectors of the texts without the `skipped` rows, (text, embed) float32 a block; a note for each text.

    `remarks` say what is out of the ordinary about the encoder itself.
    """

    blocks: Iterator[np.ndarray]
    notes: Sequence[str]
    skipped: Sequence[int] = ()
    remarks: Sequence[str] = ()


class Encoder(ABC):
    """An encoder ready to be asked."""

    @abstractmethod
    def revision(self) -> str:
        """Identifies the weights: a hash, a commit, a version."""

    @abstractmethod
    def encode(self, request: Request) -> Encoding:
        """Encodes the request's texts."""


@dataclass(frozen=True)
class Family:
    """One line of the registry.

    `open(argument, request)` makes the encoder, the argument being what follows the colon. `version` is that of this
    toolkit's part in the vectors: it rises when a family's vectors or remarks change. Those of `cached` families are
    kept.
    """

    open: Callable[[str, Request], Encoder]
    source: str
    width: str
    licence: str
    version: int = 1
    cached: bool = True

    by_policy: bool = True
    apart: str = ""  # what to check where distinct texts have one vector; "" where they may, as in a table of words

    def depends_on(self, request: Request) -> list[object]:
        """What of a request decides the vectors: the policy and the seed where the family is a table of words."""
        return [request.texts, request.oov, request.seed] if self.by_policy else [request.texts]


@dataclass(frozen=True)
class Rule(Encoder):
    """An encoder of any text, by a function of a block of texts."""

    version: str
    function: Callable[[Sequence[str]], np.ndarray]

    def revision(self) -> str:
        return self.version

    def encode(self, request: Request) -> Encoding:
        texts = request.texts
        blocks = (self.function(texts[start : start + BLOCK]) for start in range(0, len(texts), BLOCK))
        return Encoding(blocks, [""] * len(texts))


@dataclass(frozen=True)
class Sentences(Encoder):
    """A sentence-transformers model."""

    model: SentenceEncoder

    def revision(self) -> str:
        return self.model.revision()

    def encode(self, request: Request) -> Encoding:
        return Encoding(self.model.encode(request.texts), [""] * len(request.texts), remarks=self.model.remarks())


@dataclass(frozen=True)
class Words(Encoder):
    """A table of words, opened when it is first needed."""

    version: str
    open: Callable[[], WordTable]

    def revision(self) -> str:
        return self.version

    def encode(self, request: Request) -> Encoding:
        plan, found = look_up(self.open(), request.texts, request.oov, request.seed)
        return Encoding(gather(plan, found), plan.notes, plan.skipped, tuple(filter(None, [plan.remark(found)])))


def _width(argument: str, default: int, family: str) -> int:
    if argument and not (argument.isdecimal() and len(argument) <= 10 and 0 < int(argument) <= MAX_WIDTH):
        raise InputError(f"encoder {family}:{argument[:40]} - the width must be a positive number up to {MAX_WIDTH}")
    return int(argument) if argument else default


def _lexical(argument: str, request: Request) -> Encoder:
    width = _width(argument, 512, "lexical")

    def function(texts: Sequence[str]) -> np.ndarray:
        try:
            return lexical_vectors(texts, width)
        except ValueError as error:
            raise InputError(f"encoder lexical: {error}") from error

    return Rule("1", function)


def _random(argument: str, request: Request) -> Encoder:
    width = _width(argument, 512, "random")
    return Rule(f"seed {request.seed}", lambda texts: random_vectors(texts, width, request.seed))


def _sentence_transformers(argument: str, request: Request) -> Encoder:
    return Sentences(SentenceEncoder(argument))


def _gensim(argument: str, request: Request) -> Encoder:
    if not argument:
        raise InputError("encoder gensim needs vectors: gensim:<file, or name of gensim's downloader>")
    path = Path(argument) if Path(argument).is_file() else gensim_models.downloaded(argument)

    def open_table() -> WordTable:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == fasttext_models.MAGIC:
            return fasttext_models.load_fasttext(path)
        if magic[:1] == b"\x80" and magic[1:2] in b"\x02\x03\x04\x05":  # a pickle, of gensim's save
            return gensim_models.load_saved(path)
        return WordFile(path)

    beside = sorted(path.parent.glob(f"{glob.escape(path.name)}.*.npy"))
    return Words(_hash_of_files([path, *beside]), open_table)


def _corpus(argument: str, request: Request, family: str) -> Encoder:
    known = [key for key in gensim_models.TRAINING if key != "bucket" or family == "fasttext"]
    name, options = _options(argument, known)
    for key, value in options.items():
        most = MAX_WIDTH if key == "width" else 2**31
        if not (value.isdecimal() and len(value) <= 10 and 0 < int(value) <= most):
            raise InputError(f"encoder corpus: {key}={value[:40]} is no positive number up to {most}")
    numbers = {key: int(value) for key, value in options.items()}
    if name and not Path(name).is_file():
        raise InputError(f"encoder corpus: no file of tag lists {name}; options are {', '.join(known)}, as width=100")
    if name:
        lists = gensim_models.read_tag_lists(Path(name))
    elif request.tag_lists is not None:
        lists = list(request.tag_lists() if callable(request.tag_lists) else request.tag_lists)
    else:
        raise InputError("encoder corpus needs tag lists: corpus:FILE, one image a line, or a dataset to train on")
    digest = hashlib.sha256(json.dumps([family, lists, numbers, request.seed]).encode()).hexdigest()

    def open_table() -> WordTable:
        return gensim_models.train_vectors(family, lists, numbers, request.seed, name or "the tag lists")

    return Words(f"{family} on {len(lists)} lists, sha256 {digest[:16]}", open_table)


def _matrix(argument: str, request: Request) -> Encoder:
    name, options = _options(argument, MATRIX_OPTIONS)
    path = Path(name)
    table = matrix.read_matrix(path, options.get("key"))
    labels = read_labels(Path(options["labels"])) if "labels" in options else request.texts
    vectors = matrix.rows_by_label(table, len(labels), options.get("layout"), f"matrix:{name}")
    files = [path, Path(options["labels"])] if "labels" in options else [path]
    layout = "rows" if vectors is table else "columns"
    rows = {label: row for row, label in enumerate(labels)}
    return Words(f"{_hash_of_files(files)}, {layout}", lambda: RowTable(rows, vectors, str(path)))


def _options(argument: str, known: Iterable[str]) -> tuple[str, dict[str, str]]:
    """A name and the `,key=value` that follow it; a value ends where the next known key begins."""
    name, *given = re.split(rf"(?:^|,)(?=(?:{'|'.join(known)})=)", argument)
    pairs = [option.partition("=")[::2] for option in given]
    options = dict(pairs)
    if len(options) < len(pairs):
        raise InputError(f"{argument!r} gives an option twice; give each once")
    return name, options


def by_order(part: str) -> bool:
    """Whether an encoder gives vectors to labels by their order alone."""
    family, _, argument = part.partition(":")
    return family == "matrix" and "labels" not in _options(argument, MATRIX_OPTIONS)[1]


def _hash_of_files(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256 {digest.hexdigest()[:16]}"


ENCODERS: dict[str, Family] = {
    "lexical": Family(
        _lexical, "hashed words and letter n-grams", "512, or lexical:WIDTH", "this project's", cached=False
    ),
    "random": Family(_random, "seeded normal vectors", "512, or random:WIDTH", "this project's", cached=False),
    "sentence-transformers": Family(
        _sentence_transformers,
        "a model's folder or hub name",
        "the model's",
        "the model's",
        version=2,
        by_policy=False,
        apart="check that the model's folder holds its tokenizer (tokenizer.json, or vocab.txt and the like), that the "
        "model knows the script of the names, and that no names differ in capitals alone",
    ),
    "gensim": Family(
        _gensim,
        "word2vec, GloVe, fastText or gensim file, or downloader name",
        "the file's",
        "the file's",
        version=2,
    ),
    "corpus": Family(
        lambda argument, request: _corpus(argument, request, "word2vec"),
        "word2vec trained on tag lists: a file's or the dataset's",
        "100, or corpus:[FILE,]width=WIDTH",
        "the tag lists'",
    ),
    "corpus-fasttext": Family(
        lambda argument, request: _corpus(argument, request, "fasttext"),
        "fastText trained on tag lists, with subwords",
        "100, or corpus-fasttext:[FILE,]width=WIDTH",
        "the tag lists'",
    ),
    "matrix": Family(
        _matrix,
        ".npy, .safetensors or .pth, in the labels' order or with labels=FILE",
        "the file's",
        "the file's",
        cached=False,
    ),
}


def split_spec(spec: str) -> tuple[str, ...]:
    """The encoders that a spec joins: a `+` counts where a family's name follows it.

    Raises:
        InputError: an unknown family.
    """
    names = "|".join(map(re.escape, ENCODERS))
    parts = tuple(re.split(rf"\+(?=(?:{names})(?::|\+|$))", spec))
    for part in parts:
        family = part.partition(":")[0]
        if family not in ENCODERS:
            raise InputError(f"unknown encoder {family!r}; known: {sorted(ENCODERS)}")
    return parts


def open_encoder(part: str, request: Request) -> Encoder:
    """The encoder of one part of a spec.

    Raises:
        InputError: an argument that is no use to the family.
    """
    family, _, argument = part.partition(":")
    return ENCODERS[family].open(argument, request)
