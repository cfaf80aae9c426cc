"""`matrix`: a matrix of vectors from a file: `.npy`, `.safetensors`, or torch's `.pth` and `.pt` (weights_only)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoders.encoder import Encoder, Family, Request, hash_of_files, options_of
from embeddings.encoders.oov import Words
from embeddings.encoders.word_table import RowTable
from embeddings.io.arrays import check_stored, read_array
from embeddings.io.errors import InputError
from embeddings.io.reading import reason_of
from embeddings.texts import read_labels

OPTIONS = ("labels", "key", "layout")


def read_matrix(path: Path, key: str | None = None) -> np.ndarray:
    """The array of a file; leading axes of size 1 are dropped.

    Args:
        path: a file that ends in .npy, .safetensors, .pth or .pt.
        key: the name of the tensor; needed if the file holds several.
    Returns:
        an array with two axes.
    Raises:
        InputError: no such file, an unknown suffix, a damaged file, a pickle with other objects than tensors, several
            tensors and no key.
    """
    if not path.is_file():
        raise InputError(f"encoder matrix: no file {path}; options are labels=, key=, layout=, each after a comma")
    if path.suffix not in READERS:
        raise InputError(f"encoder matrix: {path} does not end in {', '.join(READERS)}")
    try:
        content = READERS[path.suffix](path)
    except InputError:
        raise
    except Exception as error:  # each library raises its own kinds of errors
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
        matrix: one row per label, or one column per label (ML-Decoder's `[..., 300, N]`).
        labels: number of labels.
        layout: "rows" or "columns"; needed only if both would fit.
        place: the matrix's name in messages.
    Returns:
        (label, embed), a view of `matrix`.
    Raises:
        InputError: neither axis has one entry per label, or both have and no layout is given.
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


def _open(argument: str, request: Request) -> Encoder:
    name, options = options_of(argument, OPTIONS)
    path = Path(name)
    table = read_matrix(path, options.get("key"))
    labels = read_labels(Path(options["labels"])) if "labels" in options else request.texts
    vectors = rows_by_label(table, len(labels), options.get("layout"), f"matrix:{name}")
    files = [path, Path(options["labels"])] if "labels" in options else [path]
    layout = "rows" if vectors is table else "columns"
    rows = {label: row for row, label in enumerate(labels)}
    return Words(f"{hash_of_files(files)}, {layout}", lambda: RowTable(rows, vectors, str(path)))


FAMILY = Family(
    _open,
    ".npy, .safetensors or .pth, in the labels' order or with labels=FILE",
    "the file's",
    "the file's",
    cached=False,
    words=True,
    by_order=lambda argument: "labels" not in options_of(argument, OPTIONS)[1],
)
