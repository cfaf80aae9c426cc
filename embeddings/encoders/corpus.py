"""`corpus` and `corpus-fasttext`: word vectors trained on the tag lists of images."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from embeddings.encoders.encoder import MAX_WIDTH, Encoder, Family, Request, options_of
from embeddings.encoders.fasttext_models import subword_table
from embeddings.encoders.oov import Words
from embeddings.encoders.word_table import RowTable, WordTable
from embeddings.io.errors import InputError
from embeddings.io.names import label_name
from embeddings.texts import read_lines

# `bucket` is the number of rows for fastText's n-grams; its default of 2 million suits a language, not some tags
TRAINING = {"width": 100, "epochs": 20, "window": 1_000, "min_count": 1, "bucket": 50_000}


def train_vectors(
    family: str, tag_lists: Iterable[list[str]], options: dict[str, int], seed: int, place: str
) -> WordTable:
    """Skip-gram vectors (Mikolov et al. 2013) of the words of tag lists, by gensim's Word2Vec or FastText.

    The order of tags means nothing, so the window spans the whole list. Training uses one thread: the same lists and
    seed give the same vectors.

    Args:
        family: "word2vec" or "fasttext".
        tag_lists: for each image, its tags; a tag of several words counts as those words.
        options: values that replace those of `TRAINING`.
        seed: of the initial vectors and of the sampling.
        place: the lists' name, for messages.
    Returns:
        the words' vectors.
    Raises:
        InputError: no list has two words; no word appears `min_count` times.
    """
    from gensim.models import FastText, Word2Vec

    sentences = [[word for tag in tags for word in tag.split()] for tags in tag_lists]
    if not any(len(sentence) > 1 for sentence in sentences):
        raise InputError("encoder corpus: no list has two words, so there is nothing to learn from")
    chosen = TRAINING | options
    buckets = {"bucket": chosen["bucket"]} if family == "fasttext" else {}
    kept = Counter(word for sentence in sentences for word in sentence)
    if not any(count >= chosen["min_count"] for count in kept.values()):
        raise InputError(f"encoder corpus: no word appears {chosen['min_count']} times in the lists; lower min_count")
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
    if family == "fasttext":
        return subword_table(trained.wv, place)
    return RowTable(trained.wv.key_to_index, trained.wv.vectors, place)


def read_tag_lists(path: Path) -> list[list[str]]:
    """The tag lists of a text file.

    Args:
        path: one image per line; its tags are separated by tabs or commas, else by spaces.
    Returns:
        for each image, its tags.
    Raises:
        InputError: as `read_lines` and `label_name`.
    """
    lists = []
    for number, line in read_lines(path, "tag lists"):
        separator = next((mark for mark in ("\t", ",") if mark in line), None)
        lists.append([label_name(tag, f"{path}:{number}") for tag in line.split(separator) if tag.strip()])
    return lists


def _open(family: str, argument: str, request: Request) -> Encoder:
    known = [key for key in TRAINING if key != "bucket" or family == "fasttext"]
    name, options = options_of(argument, known)
    for key, value in options.items():
        most = MAX_WIDTH if key == "width" else 2**31
        if not (value.isdecimal() and len(value) <= 10 and 0 < int(value) <= most):
            raise InputError(f"encoder corpus: {key}={value[:40]} is not a positive number up to {most}")
    numbers = {key: int(value) for key, value in options.items()}
    if name and not Path(name).is_file():
        listed = ", ".join(known)
        raise InputError(f"encoder corpus: no file of tag lists {name}; options are {listed}, such as width=100")
    if name:
        lists = read_tag_lists(Path(name))
    elif request.tag_lists is not None:
        lists = list(request.tag_lists() if callable(request.tag_lists) else request.tag_lists)
    else:
        raise InputError("encoder corpus needs tag lists: corpus:FILE, one image per line, or a dataset to train on")
    digest = hashlib.sha256(json.dumps([family, lists, numbers, request.seed]).encode()).hexdigest()
    train = partial(train_vectors, family, lists, numbers, request.seed, name or "the tag lists")
    return Words(f"{family} on {len(lists)} lists, sha256 {digest[:16]}", train)


FAMILY = Family(
    partial(_open, "word2vec"),
    "word2vec trained on tag lists: a file's or the dataset's",
    "100, or corpus:[FILE,]width=WIDTH",
    "the tag lists'",
    words=True,
)
FASTTEXT_FAMILY = Family(
    partial(_open, "fasttext"),
    "fastText trained on tag lists, with subwords",
    "100, or corpus-fasttext:[FILE,]width=WIDTH",
    "the tag lists'",
    words=True,
)
