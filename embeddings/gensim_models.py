"""gensim: its own files, fastText's native ones, models by name, and vectors trained on tag lists."""

import logging
import pickle
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.arrays import read_array
from embeddings.errors import InputError
from embeddings.oov import Found, WordTable
from embeddings.texts import read_lines

FASTTEXT_MAGIC = b"\xba\x16\x4f\x2f"


class KeyedTable(WordTable):
    """A word table over gensim's KeyedVectors."""

    def __init__(self, keyed: Any, place: str):
        super().__init__(place)
        self.keyed = keyed
        # a fastText model may have been trained without n-grams
        self.has_subwords = getattr(keyed, "bucket", 0) > 0 and getattr(keyed, "max_n", 0) > 0

    def find(self, wanted: Callable[[], Collection[str]]) -> Found:
        """Every word of the table: its matrix is not copied."""
        return Found(self.keyed.key_to_index, self.keyed.vectors)

    def words(self) -> Collection[str]:
        """Every word."""
        return self.keyed.key_to_index

    def from_subwords(self, text: str) -> np.ndarray:
        """gensim's own sum over character n-grams."""
        return self.keyed.get_vector(text)


class _Inert:
    """Stands for every class and function of a pickle: it is made with any arguments and keeps its state."""

    def __init__(self, *arguments: Any, **_: object):
        self.arguments = arguments

    def __call__(self, *_: object, **__: object) -> "_Inert":
        return _Inert()

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


class _Type(_Inert):
    """A pickled dtype: its code is the first argument, and the first letter of its state's second the byte order."""

    order = "="

    def __setstate__(self, state: Any) -> None:
        _, self.order, subarray, names, fields, *_ = state
        if subarray or names or fields:
            raise ValueError("an array of compound type")

    def numbers(self) -> np.dtype:
        """The type of plain numbers that it stands for."""
        code = self.arguments[0]
        if not isinstance(code, str) or not re.fullmatch("[fiu][1248]", code) or self.order not in ("<", ">", "=", "|"):
            raise ValueError(f"an array of type {code!r}")
        return np.dtype(self.order + code)


class _Array(_Inert):
    """A pickled array. numpy's own `__setstate__` would follow pointers that a file can make up."""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.type, self.columns, self.content = state

    def numbers(self) -> np.ndarray:
        """The array, of plain numbers."""
        array = np.frombuffer(bytes(self.content), self.type.numbers())
        return array.reshape(self.shape, order="F" if self.columns else "C")


def _new_dict(*_: object) -> dict[Any, Any]:
    return {}


_STANDS_FOR = {
    "collections.OrderedDict": _new_dict,
    "collections.defaultdict": _new_dict,
    "numpy.dtype": _Type,
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy.core.multiarray._reconstruct": _Array,  # before numpy 2
}


class _NumbersOnly(pickle.Unpickler):
    """Reads numbers, text, lists, dicts and arrays of numbers; nothing that a pickle names is looked up or called."""

    def find_class(self, module: str, name: str) -> Any:
        return _STANDS_FOR.get(f"{module}.{name}", _Inert)


def load_saved(path: Path) -> Any:
    """Reads what gensim's `save` wrote: KeyedVectors, FastTextKeyedVectors, Word2Vec or FastText.

    gensim's own loader unpickles, which runs whatever code a file names. This one builds arrays and plain values
    alone. Arrays that `save` put into files of their own are memory-mapped.

    Raises:
        InputError: another file, a missing or damaged array file.
    """
    try:
        with path.open("rb") as file:
            saved = _NumbersOnly(file).load()
        state = _state(saved, path)
        words, rows = state.get("key_to_index"), state.get("vectors_vocab", state.get("vectors"))
        if not isinstance(words, dict) or rows is None:
            raise InputError(
                f"{path} holds no word vectors of gensim 4; load it in gensim and save its KeyedVectors (.wv.save)"
            )
        if rows.ndim != 2 or rows.dtype.kind != "f" or not all(isinstance(word, str) for word in words):
            raise ValueError("its words or vectors are none")
        if not all(type(row) is int and 0 <= row < len(rows) for row in words.values()):
            raise ValueError("a word whose vector is not there")
        return _fasttext(state) if "vectors_vocab" in state else _keyed(words, rows)
    except InputError:
        raise
    except Exception as error:  # an unpickler meets damage in many ways
        raise InputError(f"{path} is a damaged gensim file ({error}); save it again") from error


def _keyed(words: dict[str, int], vectors: np.ndarray) -> Any:
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(vectors.shape[1])
    keyed.key_to_index, keyed.vectors = words, vectors
    return keyed


def _state(saved: Any, path: Path) -> dict[str, Any]:
    """The attributes of the KeyedVectors in a saved object, with those that lie in files of their own."""
    state = dict(vars(saved))
    if isinstance(state.get("wv"), _Inert):
        return _state(state["wv"], Path(f"{path}.wv"))
    for name in _NEEDED_ARRAYS & state.keys():
        state[name] = state[name].numbers()
    for name in _NEEDED_ARRAYS & set(state.get("__numpys", [])):
        beside = Path(f"{path}.{name}.npy")
        if not beside.is_file():
            raise InputError(f"no file {beside}, where gensim put the vectors of {path.name}; keep the files together")
        state[name] = read_array(beside, "gensim's vectors")
    return state


_NEEDED_ARRAYS = {"vectors", "vectors_vocab", "vectors_ngrams"}


def _fasttext(state: dict[str, Any]) -> Any:
    from gensim.models.fasttext import FastTextKeyedVectors

    keyed = FastTextKeyedVectors(state["vectors_vocab"].shape[1], state["min_n"], state["max_n"], state["bucket"])
    for name in ("key_to_index", "index_to_key", "vectors_vocab", "vectors_ngrams"):
        setattr(keyed, name, state[name])
    keyed.recalc_char_ngram_buckets()  # as gensim does after loading: neither is in the file
    keyed.adjust_vectors()
    return keyed


def load_fasttext(path: Path) -> Any:
    """Reads fastText's native `.bin`, with its subwords.

    Raises:
        InputError: truncated or damaged.
    """
    from gensim.models.fasttext import load_facebook_vectors

    try:
        return load_facebook_vectors(str(path))
    except Exception as error:  # struct, assertion, memory and decoding errors, by the place of the damage
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path} is a truncated or damaged fastText file ({reason[0]}); fetch it again") from error


def downloaded(name: str) -> Path:
    """The file of a model of gensim's downloader, fetched if it is not there.

    Raises:
        InputError: no such file or model, or no network.
    """
    from gensim import downloader

    logging.getLogger(downloader.__name__).setLevel(logging.CRITICAL)  # it logs a stack trace where there is no network
    try:
        return Path(downloader.load(name, return_path=True))
    except Exception as error:  # it raises what its HTTP client, its parser and its file system do
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"encoder gensim: {name!r} is neither a file nor a model that gensim's downloader can get ({reason[0]}); "
            "give a path, or a name of gensim.downloader.info() where there is a network"
        ) from error


# buckets are of fastText's n-grams; its own 2 million are for a language, not for a few thousand tags
TRAINING = {"width": 100, "epochs": 20, "window": 1_000, "min_count": 1, "bucket": 50_000}


def train_vectors(family: str, tag_lists: Iterable[list[str]], options: dict[str, int], seed: int) -> Any:
    """Skip-gram vectors of the words of tag lists, by gensim's Word2Vec or FastText.

    The order of tags means nothing, so the window spans the whole list. One thread: the same lists and seed give the
    same vectors.

    Args:
        family: "word2vec" or "fasttext".
        tag_lists: for each image, its tags; a tag of several words counts as those words.
        options: over `TRAINING`.
        seed: of the initial vectors and of the sampling.
    Raises:
        InputError: no two words in any list.
    """
    from gensim.models import FastText, Word2Vec

    sentences = [[word for tag in tags for word in tag.split()] for tags in tag_lists]
    if not any(len(sentence) > 1 for sentence in sentences):
        raise InputError("encoder corpus: no list holds two words, so there is nothing to learn from")
    chosen = TRAINING | options
    buckets = {"bucket": chosen["bucket"]} if family == "fasttext" else {}
    kept = Counter(word for sentence in sentences for word in sentence)
    if not any(count >= chosen["min_count"] for count in kept.values()):
        raise InputError(f"encoder corpus: no word stands {chosen['min_count']} times in the lists; lower min_count")
    trained = {"word2vec": Word2Vec, "fasttext": FastText}[family](
        sentences,
        vector_size=chosen["width"],
        epochs=chosen["epochs"],
        window=chosen["window"],
        min_count=chosen["min_count"],
        sg=1,
        sample=0,  # frequent tags are not stop words
        workers=1,
        seed=(seed + 1) % 2**32,
        **buckets,
    )
    return trained.wv


def read_tag_lists(path: Path) -> list[list[str]]:
    """Tag lists of a text file, one image a line: tags between commas or tabs, else between spaces.

    Raises:
        InputError: as `read_lines`.
    """
    lists = []
    for _, line in read_lines(path, "tag lists"):
        separator = next((mark for mark in ("\t", ",") if mark in line), None)
        lists.append([tag.strip() for tag in line.split(separator) if tag.strip()])
    return lists
