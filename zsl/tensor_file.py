"""Weights and checkpoints on disk, in files that contain the hash of their content."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from embeddings.io import atomic, hashed_file
from embeddings.io.errors import InputError


def dump_tensors(file: BinaryIO, tensors: Mapping[str, Tensor]) -> str:
    """Writes tensors to an open file; the same tensors give the same bytes.

    Returns:
        the hash that the file holds.
    """
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return hashed_file.dump(file, safetensors_bytes(content, hashed_file.UNHASHED))


def read_tensors(path: Path, remedy: str) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file that `dump_tensors` wrote, and the hash that it holds.

    Args:
        path: the file.
        remedy: what to do if it is damaged ("train again"), for messages.
    Returns:
        the tensors by name, and the hash.
    Raises:
        InputError: no such file; a damaged file, or one of an earlier version, which wrote no hash.
    """
    try:
        _, header = hashed_file.check(path)
        return load_file(path), str(header["__metadata__"]["sha256"])
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; {remedy}") from error
    except (ValueError, SafetensorError) as error:
        raise InputError(f"{path} is damaged, or was written by an earlier version ({error}); {remedy}") from error


def save_module(path: Path, module: torch.nn.Module) -> str:
    """Writes a module's weights, and returns the hash that the file holds."""
    with atomic.replacing(path) as file:
        return dump_tensors(file, module.state_dict())


def load_module(path: Path, module: torch.nn.Module, remedy: str, sha256: str | None = None) -> None:
    """Loads weights that `save_module` wrote.

    Args:
        path: the file.
        module: gets the weights; it must have the class and sizes of the module that was saved.
        remedy: what to do if the file is damaged ("train again"), for messages.
        sha256: the hash that the file must have; None accepts any.
    Raises:
        InputError: the file is missing or damaged, has another hash than `sha256`, or does not fit the module.
    """
    tensors, found = read_tensors(path, remedy)
    if sha256 not in (None, found):
        raise InputError(f"{path} is not the file that its run wrote; restore it, or {remedy}")
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit its run's config ({str(error).splitlines()[0]}); {remedy}") from error


def state_hash(module: torch.nn.Module) -> str:
    """sha256 of a module's weights, by name; it does not depend on the file that holds them."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
