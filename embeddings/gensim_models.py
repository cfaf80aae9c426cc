"""gensim: its own files, fastText's native ones, models by name, and vectors trained on tag lists."""

import logging
import pickle
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.errors import InputError
from embeddings.oov import Found
from embeddings.texts import read_lines

FASTTEXT_MAGIC = b"\xba\x16\x4f\x2f"


@dataclass(frozen=True, eq=False)
class KeyedTable:
    """A `WordTable` over gensim's KeyedVectors."""

    keyed: Any
    place: str

    def find(self, wanted: Callable[[], Collection[str]]) -> Found:
        """Every word of the table: its matrix is not copied."""
        return Found(self.keyed.key_to_index, self.keyed.vectors)

    def words(self) -> Collection[str]:
        """Every word."""
        return self.keyed.key_to_index

    def from_subwords(self, text: str) -> np.ndarray | None:
        """gensim's own sum over character n-grams; None for a table without them."""
        return self.keyed.get_vector(text) if hasattr(self.keyed, "vectors_ngrams") else None


class _Inert:
    """Stands for every class and function of a pickle: it is made with any arguments and keeps its state."""

    def __init__(self, *_: object, **__: object):
        pass

    def __call__(self, *_: object, **__: object) -> "_Inert":
        return _Inert()

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def _new_dict(*_: object) -> dict[Any, Any]:
    return {}


_PLAIN = {("collections", "OrderedDict"): _new_dict, ("collections", "defaultdict"): _new_dict}
_ARRAYS = {
    (module, name)
    for module in ("numpy", "numpy._core.multiarray", "numpy._core.numeric")
    for name in ("ndarray", "dtype", "_reconstruct", "_frombuffer")
}


class _ArraysOnly(pickle.Unpickler):
    """Reads numbers, text, lists, dicts and numpy arrays; nothing else that a pickle names is looked up or called."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")  # its name before numpy 2
        if (module, name) in _ARRAYS:
            return super().find_class(module, name)
        return _PLAIN.get((module, name), _Inert)


def load_saved(path: Path) -> Any:
    """Reads what gensim's `save` wrote: KeyedVectors, FastTextKeyedVectors, Word2Vec or FastText.

    gensim's own loader unpickles, which runs whatever code a file names. This one builds arrays and plain values
    alone. Arrays that `save` put into files of their own are memory-mapped.

    Raises:
        InputError: another file, a missing or damaged array file.
    """
    try:
        with path.open("rb") as file:
            saved = _ArraysOnly(file).load()
        state = _state(saved, path)
    except InputError:
        raise
    except Exception as error:  # an unpickler meets damage in many ways
        raise InputError(f"{path} is a damaged gensim file ({error}); save it again") from error
    if not isinstance(state.get("key_to_index"), dict) or "vector_size" not in state:
        raise InputError(
            f"{path} holds no word vectors of gensim 4; load it in gensim and save its KeyedVectors (.wv.save)"
        )
    if "vectors_ngrams" in state:
        return _fasttext(state)
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(state["vector_size"])
    keyed.key_to_index, keyed.vectors = state["key_to_index"], state["vectors"]
    if keyed.vectors.shape != (len(keyed.key_to_index), keyed.vector_size):
        raise InputError(f"{path}: {len(keyed.key_to_index)} words for vectors of shape {keyed.vectors.shape}")
    return keyed


def _state(saved: Any, path: Path) -> dict[str, Any]:
    """The attributes of the KeyedVectors in a saved object, with those that lie in files of their own."""
    state = dict(vars(saved))
    if isinstance(state.get("wv"), _Inert):
        return _state(state["wv"], Path(f"{path}.wv"))
    for name in state.get("__numpys", []):
        beside = Path(f"{path}.{name}.npy")
        if not beside.is_file():
            raise InputError(f"no file {beside}, where gensim put the vectors of {path.name}; keep the files together")
        try:
            state[name] = np.load(beside, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"{beside} is no numpy file ({error}); save the vectors again") from error
    return state


def _fasttext(state: dict[str, Any]) -> Any:
    from gensim.models.fasttext import FastTextKeyedVectors

    keyed = FastTextKeyedVectors(state["vector_size"], state["min_n"], state["max_n"], state["bucket"])
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


TRAINING = {"width": 100, "epochs": 20, "window": 1_000, "min_count": 1}


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
    trained = {"word2vec": Word2Vec, "fasttext": FastText}[family](
        sentences,
        vector_size=chosen["width"],
        epochs=chosen["epochs"],
        window=chosen["window"],
        min_count=chosen["min_count"],
        sg=1,
        sample=0,  # frequent tags are not stop words
        workers=1,
        seed=seed + 1,
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
