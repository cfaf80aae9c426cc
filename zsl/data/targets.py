"""Sparse annotations (image, label): nine million images by twenty thousand labels do not fit an array in memory."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int8, Int64

if TYPE_CHECKING:  # a dataset's config is read without scipy
    import scipy.sparse

Rows = Sequence[int] | np.ndarray | slice


class Targets:
    """(image, label) annotations: 1 for a label that is present, -1 for one that is known to be absent, else 0.

    If they are `partial`, 0 means not annotated; otherwise 0 means absent, and there is no -1.
    """

    def __init__(self, matrix: "scipy.sparse.csr_array", partial: bool = False):
        self.matrix = matrix
        self.partial = partial

    @classmethod
    def of(cls, table: np.ndarray) -> "Targets":
        """From a table (image, label) of 0 and 1."""
        from scipy.sparse import csr_array

        return cls(csr_array(table.astype(np.int8)))

    @classmethod
    def of_entries(
        cls,
        rows: np.ndarray,
        columns: np.ndarray,
        shape: tuple[int, int],
        values: np.ndarray | None = None,
        partial: bool = False,
    ) -> "Targets":
        """From single annotations in any order; if several are for the same entry, the highest counts.

        Without `values` each is 1.

        Raises:
            ValueError: a row or a column that is not in the table.
        """
        from scipy.sparse import csr_array

        for axis, places, size in (("row", rows, shape[0]), ("column", columns, shape[1])):
            if not _within(places, size):
                raise ValueError(f"a {axis} is not among the {size} of the table")
        if values is None:
            matrix = csr_array((np.ones(len(rows), np.int8), (rows, columns)), shape=shape)
            matrix.data[:] = 1  # duplicates were summed
            return cls(matrix, partial)
        places = rows.astype(np.int64) * shape[1] + columns
        order = np.lexsort((-values.astype(np.int8), places))
        places, first = np.unique(places[order], return_index=True)
        kept = values[order][first].astype(np.int8)
        return cls(csr_array((kept, np.divmod(places, shape[1])), shape=shape), partial)

    @classmethod
    def of_arrays(
        cls, values: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int], partial: bool
    ) -> "Targets":
        """From the arrays of a compressed sparse row matrix in a file.

        All arrays are checked, because native code would follow a wrong index outside its memory.

        Args:
            values: (entry,) whole numbers: 1 or 0; in `partial` annotations also -1.
            indices: (entry,) the label of each, in any order within an image.
            indptr: (image + 1,) where each image's entries begin, and where the last one's end.
            shape: images, labels.
            partial: same as for the class.
        Returns:
            the annotations.
        Raises:
            ValueError: an array is not as described; the message says which, and why.
        """
        for name, array in (("values", values), ("indices", indices), ("indptr", indptr)):
            if array.ndim != 1 or array.dtype.kind not in "iu":
                raise ValueError(f"its {name} are {array.dtype} of shape {array.shape}, not a list of whole numbers")
        if len(values) != len(indices):
            raise ValueError(f"it has {len(values)} values, but {len(indices)} indices")
        begins, ends = indptr[:-1], indptr[1:]
        if not 0 < len(indptr) == shape[0] + 1 or not _within(indptr, len(indices) + 1) or (begins > ends).any():
            raise ValueError(f"its indptr does not divide {len(indices)} entries among {shape[0]} images")
        if indptr[0] != 0 or indptr[-1] != len(indices):
            raise ValueError(f"its indptr leaves out some of {len(indices)} entries")
        if not _within(indices, shape[1]):
            raise ValueError(f"one of its indices is not among the {shape[1]} labels")
        if not np.isin(values, (-1, 0, 1) if partial else (0, 1)).all():
            raise ValueError(f"its values are not all {'-1, 0 or 1' if partial else '0 or 1'}")
        from scipy.sparse import csr_array

        matrix = csr_array((values.astype(np.int8), indices, indptr), shape=shape).sorted_indices()
        if not matrix.has_canonical_format:
            raise ValueError("it has two values for one image and label")
        return cls(matrix, partial)

    @property
    def shape(self) -> tuple[int, int]:
        """Images, labels."""
        rows, columns = self.matrix.shape
        return rows, columns

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> "Targets":
        return Targets(self.matrix[rows], self.partial)

    def columns(self, columns: Rows) -> "Targets":
        """The annotations of some labels."""
        return Targets(self.matrix[:, columns], self.partial)

    def beside(self, other: "Targets") -> "Targets":
        """The same images' annotations by these labels, then by those of `other`."""
        from scipy.sparse import hstack

        return Targets(hstack([self.matrix, other.matrix], format="csr"), self.partial)

    def dense(self) -> Int8[np.ndarray, "image label"]:
        """The annotations as an array."""
        return self.matrix.toarray()

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        return self.dense().astype(dtype or np.int8)  # type: ignore[call-overload]

    def label_counts(self) -> Int64[np.ndarray, " label"]:
        """How many images show each label."""
        return np.bincount(self.matrix.indices[self.matrix.data > 0], minlength=self.shape[1])

    def image_counts(self) -> Int64[np.ndarray, " image"]:
        """How many labels each image shows."""
        total = np.concatenate([[0], np.cumsum(self.matrix.data > 0)])
        return np.diff(total[self.matrix.indptr])


def _within(places: np.ndarray, size: int) -> bool:
    return not len(places) or bool(places.min() >= 0 and places.max() < size)
