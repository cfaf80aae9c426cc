"""Where a trained model looked in a picture for its words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32

from embeddings.io.errors import InputError
from zsl.prediction.asking import Asked
from zsl.prediction.heat_maps import HeatMap
from zsl.readouts.looks import Look
from zsl.readouts.pooled import pool
from zsl.readouts.readout import on_grid

if TYPE_CHECKING:
    import PIL.Image

Tokens = Float[torch.Tensor, "1 token channel"]


class Looking:
    """A model with words, which says where it looked for them.

    Each word is asked by itself, also by a model whose words are asked together ("grouped").

    Args:
        asked: the model with the words.
        look: "attention" or "evidence"; None takes the readout's default.
    Raises:
        InputError: the readout cannot say where it looked, or cannot show this; the backbone's tokens have no places.
    """

    def __init__(self, asked: Asked, look: Look | None = None):
        model = asked.model
        self.asked, self.look = asked, model.readout.look_of(look)
        if not model.readout.placed:
            told = f"{type(model.readout).__name__} reads the token of the whole image alone, which has no place"
            raise InputError(f'{told}; for heat maps train with backbone.tokens = "patches"')
        backbone, self.square = model.reader()
        self.grid = backbone.grid(self.square.size)
        self.company = None if asked.company == "grouped" else asked.company
        # the order of groups is kept for a tensor that is not of inference, and computed again for others
        with torch.inference_mode(False):
            self.trained = asked.seen.clone()

    @torch.inference_mode()
    def values(self, tokens: Tokens, labels: Sequence[str]) -> Float32[np.ndarray, "label row column"]:
        """Where the model looked for some of its words.

        Args:
            tokens: of a picture (`tokens_of`).
            labels: some of the words.
        Returns:
            a map for each label over the square that the model reads, in float32.
        """
        vectors = torch.from_numpy(self.asked.words.vectors_of(labels)).to(tokens)
        found = self.asked.model.readout.looked(tokens, vectors, self.company, self.trained, self.look)
        return on_grid(found[0].float(), self.grid).cpu().numpy()

    def heat_maps(
        self,
        picture: "PIL.Image.Image",
        tokens: Tokens,
        labels: Sequence[str],
        notes: Sequence[str] = (),
    ) -> list[HeatMap]:
        """Heat maps to draw over the whole picture.

        Args:
            picture: the whole picture, RGB.
            tokens: of this picture.
            labels: some of the words.
            notes: shown after each label, such as its score; () shows none.
        Returns:
            one for each label.
        """
        if not labels:
            return []
        box, values = self.square.box(*picture.size), self.values(tokens, labels)
        found = zip(labels, values, notes or [""] * len(labels), strict=True)
        return [HeatMap(label, one, box, self.look, note) for label, one, note in found]


@torch.inference_mode()
def tokens_of(asked: Asked, picture: "PIL.Image.Image") -> Tokens:
    """The tokens of a whole picture, as prediction makes them.

    Raises:
        InputError: a model without a backbone.
    """
    _, square = asked.model.reader()
    pixels = torch.from_numpy(np.array(square.of(picture))).permute(2, 0, 1)[None]
    with asked.context.accelerator.autocast():
        return asked.model.tokens(pixels.to(asked.context.device))


def pooled_of(tokens: Tokens, leading: int) -> Float32[np.ndarray, " channel"]:
    """The mean token of a picture, or of its leading tokens if it has some."""
    return pool(tokens, leading)[0].cpu().numpy()
