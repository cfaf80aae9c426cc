"""Banks from label names: encoded once, kept in a cache, pooled, transformed."""

import json
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from itertools import chain, compress
from pathlib import Path

import numpy as np
from filelock import FileLock
from threadpoolctl import threadpool_limits

from embeddings.banks import bank_file
from embeddings.banks.bank import Bank
from embeddings.banks.bank_file import Head, Provenance, checked
from embeddings.banks.similarity import told_apart
from embeddings.banks.transforms import fit_transforms, transformed
from embeddings.encoders.oov import DEFAULT_POLICY, check_policy
from embeddings.encoders.table import ENCODERS, Encoder, Request, TagLists, by_order, open_encoder, split_spec
from embeddings.io.errors import InputError, InputWarning
from embeddings.io.mapping import IN_MEMORY, ROWS, blocks, collected, release
from embeddings.io.names import label_name
from embeddings.io.progress import Progress, silent
from embeddings.texts import Aliases, Descriptions, Texts, texts_of

LIBRARIES = ("gensim", "numpy", "sentence-transformers", "torch", "transformers")


def build_bank(
    labels: Sequence[str],
    encoder: str,
    *,
    num_seen: int | None = None,
    prompts: str | Sequence[str] = "{}",
    descriptions: Descriptions | None = None,
    aliases: Aliases | None = None,
    oov: str | Sequence[str] = DEFAULT_POLICY,
    transforms: str | Sequence[str] = (),
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
        oov: the policy for names that an encoder's table of words lacks; see `embeddings.encoders.oov`.
        transforms: of `embeddings.banks.transforms`, in order.
        seed: for the encoders that draw numbers.
        tag_lists: of the training set, for `corpus` without a file.
        cache: folder where encoded texts are kept for the next request; None keeps nothing.
        progress: told of texts encoded.
    Raises:
        InputError: an unknown family, a template without a place for the name, labels that the encoder lacks.
    """
    labels = _names(labels)
    num_seen = len(labels) if num_seen is None else num_seen
    if not 0 < num_seen <= len(labels):
        raise InputError(f"num_seen is {num_seen}, but there are {len(labels)} labels, the seen ones first")
    oov, transforms = ((given,) if isinstance(given, str) else tuple(given) for given in (oov, transforms))
    check_policy(oov)
    prompts = (prompts,) if isinstance(prompts, str) else tuple(prompts)
    texts = texts_of(labels, prompts, descriptions, aliases)
    parts = split_spec(encoder)
    for part in filter(by_order, parts):
        if prompts != ("{}",) or descriptions is not None or aliases:
            raise InputError(f"encoder {part} goes by the labels' order, so it takes no prompts, aliases, descriptions")
    request = Request(texts.distinct, oov, seed, tag_lists)
    encoded = [_encoded(part, request, cache, progress) for part in parts]
    kept, vectors = _pooled(texts, encoded)
    notes = _notes(texts, parts, encoded)
    num_seen = int(kept[:num_seen].sum())
    if not num_seen:
        raise InputError("no seen label is left in the bank; the policy for names out of vocabulary skipped them all")
    skipped = tuple(label for label, keep in zip(labels, kept, strict=True) if not keep)
    if skipped:
        labels, notes = (tuple(compress(names, kept)) for names in (labels, notes))
    remarks = _remarks(parts, encoded)
    made = Provenance(
        encoder,
        " + ".join(bank.provenance.revision for bank in encoded),
        prompts,
        _hash_of_descriptions(descriptions, skipped + labels),
        oov,
        seed,
        skipped,
        remarks,
    )
    # one thread: how many there are changes the last bits
    with threadpool_limits(1):
        fitted = fit_transforms(transforms, vectors[:num_seen], [bank.embed_dim for bank in encoded])
        if fitted:
            after, remedy = f"after {', '.join(transforms)}, label", "leave it out, or choose other transforms"
            vectors = collected(checked(transformed(vectors, fitted), labels, after, remedy), len(vectors))
    if vectors.nbytes <= IN_MEMORY and not vectors.flags.writeable:
        vectors = np.array(vectors)
    return Bank(labels, vectors, made, notes, num_seen, fitted, verified=True)


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
        InputError: as `build_bank`; labels that are there already; an encoder that is not the one of the bank;
            descriptions where the bank has none, or none where it has.
    """
    made = bank.provenance
    labels = _names(labels)
    known = set(bank.labels)
    twice = [label for label in labels if label in known]
    if twice:
        raise InputError(f"label {twice[0]!r} is in the bank already; remove it from the new ones")
    if any(map(by_order, split_spec(made.encoder))):
        raise InputError(f"a bank of {made.encoder} goes by the order of its labels, so it cannot be extended")
    if (descriptions is None) != (not made.descriptions):
        remedy = "give some for the new labels" if made.descriptions else "leave them out"
        raise InputError(f"the bank's labels have {'' if made.descriptions else 'no '}descriptions: {remedy}")
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
    with threadpool_limits(1):
        treated = checked(transformed(new.vectors, bank.transforms), new.labels, "label", "leave it out")
        vectors = collected(chain(blocks(bank.vectors), treated), len(bank) + len(new))
    added = new.provenance
    hashes = sha256(f"{made.descriptions} {added.descriptions}".encode()).hexdigest() if made.descriptions else ""
    remarks = tuple(dict.fromkeys(made.remarks + added.remarks))
    provenance = replace(made, descriptions=hashes, skipped=made.skipped + added.skipped, remarks=remarks)
    labels, notes = bank.labels + new.labels, bank.notes + new.notes
    return Bank(labels, vectors, provenance, notes, bank.num_seen, bank.transforms, verified=True)


def _names(labels: Sequence[str]) -> tuple[str, ...]:
    if not labels:
        raise InputError("there is no label to encode")
    names = tuple(label_name(label, "the labels") for label in labels)
    if len(set(names)) < len(names):
        twice = next(label for label, count in Counter(names).items() if count > 1)
        raise InputError(f"label {twice!r} stands twice among the labels; remove one")
    return names


def _hash_of_descriptions(descriptions: Descriptions | None, labels: Sequence[str]) -> str:
    if descriptions is None:
        return ""
    given = {label: descriptions[label] for label in labels if label in descriptions}
    used = {label: [texts] if isinstance(texts, str) else list(texts) for label, texts in given.items()}
    return sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()


def _encoded(part: str, request: Request, cache: Path | None, progress: Progress) -> Bank:
    """The vectors of the request's texts under one encoder, as a bank whose labels are the texts."""
    name = part.partition(":")[0]
    family, encoder = ENCODERS[name], open_encoder(part, request)
    revision = encoder.revision()
    if cache is None or not family.cached:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "texts.safetensors"
            _encode_to(path, part, encoder, revision, request, progress)
            return Bank.load(path, writable=False)  # the mapping outlives the file's name
    used = [bank_file.FORMAT, family.version, *(f"{library} {version(library)}" for library in LIBRARIES)]
    key = sha256(json.dumps([name, revision, family.depends_on(request), used]).encode()).hexdigest()
    path = cache / f"{key}.safetensors"
    lock = FileLock(f"{path}.lock")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock.acquire()  # a second process waits for the first one's vectors
    except OSError as error:
        raise InputError(f"cache folder {cache} cannot be written ({error}); set ZSL_CACHE to another one") from error
    try:
        if path.is_file():
            try:
                return Bank.load(path, writable=False)
            except InputError:
                told = f"the cached vectors of {part} in {path} are damaged; they are made again"
                warnings.warn(told, InputWarning, stacklevel=2)
        _encode_to(path, part, encoder, revision, request, progress)
        return Bank.load(path, writable=False)
    finally:
        lock.release()


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

    def told(parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        done = 0
        progress(f"encode with {family}", 0, len(texts))
        for block in parts:
            done += len(block)
            progress(f"encode with {family}", done, len(texts))
            yield block

    remedy = "leave it out, give an alias, or choose another encoder"
    parts = told(checked(encoding.blocks, texts, f"encoder {part}:", remedy))
    first = next(parts)
    made = Provenance(family, revision, skipped=skipped, remarks=tuple(encoding.remarks))
    head = Head(texts, made, notes, len(texts), ())
    bank_file.write(path, head, first.shape[1], chain([first], parts))


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
    if alone and kept.all() and not texts.averaged:
        return kept, encoded[0].vectors
    places = np.cumsum(present, axis=1) - 1  # of each distinct text among an encoder's vectors
    labels = np.flatnonzero(kept)
    most = int(texts.counts.max())

    def parts() -> Iterator[np.ndarray]:
        step = max(1, ROWS // most)
        for start in range(0, len(labels), step):
            chosen = labels[start : start + step]
            counts = texts.counts[chosen]
            begins = np.cumsum(counts) - counts
            flat = texts.rows[np.repeat(starts[chosen] - begins, counts) + np.arange(counts.sum())]
            sides = [bank.vectors[place[flat]] for bank, place in zip(encoded, places, strict=True)]
            if texts.averaged:
                unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
                sides = [np.add.reduceat(side, begins) / counts[:, None] for side in unit]
            yield np.concatenate(sides, axis=1)
            for bank in encoded:
                release(bank.vectors)

    names = [texts.distinct[texts.rows[starts[label]]] for label in labels]
    return kept, collected(checked(parts(), names, "the mean of the texts of", "give other texts"), len(labels))


def _remarks(specs: Sequence[str], encoded: Sequence[Bank]) -> tuple[str, ...]:
    """What a user should know of the encoders; each is a warning, too.

    Raises:
        InputError: an encoder that does not tell the texts apart.
    """
    remarks = []
    for spec, bank in zip(specs, encoded, strict=True):
        advice = ENCODERS[spec.partition(":")[0]].apart
        alike = told_apart(bank, f"encoder {spec}", advice) if advice else ""
        remarks += [f"{spec}: {remark}" for remark in (*bank.provenance.remarks, alike) if remark]
    for remark in remarks:
        warnings.warn(remark, InputWarning, stacklevel=3)
    return tuple(remarks)


def _notes(texts: Texts, specs: Sequence[str], encoded: Sequence[Bank]) -> tuple[str, ...]:
    """What was done for each label, over its texts and encoders."""
    of_text = []
    for spec, bank in zip(specs, encoded, strict=True):
        prefix = f"{spec}: " if len(encoded) > 1 else ""
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
