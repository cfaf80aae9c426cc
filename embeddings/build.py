"""Banks from label names: encoded once, kept in a cache, pooled, transformed."""

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
from filelock import FileLock

from embeddings import bank_file
from embeddings.bank import Bank, check_rows
from embeddings.bank_file import Head, Provenance
from embeddings.encoders import ENCODERS, Encoder, Request, TagLists, open_encoder, split_spec
from embeddings.errors import InputError
from embeddings.mapping import release
from embeddings.oov import DEFAULT_POLICY, check_policy
from embeddings.progress import Progress, silent
from embeddings.texts import Aliases, Descriptions, Texts, texts_of
from embeddings.transforms import ROWS, fit_transforms, transformed

IN_MEMORY = 1 << 26  # bytes; the vectors of a larger bank stay in their file, memory-mapped and read-only
LIBRARIES = ("gensim", "numpy", "sentence-transformers", "torch", "transformers")


def default_cache() -> Path:
    """The folder of encoded texts: $ZSL_CACHE, or `zsl` in the user's cache folder. It may be removed at any time."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ZSL_CACHE") or Path(home) / "zsl")


def build_bank(
    labels: Sequence[str],
    encoder: str,
    *,
    num_seen: int | None = None,
    prompts: str | Sequence[str] = "{}",
    descriptions: Descriptions | None = None,
    aliases: Aliases | None = None,
    oov: Sequence[str] = DEFAULT_POLICY,
    transforms: Sequence[str] = (),
    seed: int = 0,
    tag_lists: TagLists | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Bank:
    """Encodes label names.

    A label with several texts (prompts or descriptions) gets the mean of their vectors of norm 1. Encoders joined by
    `+` give their vectors side by side, as they are; the transform "l2" brings them to equal norms.

    Args:
        labels: distinct names, the seen ones first.
        encoder: a spec, `family[:argument]` joined by `+`; see `ENCODERS`.
        num_seen: how many labels are seen, for the transforms; all of them unless told otherwise.
        prompts: templates that hold `{}`, filled with each name.
        descriptions: texts to encode in a label's stead.
        aliases: names to use for labels'.
        oov: the policy for names out of vocabulary, of encoders that are tables of words; see `embeddings.oov`.
        transforms: of `embeddings.transforms`, in order.
        seed: for the encoders that draw numbers.
        tag_lists: of the training set, for `corpus` without a file.
        cache: folder where encoded texts are kept for the next request; None keeps nothing.
        progress: told of texts encoded.
    Raises:
        InputError: an unknown family, a template without a place for the name, labels that the encoder lacks.
    """
    labels = tuple(labels)
    _check_labels(labels)
    prompts = (prompts,) if isinstance(prompts, str) else tuple(prompts)
    check_policy(oov)
    texts = texts_of(labels, prompts, descriptions, aliases)
    request = Request(texts.distinct, tuple(oov), seed, tag_lists)
    parts = split_spec(encoder)
    plain = prompts == ("{}",) and descriptions is None and not aliases
    for part in parts:
        if _by_order(part) and not plain:
            raise InputError(f"encoder {part} goes by the labels' order, so it takes no prompts, aliases, descriptions")
    encoded = [_encoded(part, request, cache, progress) for part in parts]
    kept, vectors = _pooled(texts, encoded)
    chosen = np.flatnonzero(kept)
    seen = len(labels) if num_seen is None else num_seen
    made = Provenance(
        encoder,
        " + ".join(bank.provenance.revision for bank in encoded),
        prompts,
        tuple(oov),
        seed,
        tuple(label for label, keep in zip(labels, kept, strict=True) if not keep),
    )
    notes = _notes(texts, encoded)
    kept_labels = labels if kept.all() else tuple(labels[row] for row in chosen)
    kept_notes = notes if kept.all() else tuple(notes[row] for row in chosen)
    kept_seen = int(kept[:seen].sum())
    if not kept_seen:
        raise InputError("no seen label is left in the bank; the policy for names out of vocabulary skipped them all")
    fitted = fit_transforms(transforms, vectors[:kept_seen], [bank.embed_dim for bank in encoded])
    verified = vectors is encoded[0].vectors and not fitted
    if fitted:
        vectors = _collected(transformed(vectors, fitted), len(vectors))
    elif vectors.nbytes <= IN_MEMORY:
        vectors = np.array(vectors)
    return Bank(kept_labels, vectors, made, kept_notes, kept_seen, fitted, verified=verified)


def _by_order(part: str) -> bool:
    return part.startswith("matrix:") and "labels=" not in part


def _check_labels(labels: Sequence[str]) -> None:
    if not labels:
        raise InputError("there is no label to encode")
    if len(set(labels)) < len(labels):
        twice = next(label for label, count in Counter(labels).items() if count > 1)
        raise InputError(f"label {twice!r} stands twice among the labels; remove one")
    if not all(map(str.strip, labels)):
        raise InputError("one of the labels is empty; remove it")


def extend_bank(
    bank: Bank,
    labels: Sequence[str],
    *,
    descriptions: Descriptions | None = None,
    aliases: Aliases | None = None,
    tag_lists: TagLists | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Bank:
    """The bank with new unseen labels, encoded as its own were and put through its transforms as they were fitted.

    Raises:
        InputError: as `build_bank`; labels that are there already; an encoder that is not the one of the bank.
    """
    made = bank.provenance
    if any(_by_order(part) for part in split_spec(made.encoder)):
        raise InputError(f"a bank of {made.encoder} goes by the order of its labels, so it cannot be extended")
    known = set(bank.labels)
    twice = [label for label in labels if label in known]
    if twice:
        raise InputError(f"label {twice[0]!r} is in the bank already; remove it from the new ones")
    new = build_bank(
        labels,
        made.encoder,
        prompts=made.prompts,
        descriptions=descriptions,
        aliases=aliases,
        oov=made.oov,
        seed=made.seed,
        tag_lists=tag_lists,
        cache=cache,
        progress=progress,
    )
    if new.provenance.revision != made.revision:
        raise InputError(
            f"encoder {made.encoder} is now {new.provenance.revision!r}, but the bank was made with {made.revision!r}; "
            "restore it, or build the whole bank again"
        )
    vectors = np.concatenate([bank.vectors, _collected(transformed(new.vectors, bank.transforms), len(new))])
    provenance = Provenance(**{**vars(made), "skipped": made.skipped + new.provenance.skipped})
    return Bank(bank.labels + new.labels, vectors, provenance, bank.notes + new.notes, bank.num_seen, bank.transforms)


def _encoded(part: str, request: Request, cache: Path | None, progress: Progress) -> Bank:
    """The vectors of the request's texts under one encoder, as a bank whose labels are the texts."""
    family = part.partition(":")[0]
    encoder = open_encoder(part, request)
    revision = encoder.revision()
    if cache is None or not ENCODERS[family].cached:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "texts.safetensors"
            _encode_to(path, part, encoder, revision, request, progress)
            return Bank.load(path, writable=False)  # the mapping outlives the file's name
    asked = [family, revision, request.oov, request.seed, request.texts]
    used = [bank_file.FORMAT, *(f"{name} {version(name)}" for name in LIBRARIES)]
    path = cache / f"{hashlib.sha256(json.dumps([asked, used]).encode()).hexdigest()}.safetensors"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # a second process waits for the first one's vectors
            if path.is_file():
                try:
                    return Bank.load(path, writable=False)
                except InputError:
                    path.unlink()  # damaged: it is made again
            _encode_to(path, part, encoder, revision, request, progress)
            return Bank.load(path, writable=False)
    except OSError as error:
        raise InputError(f"cache folder {cache} cannot be written ({error}); set ZSL_CACHE to another one") from error


def _encode_to(path: Path, part: str, encoder: Encoder, revision: str, request: Request, progress: Progress) -> None:
    encoding = encoder.encode(request)
    texts, notes = request.texts, tuple(encoding.notes)
    skipped = tuple(texts[row] for row in encoding.skipped)
    if skipped:
        kept = np.delete(np.arange(len(texts)), encoding.skipped)
        texts, notes = tuple(texts[row] for row in kept), tuple(notes[row] for row in kept)
    if not texts:
        raise InputError(f"encoder {part} has a vector for none of the labels, and the policy skips them all")
    family = part.partition(":")[0]

    def checked() -> Iterator[np.ndarray]:
        done = 0
        for block in encoding.blocks:
            check_rows(block, texts[done : done + len(block)], f"encoder {part}:")
            done += len(block)
            progress(f"encode with {family}", done, len(texts))
            yield block

    progress(f"encode with {family}", 0, len(texts))
    blocks = checked()
    first = next(blocks)
    head = Head(texts, Provenance(family, revision, skipped=skipped), notes, len(texts), ())
    bank_file.write(path, head, first.shape[1], chain([first], blocks))


def _pooled(texts: Texts, encoded: Sequence[Bank]) -> tuple[np.ndarray, np.ndarray]:
    """Which labels are kept, (label,) bool, and their vectors: the encoders' side by side, a mean over texts."""
    present = np.ones((len(encoded), len(texts.distinct)), bool)
    for row, bank in enumerate(encoded):
        if bank.provenance.skipped:
            skipped = set(bank.provenance.skipped)
            present[row] = [text not in skipped for text in texts.distinct]
    starts = np.cumsum(texts.counts) - texts.counts
    kept = np.logical_and.reduceat(np.all(present, axis=0)[texts.rows], starts)
    alone = len(encoded) == 1 and len(texts.rows) == len(texts.distinct) == len(texts.counts)
    if alone and kept.all():
        return kept, encoded[0].vectors
    places = np.cumsum(present, axis=1) - 1  # of each distinct text among an encoder's vectors
    labels = np.flatnonzero(kept)
    most = int(texts.counts.max())

    def blocks() -> Iterator[np.ndarray]:
        step = max(1, ROWS // most)
        for start in range(0, len(labels), step):
            chosen = labels[start : start + step]
            counts = texts.counts[chosen]
            begins = np.cumsum(counts) - counts
            flat = texts.rows[np.repeat(starts[chosen] - begins, counts) + np.arange(counts.sum())]
            sides = [bank.vectors[place[flat]] for bank, place in zip(encoded, places, strict=True)]
            if most > 1:
                unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
                sides = [np.add.reduceat(side, begins) / counts[:, None] for side in unit]
            yield np.concatenate(sides, axis=1)
            for bank in encoded:
                release(bank.vectors)

    return kept, _collected(blocks(), len(labels))


def _collected(blocks: Iterator[np.ndarray], rows: int) -> np.ndarray:
    first = next(blocks)
    vectors = np.empty((rows, first.shape[1]), np.float32)
    done = 0
    for block in chain([first], blocks):
        vectors[done : done + len(block)] = block
        done += len(block)
    return vectors


def _notes(texts: Texts, encoded: Sequence[Bank]) -> tuple[str, ...]:
    """What was done for each label, over its texts and encoders."""
    of_text = []
    for bank in encoded:
        prefix = f"{bank.provenance.encoder}: " if len(encoded) > 1 else ""
        pairs = zip(bank.labels, bank.notes, strict=True)
        of_text.append({text: f"{prefix}{note}" for text, note in pairs if note})
    if not any(of_text) and not any(texts.notes):
        return ("",) * len(texts.notes)
    starts = np.cumsum(texts.counts) - texts.counts
    notes = []
    for note, start, count in zip(texts.notes, starts, texts.counts, strict=True):
        own = [texts.distinct[row] for row in texts.rows[start : start + count]]
        found = [note, *(given[text] for given in of_text for text in own if text in given)]
        notes.append("; ".join(dict.fromkeys(filter(None, found))))
    return tuple(notes)
