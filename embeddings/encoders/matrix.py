"""A ready matrix of vectors: `.npy`, `.safetensors`, or torch's `.pth` and `.pt` read with weights_only."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.io.arrays import check_stored, read_array
from embeddings.io.errors import InputError
from embeddings.io.reading import reason_of


def read_matrix(path: Path, key: str | None = None) -> np.ndarray:
    """The array of a file; leading axes of size 1 are dropped.

    Args:
        path: ends in .npy, .safetensors, .pth or .pt.
        key: which of several tensors.
    Returns:
        of two axes.
    Raises:
        InputError: another suffix, damaged, a pickle of anything but tensors, several tensors and no key.
    """
    if not path.is_file():
        raise InputError(f"encoder matrix: no file {path}; options are labels=, key=, layout=, each after a comma")
    if path.suffix not in READERS:
        raise InputError(f"encoder matrix: {path} is none of {', '.join(READERS)}")
    try:
        content = READERS[path.suffix](path)
    except InputError:
        raise
    except Exception as error:  # each library has its own kinds
        reason = reason_of(error)
        if "weights_only" in str(error):
            reason = "it holds objects besides tensors; save the tensor alone"
        raise InputError(f"{path} cannot be read as {path.suffix[1:]} of tensors ({reason}); save it again") from error
    chosen = list(content) if key is None else [name for name in content if name == key]
    if len(chosen) != 1:
        raise InputError(f"{path} holds tensors {sorted(content)}; choose one: matrix:{path},key=NAME")
    array = content[chosen[0]]
    shape = array.shape
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise InputError(f"{path} holds {array.dtype} of shape {shape}, not a matrix of vectors")
    return array


def _numpy(path: Path) -> dict[str, np.ndarray]:
    return {"": read_array(path, "a matrix of vectors")}


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors import safe_open

    with safe_open(str(path), "torch") as file:  # numpy has no bfloat16
        return {name: _as_numpy(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 - not a dict


def _torch(path: Path) -> dict[str, np.ndarray]:
    import torch

    check_stored(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, torch.Tensor):
        return {"": _as_numpy(content)}
    if not isinstance(content, Mapping):
        raise TypeError(f"a {type(content).__name__}, not a tensor")
    return {str(name): _as_numpy(value) for name, value in content.items() if isinstance(value, torch.Tensor)}


def _as_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"a tensor of shape {tuple(tensor.shape)} that repeats fewer numbers; save its contiguous()")
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


READERS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    ".npy": _numpy,
    ".safetensors": _safetensors,
    ".pth": _torch,
    ".pt": _torch,
}


def rows_by_label(matrix: np.ndarray, labels: int, layout: str | None, place: str) -> np.ndarray:
    """The matrix as (label, embed).

    Args:
        matrix: one row a label, or one column a label (ML-Decoder's `[..., 300, N]`).
        labels: how many.
        layout: "rows" or "columns" where both would fit.
        place: for errors.
    Raises:
        InputError: neither axis has as many entries as there are labels, or both have.
    """
    fits = {"rows": matrix.shape[0] == labels, "columns": matrix.shape[1] == labels}
    if layout is not None and layout not in fits:
        raise InputError(f"{place}: layout is rows or columns, not {layout!r}")
    chosen = [name for name, fit in fits.items() if fit and layout in (None, name)]
    if not chosen:
        raise InputError(f"{place} has shape {matrix.shape}, which does not fit {labels} labels; give labels=NAMES.txt")
    if len(chosen) == 2:
        raise InputError(f"{place} is square: say {place},layout=rows or {place},layout=columns")
    return matrix if chosen[0] == "rows" else matrix.T
