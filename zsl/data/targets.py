"""Annotations of images by labels, sparse: nine million images by twenty thousand labels are no array."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int8, Int64
from scipy.sparse import csr_array, hstack

Rows = Sequence[int] | np.ndarray | slice


class Targets:
    """(image, label) annotations: 1 for a label that is there, -1 for one known to be absent, else 0.

    Where they are `partial`, 0 means that nobody looked; elsewhere it means absent, and there is no -1.
    """

    def __init__(self, matrix: csr_array, partial: bool = False):
        self.matrix = matrix
        self.partial = partial

    @classmethod
    def of(cls, table: np.ndarray) -> "Targets":
        """Of a table (image, label) of 0 and 1."""
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
        """Of single annotations in any order, each 1 without `values`; of several for one place the highest."""
        if values is None:
            matrix = csr_array((np.ones(len(rows), np.int8), (rows, columns)), shape=shape)
            matrix.data[:] = 1  # what stood several times was added up
            return cls(matrix, partial)
        places = rows.astype(np.int64) * shape[1] + columns
        order = np.lexsort((-values.astype(np.int8), places))
        places, first = np.unique(places[order], return_index=True)
        kept = values[order][first].astype(np.int8)
        return cls(csr_array((kept, np.divmod(places, shape[1])), shape=shape), partial)

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
        return Targets(hstack([self.matrix, other.matrix], format="csr"), self.partial)

    def dense(self) -> Int8[np.ndarray, "image label"]:
        """As an array."""
        return self.matrix.toarray()

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        return self.dense().astype(dtype or np.int8)  # type: ignore[call-overload]

    def label_counts(self) -> Int64[np.ndarray, " label"]:
        """Images that show each label."""
        return np.bincount(self.matrix.indices[self.matrix.data > 0], minlength=self.shape[1])

    def image_counts(self) -> Int64[np.ndarray, " image"]:
        """Labels that each image shows."""
        total = np.concatenate([[0], np.cumsum(self.matrix.data > 0)])
        return np.diff(total[self.matrix.indptr])
