"""Memory for the batches that a loader's worker processes make."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a dataset's config is read without torch
    import torch

AHEAD = 2  # batches that a worker process reads before they are asked for
GOOD_FOR = 3  # batches that may be taken while an older one is in use


class Buffers:
    """Memory for batches: in a loader's worker process, a few shared pieces that are reused in turn.

    A batch stays valid until `GOOD_FOR` more have been taken. The system hands out fresh shared memory page by page,
    which costs as much as a seventh of decoding a small image.
    """

    def __init__(self) -> None:
        self.pieces: list[torch.Tensor] = []
        self.turn = 0

    def next(self, shape: tuple[int, ...]) -> "torch.Tensor":
        """A uint8 tensor of this shape; its values are undefined."""
        import torch
        from torch.utils.data import get_worker_info

        if get_worker_info() is None:
            return torch.empty(shape, dtype=torch.uint8)
        size = math.prod(shape)
        self.turn = (self.turn + 1) % (AHEAD + GOOD_FOR + 1)
        if self.turn >= len(self.pieces):
            self.pieces += [torch.empty(0, dtype=torch.uint8)] * (self.turn + 1 - len(self.pieces))
        if len(self.pieces[self.turn]) < size:
            self.pieces[self.turn] = torch.empty(size, dtype=torch.uint8).share_memory_()
        return self.pieces[self.turn][:size].view(shape)
