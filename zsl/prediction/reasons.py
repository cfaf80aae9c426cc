"""Why this word? The seen labels whose words are nearest, and their training pictures that are nearest to a picture."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Float32

from embeddings.io.errors import InputError
from zsl.context import Context
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.index_cache import cached
from zsl.data.loading import Samples, opened
from zsl.readouts.pooled import pool
from zsl.scoring import scoring_batches
from zsl.tensor_file import state_hash

if TYPE_CHECKING:
    from zsl.prediction.model import TrainedModel

CACHED = "mean-tokens/1"


@dataclass(frozen=True)
class Example:
    """A training picture: its row in the training part, its name, and the cosine of its mean token to the picture's."""

    row: int
    name: str
    similarity: float


@dataclass(frozen=True)
class Neighbour:
    """A seen label near a word: the cosine of their word vectors, and training pictures that show the label."""

    label: str
    similarity: float
    examples: tuple[Example, ...]


class Reasons:
    """The data that a model was trained on, to be asked for what is near a word and a picture.

    The training pictures are read once, and their mean tokens are kept in the cache of the toolkit.

    Args:
        model: the trained model.
        data: that it was trained on.
        context: device, batch size, workers and progress.
        count: seen labels for each word, and pictures for each of them, at most.
    Raises:
        InputError: other data than those of training; data that can only be read in order; a picture that cannot be
            read.
    """

    def __init__(self, model: "TrainedModel", data: MultiLabelData, context: Context, count: int = 3):
        if count < 1:
            raise InputError(f"count = {count}: give 1 or more")
        if (data.fingerprint, data.seen) != (model.facts.fingerprint, model.facts.seen):
            raise InputError(f"{data.name} holds other data than {model.facts.name} was trained on; restore them")
        if data.in_order:
            raise InputError(f"{data.name} can only be read in order; rewrite it with zsl data extract")
        self.model_name, self.data, self.count = model.facts.name, data, count
        self.directions = _unit(np.asarray(model.bank.select(model.facts.seen), np.float32))
        self.means = _mean_tokens(model, data, context)
        self.shown = data.train.targets.matrix.tocsc()

    def of(self, vector: Float[np.ndarray, " embed"], mean: Float[np.ndarray, " channel"]) -> tuple[Neighbour, ...]:
        """What is near a word and a picture, nearest first.

        Args:
            vector: the word's vector.
            mean: the picture's mean token.
        Returns:
            the seen labels with the highest cosine to the word; a seen word is its own nearest label. Of the training
            pictures that show a label, those with the highest cosine to the picture.
        """
        cosines = self.directions @ _unit(vector[None].astype(np.float32))[0]
        nearest = np.argsort(-cosines, kind="stable")[: self.count]
        similar = _unit(mean[None].astype(np.float32))[0]
        return tuple(
            Neighbour(self.data.seen[label], float(cosines[label]), self._examples(label, similar))
            for label in nearest.tolist()
        )

    def _examples(self, label: int, mean: Float32[np.ndarray, " channel"]) -> tuple[Example, ...]:
        column = slice(self.shown.indptr[label], self.shown.indptr[label + 1])
        rows = np.sort(self.shown.indices[column][self.shown.data[column] > 0])
        cosines = self.means[rows].astype(np.float32) @ mean
        best = np.argsort(-cosines, kind="stable")[: self.count]
        name = self.data.train.inputs.name
        return tuple(Example(int(rows[place]), name(int(rows[place])), float(cosines[place])) for place in best)

    def pixels(self, example: Example) -> np.ndarray | None:
        """A training picture as the model reads it, (row, column, 3) uint8; None if the data hold tokens."""
        if self.data.kind != "images":
            return None
        return self.data.train.inputs.read([example.row])[0].permute(1, 2, 0).contiguous().numpy()


def _unit(rows: Float32[np.ndarray, "row width"]) -> Float32[np.ndarray, "row width"]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def _mean_tokens(model: "TrainedModel", data: MultiLabelData, context: Context) -> np.ndarray:
    """The pooled tokens of the training part, of length 1, (image, channel) float16; from the cache if it has them."""
    backbone, leading = model.backbone if data.kind == "images" else None, model.facts.leading
    weights = None if backbone is None else state_hash(backbone)
    options: list[Any] = [data.fingerprint, weights, str(model.facts.square), leading]

    @torch.inference_mode()
    def made() -> dict[str, np.ndarray]:
        loader, rows = scoring_batches(Samples(data.train), context), []
        for step, batch in enumerate(loader):
            inputs = opened(batch)[0].to(context.device)
            tokens = inputs if backbone is None else model.tokens(inputs)
            rows.append(_unit(pool(tokens, leading).cpu().numpy()).astype(np.float16))
            context.progress("training pictures", step + 1, len(loader))
        return {"means": np.concatenate(rows)}

    return cached(CACHED, (), options, made)["means"]
