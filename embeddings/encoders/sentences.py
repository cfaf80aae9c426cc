"""`sentence-transformers`: any model of that library, including text encoders of CLIP."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoders.encoder import Encoder, Encoding, Family, Request
from embeddings.io.errors import InputError

BLOCK = 16_384  # texts in one call of the model: it sorts them by length, so short ones are not padded to long ones


class SentenceEncoder(Encoder):
    """A model, given by its folder or by its name on the hub.

    Raises:
        InputError: no name is given; when the model is first needed, it cannot be loaded.
    """

    def __init__(self, name: str):
        if not name:
            raise InputError("encoder sentence-transformers needs a model: sentence-transformers:<name or folder>")
        self.name = name

    @cached_property
    def model(self) -> Any:
        """The model, loaded when it is first needed."""
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # it draws over the bars of the command line
        try:
            model = SentenceTransformer(self.name)
        except Exception as error:  # the library, its hub client and its parsers raise many kinds of errors
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(
                f"sentence-transformers cannot load {self.name!r} ({reason[0]}); give a folder that holds the model, "
                "or a hub name where there is a network"
            ) from error
        tokenizer = model.tokenizer
        if hasattr(tokenizer, "get_vocab") and len(tokenizer.get_vocab()) <= len(tokenizer.all_special_tokens):
            # without its files transformers makes an empty tokenizer, which cannot tell words apart
            lacks = "the folder lacks tokenizer.json, or vocab.txt and the like"
            raise InputError(f"the tokenizer of {self.name!r} knows no word; {lacks}")
        return model

    def revision(self) -> str:
        """The hash of a folder's files, or the hub's commit."""
        folder = Path(self.name)
        if not folder.is_dir():
            return f"{self.name} commit {self._commit()}"
        digest = hashlib.sha256()
        # weights, tokenizer and the modules' settings: all that decides a vector
        for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in _DECIDING):
            digest.update(file.relative_to(folder).as_posix().encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return f"sha256 {digest.hexdigest()[:16]}"

    def _commit(self) -> str:
        found = self._file("config.json")
        return found.parent.name if found else "unknown"  # .../snapshots/<commit>/config.json

    def _file(self, name: str) -> Path | None:
        """A file of the model; None if it has no such file."""
        folder = Path(self.name)
        if folder.is_dir():
            return folder / name if (folder / name).is_file() else None
        from huggingface_hub import try_to_load_from_cache

        _ = self.model  # fetched now, if it was not there
        names = [self.name] if "/" in self.name else [f"sentence-transformers/{self.name}", self.name]
        for repository in names:
            found = try_to_load_from_cache(repository, name, os.environ.get("SENTENCE_TRANSFORMERS_HOME"))
            if isinstance(found, str):
                return Path(found)
        return None

    def remarks(self) -> tuple[str, ...]:
        """A pooling method that the library had to guess, and a prompt that it puts before every text."""
        found = []
        pooled = [module for module in self.model if type(module).__name__ == "Pooling"]
        if pooled and self._file("modules.json") is None:
            # the attribute of new versions of the library, or the method of old ones
            mode = getattr(pooled[0], "pooling_mode", None) or pooled[0].get_pooling_mode_str()
            found.append(f"there is no modules.json, so {mode} pooling of the tokens is a guess; get the whole folder")
        prompt = self.model.prompts.get(self.model.default_prompt_name)
        if prompt:
            found.append(f"the model's default prompt, {prompt!r}, stands before every text")
        return tuple(found)

    def encode(self, request: Request) -> Encoding:
        return Encoding(self.vectors(request.texts), [""] * len(request.texts), remarks=self.remarks())

    def vectors(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """(text, embed) float32, in blocks of texts."""
        for start in range(0, len(texts), BLOCK):
            block = list(texts[start : start + BLOCK])
            yield np.asarray(self.model.encode(block, convert_to_numpy=True, show_progress_bar=False), np.float32)


_DECIDING = {".safetensors", ".bin", ".json", ".txt", ".model"}

FAMILY = Family(
    lambda argument, request: SentenceEncoder(argument),
    "a model's folder or hub name",
    "the model's",
    "the model's",
    version=2,
    apart="check that the model's folder holds its tokenizer (tokenizer.json, or vocab.txt and the like), that the "
    "model knows the script of the names, and that no names differ only in capitals",
)
