"""Reads files of gensim's `save` (`.kv`, `.model`) without running the code that a pickle may name."""

import mmap
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from embeddings.encoders.fasttext_models import SubwordTable
from embeddings.encoders.word_table import RowTable, WordTable
from embeddings.io.arrays import read_array
from embeddings.io.errors import InputError
from embeddings.io.reading import reason_of


class _Inert:
    """Replaces every class and function that a pickle names: it takes any arguments and keeps its state."""

    def __init__(self, *arguments: Any, **_: object):
        self.arguments = arguments

    def __call__(self, *_: object, **__: object) -> "_Inert":
        return _Inert()

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


class _Type(_Inert):
    """A pickled dtype: the first argument is its code, the second entry of its state the byte order."""

    order = "="

    def __setstate__(self, state: Any) -> None:
        _, self.order, subarray, names, fields, *_ = state
        if subarray or names or fields:
            raise ValueError("an array of compound type")

    def numbers(self) -> np.dtype:
        """The type of plain numbers that was pickled."""
        code = self.arguments[0]
        if not isinstance(code, str) or not re.fullmatch("[fiu][1248]", code) or self.order not in ("<", ">", "=", "|"):
            raise ValueError(f"an array of type {code!r}")
        return np.dtype(self.order + code)


class _Array(_Inert):
    """A pickled array. numpy's own `__setstate__` would follow pointers that a malicious file may contain."""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.type, self.columns, self.content = state

    def numbers(self) -> np.ndarray:
        """The array, of plain numbers."""
        if not isinstance(self.content, bytes):
            raise TypeError("an array whose content is not bytes")
        array = np.frombuffer(self.content, self.type.numbers())
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


# codes that gensim's files do not have; reading them would hash values, look up names, or take memory first
_REFUSED = {
    code[0]
    for code in (
        pickle.DICT,
        pickle.EMPTY_SET,
        pickle.ADDITEMS,
        pickle.BYTEARRAY8,
        pickle.NEXT_BUFFER,
        pickle.READONLY_BUFFER,
        pickle.EXT1,
        pickle.EXT2,
        pickle.EXT4,
    )
}


class _NumbersOnly(pickle._Unpickler):
    """Reads numbers, text, lists, dicts and arrays of numbers; looks up and calls nothing that a pickle names.

    It is based on the unpickler written in Python: before reading, the one in C allocates as much memory as a damaged
    length declares.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        code: read for code, read in pickle._Unpickler.dispatch.items() if code not in _REFUSED
    }

    def find_class(self, module: str, name: str) -> Any:
        return _STANDS_FOR.get(f"{module}.{name}", _Inert)

    def load_frozenset(self) -> None:
        """Names of attributes that gensim left out of the file; they are not used."""
        items = self.pop_mark()  # first: it changes the stack that `append` adds to
        self.append(tuple(items))

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def load_setitems(self) -> None:
        self._set(self.pop_mark())

    def _set(self, items: list[Any]) -> None:
        """Puts pairs into the dict on the stack; a key of nested tuples could take hours to hash, so it is refused."""
        if not all(type(key) in (str, int) for key in items[::2]):
            raise ValueError("a key that is neither text nor a number")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    dispatch[pickle.FROZENSET[0]] = load_frozenset
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems


def load_saved(path: Path) -> WordTable:
    """Reads what gensim's `save` wrote: KeyedVectors, FastTextKeyedVectors, Word2Vec or FastText.

    gensim's own loader unpickles, which runs whatever code a file names. This one builds only arrays and plain values.
    Arrays that `save` wrote to separate files are memory-mapped.

    Raises:
        InputError: a file of another kind; a damaged file; a missing or damaged array file.
    """
    try:
        # a mapped file never returns more bytes than it has, whatever a damaged length declares
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            saved = _NumbersOnly(content).load()
        state = _state(saved, path)
        words, rows = state.get("key_to_index"), state.get("vectors_vocab", state.get("vectors"))
        if not isinstance(words, dict) or rows is None:
            raise InputError(
                f"{path} holds no word vectors of gensim 4; load it in gensim and save its KeyedVectors (.wv.save)"
            )
        if rows.ndim != 2 or rows.dtype.kind != "f" or not all(isinstance(word, str) for word in words):
            raise ValueError("no word list or no float matrix")
        if not all(type(row) is int and 0 <= row < len(rows) for row in words.values()):
            raise ValueError("a word without a vector")
        if "vectors_vocab" not in state:
            return RowTable(words, rows, str(path))
        ngrams, letters = state["vectors_ngrams"], (state["min_n"], state["max_n"])
        if ngrams.dtype.kind != "f" or not all(type(length) is int for length in letters):
            raise ValueError("no float matrix of n-grams or no n-gram lengths")
        if state["bucket"] != len(ngrams):
            raise ValueError(f"{state['bucket']} buckets with {len(ngrams)} vectors")
        return SubwordTable(words, rows, ngrams, letters, str(path))
    except InputError:
        raise
    except Exception as error:  # a damaged pickle raises many kinds of errors
        raise InputError(f"{path} is a damaged gensim file ({reason_of(error)}); save it again") from error


def _state(saved: Any, path: Path) -> dict[str, Any]:
    """The attributes of the KeyedVectors in a saved object, including those in separate files."""
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
