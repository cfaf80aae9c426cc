"""Encodes texts with one encoder, in blocks, into a bank file; the cache may keep the file."""

import json
import tempfile
import warnings
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
from filelock import FileLock

from embeddings.banks import bank_file
from embeddings.banks.bank import Bank
from embeddings.banks.bank_file import Head, Provenance, checked
from embeddings.encoders.encoder import Opened, Request
from embeddings.io.errors import InputError, InputWarning
from embeddings.io.progress import Progress

LIBRARIES = ("gensim", "numpy", "sentence-transformers", "torch", "transformers")


def encode(opened: Opened, request: Request, cache: Path | None, progress: Progress) -> Bank:
    """The vectors of the request's texts from one encoder; they are read from the cache if it has them.

    Args:
        opened: the encoder.
        request: distinct texts, and the settings on which their vectors may depend.
        cache: folder of encoded texts; None keeps nothing.
        progress: called with the number of texts encoded.
    Returns:
        a bank whose labels are the texts; its vectors are memory-mapped, read-only.
    Raises:
        InputError: the encoder cannot be used, lacks texts, or gives a vector that is not finite or all zeros; the
            cache cannot be written.
    """
    family, revision = opened.family, opened.encoder.revision()
    if cache is None or not family.cached:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "texts.safetensors"
            _encode_to(path, opened, revision, request, progress)
            return Bank.load(path, writable=False)  # the memory mapping stays valid after the file is deleted
    libraries = LIBRARIES + family.libraries
    used = [bank_file.FORMAT, family.version, *(f"{library} {version(library)}" for library in libraries)]
    key = sha256(json.dumps([opened.name, revision, family.depends_on(request), used]).encode()).hexdigest()
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
                told = f"the cached vectors of {opened.spec} in {path} are damaged; the texts are encoded again"
                warnings.warn(told, InputWarning, stacklevel=3)
        _encode_to(path, opened, revision, request, progress)
        return Bank.load(path, writable=False)
    finally:
        lock.release()


def _encode_to(path: Path, opened: Opened, revision: str, request: Request, progress: Progress) -> None:
    encoding = opened.encoder.encode(request)
    texts, notes = request.texts, tuple(encoding.notes)
    skipped = tuple(texts[row] for row in encoding.skipped)
    if skipped:
        kept = np.delete(np.arange(len(texts)), encoding.skipped)
        texts, notes = tuple(texts[row] for row in kept), tuple(notes[row] for row in kept)
    if not texts:
        raise InputError(f"encoder {opened.spec} has no vector for any of the labels, and the policy skips them all")

    def counted(parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        done = 0
        progress(f"encode with {opened.name}", 0, len(texts))
        for block in parts:
            done += len(block)
            progress(f"encode with {opened.name}", done, len(texts))
            yield block

    remedy = "leave it out, give an alias, or choose another encoder"
    parts = counted(checked(encoding.blocks, texts, f"encoder {opened.spec}:", remedy))
    first = next(parts)
    made = Provenance(opened.name, revision, skipped=skipped, remarks=tuple(encoding.remarks))
    head = Head(texts, made, notes, len(texts), ())
    bank_file.write(path, head, first.shape[1], chain([first], parts))
