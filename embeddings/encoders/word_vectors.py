"""`gensim`: ready word vectors, from a file in any of five formats or by a name of gensim's downloader."""

import glob
import logging
from pathlib import Path

from embeddings.encoders import fasttext_models, gensim_models
from embeddings.encoders.encoder import Encoder, Family, Request, hash_of_files
from embeddings.encoders.oov import Words
from embeddings.encoders.word_files import WordFile
from embeddings.encoders.word_table import WordTable
from embeddings.io.errors import InputError


def open_table(path: Path) -> WordTable:
    """The table of words in a file, whose first bytes tell its format.

    Raises:
        InputError: a damaged file, or one of another format.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == fasttext_models.MAGIC:
        return fasttext_models.load_fasttext(path)
    if magic[:1] == b"\x80" and magic[1:2] in b"\x02\x03\x04\x05":  # a pickle, of gensim's save
        return gensim_models.load_saved(path)
    return WordFile(path)


def downloaded(name: str) -> Path:
    """The file of a model of gensim's downloader, which fetches it if needed.

    Raises:
        InputError: no such model, or no network.
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


def _open(argument: str, request: Request) -> Encoder:
    if not argument:
        raise InputError("encoder gensim needs vectors: gensim:<file, or name of gensim's downloader>")
    path = Path(argument) if Path(argument).is_file() else downloaded(argument)
    beside = sorted(path.parent.glob(f"{glob.escape(path.name)}.*.npy"))
    return Words(hash_of_files([path, *beside]), lambda: open_table(path))


FAMILY = Family(
    _open,
    "word2vec, GloVe, fastText or gensim file, or downloader name",
    "the file's",
    "the file's",
    version=2,
    words=True,
)
