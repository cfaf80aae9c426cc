"""`sentence-transformers`: any model of that library, including text encoders of CLIP."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoders.encoder import Encoder, Encoding, Family, Request, options_of
from embeddings.io.errors import InputError

BLOCK = 16_384  # texts in one call of the model: it sorts them by length, so short ones are not padded to long ones
DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Options:
    """How a model is loaded and asked.

    Args:
        prompt: stands before every text, such as "query: "; None leaves it to the model.
        prompt_name: the name of one of the model's own prompts, instead of `prompt`.
        dtype: of the weights: "float32", "float16" or "bfloat16"; None leaves it to the model.
        trust_remote_code: whether code that comes with the model may run.
    """

    prompt: str | None = None
    prompt_name: str | None = None
    dtype: str | None = None
    trust_remote_code: bool = False

    @property
    def told(self) -> str:
        """What is not the default, for the revision."""
        given = {key: value for key, value in vars(self).items() if value not in (None, False)}
        return "".join(f", {key}={value}" for key, value in given.items())


class SentenceEncoder(Encoder):
    """A model, given by its folder or by its name on the hub.

    Raises:
        InputError: no name is given; when the model is first needed, it cannot be loaded.
    """

    def __init__(self, name: str, options: Options = Options()):
        if not name:
            raise InputError("encoder sentence-transformers needs a model: sentence-transformers:<name or folder>")
        self.name, self.options = name, options

    @cached_property
    def model(self) -> Any:
        """The model, loaded when it is first needed."""
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # it draws over the bars of the command line
        try:
            model = SentenceTransformer(
                self.name,
                trust_remote_code=self.options.trust_remote_code,
                model_kwargs={} if self.options.dtype is None else {"dtype": self.options.dtype},
            )
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
        asked = self.options.prompt_name
        if asked is not None and asked not in model.prompts:
            known = ", ".join(name for name, prompt in model.prompts.items() if prompt) or "none; give prompt=TEXT"
            raise InputError(f"{self.name!r} has no prompt {asked!r}; it has: {known}")
        return model

    def revision(self) -> str:
        """The hash of a folder's files, or the hub's commit."""
        folder = Path(self.name)
        if not folder.is_dir():
            return f"{self.name} commit {self._commit()}{self.options.told}"
        digest = hashlib.sha256()
        # weights, tokenizer and the modules' settings: all that decides a vector
        deciding = _DECIDING | ({".py"} if self.options.trust_remote_code else set())
        for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in deciding):
            digest.update(file.relative_to(folder).as_posix().encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return f"sha256 {digest.hexdigest()[:16]}{self.options.told}"

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
        if prompt and self.options.prompt is None and self.options.prompt_name is None:
            found.append(f"the model's default prompt, {prompt!r}, stands before every text")
        return tuple(found)

    def encode(self, request: Request) -> Encoding:
        return Encoding(self.vectors(request.texts), [""] * len(request.texts), remarks=self.remarks())

    def vectors(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """(text, embed) float32, in blocks of texts."""
        for start in range(0, len(texts), BLOCK):
            block = list(texts[start : start + BLOCK])
            asked = {"prompt": self.options.prompt, "prompt_name": self.options.prompt_name}
            found = self.model.encode(block, convert_to_numpy=True, show_progress_bar=False, **asked)
            yield np.asarray(found, np.float32)


def _open(argument: str, request: Request) -> Encoder:
    name, given = options_of(argument, [field.name for field in fields(Options)])
    for key, known in (("dtype", DTYPES), ("trust_remote_code", ("true", "false"))):
        if key in given and given[key] not in known:
            told = f"{key}={given[key][:40]} is none of {', '.join(known)}"
            raise InputError(f"encoder sentence-transformers: {told}")
    if "prompt" in given and "prompt_name" in given:
        raise InputError("encoder sentence-transformers: give prompt or prompt_name, not both")
    trusted = given.pop("trust_remote_code", "false") == "true"
    return SentenceEncoder(name, Options(trust_remote_code=trusted, **given))


_DECIDING = {".safetensors", ".bin", ".json", ".txt", ".model"}

FAMILY = Family(
    _open,
    "a model's folder or hub name, with options such as prompt=TEXT",
    "the model's",
    "the model's",
    version=2,
    apart="check that the model's folder holds its tokenizer (tokenizer.json, or vocab.txt and the like), that the "
    "model knows the script of the names, and that no names differ only in capitals",
)
