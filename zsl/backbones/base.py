"""The interface of backbones: images to tokens, and what training needs from them."""

from abc import ABC, abstractmethod
from itertools import chain
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from embeddings.io.errors import InputError


class BaseBackbone(nn.Module, ABC):
    """Images (batch, 3, height, width) uint8 to tokens (batch, token, channel).

    Attributes:
        model: the module that does the work.
        name: for messages.
        mode: "frozen", or "tuned" if `zsl.fit` trains it too; for a backbone made from a config, the config decides.
        cached: a frozen backbone reads each image once, and its tokens are kept.
        frozen: no part of it is trained.
        leading: number of tokens of the whole image, which come before those of the grid's places; 0 or 1.
        remedy: what to do if its tokens cannot be used, for messages.
        resized: what to do if it does not take images of some size, for messages.
    """

    model: Any
    name: str
    mode: Literal["frozen", "tuned"] = "frozen"
    cached: bool = True
    frozen: bool = False
    leading: int = 0
    remedy: ClassVar[str]
    resized: ClassVar[str] = "set data.image_size"

    @abstractmethod
    def forward(self, images: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token channel"]: ...

    def fault(self, images: Tensor) -> str | None:
        """What is wrong with the tokens of images (batch, 3, height, width); None if they can be used."""
        return None

    @torch.no_grad()
    def grid(self, image_size: int) -> tuple[int, int]:
        """The grid of places that tokens stand for; those after the leading ones are in its order, row by row.

        Args:
            image_size: the side of a square image, in pixels.
        Returns:
            (rows, columns).
        Raises:
            InputError: the backbone does not say which token is which place.
        """
        training = self.training
        self.eval()
        rows, columns = self.grid_of(torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device=self.device))
        self.train(training)
        return rows, columns

    @abstractmethod
    def grid_of(self, images: UInt8[Tensor, "batch 3 height width"]) -> tuple[int, int]:
        """`grid` for images like these."""

    @property
    def device(self) -> torch.device:
        """The device that its weights are on."""
        tensors = chain(self.parameters(), self.buffers())
        return next((tensor.device for tensor in tensors), torch.device("cpu"))

    def leave_out_unused(self, image_size: int) -> None:
        """Excludes from training the parameters that the tokens do not depend on.

        With several processes, training would wait for their gradients for ever.

        Args:
            image_size: the side of a square image, in pixels.
        """
        training = self.training
        self.eval()
        self(torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device=self.device)).sum().backward()
        for parameter in self.parameters():
            parameter.requires_grad_(parameter.requires_grad and parameter.grad is not None)
            parameter.grad = None
        self.train(training)

    def freeze(self) -> None:
        """From now on there are no gradients, and running statistics do not change."""
        self.frozen = True
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "BaseBackbone":
        return super().train(mode and not self.frozen)

    def channels(self, image_size: int) -> int:
        """The size of a token; see `shape`."""
        return self.shape(image_size)[1]

    @torch.no_grad()
    def shape(self, image_size: int) -> tuple[int, int]:
        """How many tokens an image has, and the size of a token.

        Args:
            image_size: the side of a square image, in pixels.
        Returns:
            (tokens, channels).
        Raises:
            InputError: the model does not take images of this size, or its tokens are not those of a grid over the
                image.
        """
        training = self.training
        self.eval()
        image = torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8, device=self.device)
        try:
            fault = self.fault(image)
            tokens = self(image) if fault is None else None
        except Exception as error:  # models raise many kinds of errors
            raise InputError(
                f"the backbone does not take images of {image_size} px ({first_line(error)}); {self.resized}"
            ) from error
        if tokens is None:
            raise InputError(f"backbone {self.name!r} gives {fault}; {self.remedy}")
        self.train(training)
        return int(tokens.shape[1]), int(tokens.shape[2])


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its kind."""
    return next(iter(str(error).splitlines()), type(error).__name__)
