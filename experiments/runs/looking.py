"""Where a measured model looked in its test images: small maps for reports."""

import base64
import io
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from zsl.model import ZeroShotModel
from zsl.prediction.heat_maps import coloured
from zsl.readouts.readout import on_grid
from zsl.runs.source import Source

Maps = Float32[np.ndarray, "label row column"]
Looked = Callable[[int, Sequence[str]], Maps]  # of a test image's row and labels


def looked_of(model: ZeroShotModel, source: Source, bank: Bank, own: Bank) -> Looked | None:
    """A function that says where a model looked for labels in a test image.

    Args:
        model: as `trained_model` gives it.
        source: its data and tokens.
        bank: the word vectors that it was measured with.
        own: those of its training.
    Returns:
        the function; None if the data hold no images, or if the readout or the backbone cannot say where it looked.
    """
    if source.data.kind != "images" or source.backbone is None or not model.readout.placed:
        return None
    try:
        grid = source.backbone.grid(source.image_size)
    except InputError:  # a backbone whose tokens have no places
        return None
    device = source.context.device
    trained = torch.from_numpy(own.select(source.data.seen)).to(device)

    @torch.no_grad()
    def looked(row: int, labels: Sequence[str]) -> Maps:
        model.to(device).eval()
        tokens = model.encode(source.test.inputs.read([row]).to(device)).float()
        vectors = torch.from_numpy(bank.select(labels)).to(device)
        return on_grid(model.readout.looked(tokens, vectors, None, trained)[0], grid).cpu().numpy()

    return looked


def small_map(values: Float32[np.ndarray, "row column"]) -> str:
    """A map as a PNG in base64, of one pixel for each place."""
    buffer = io.BytesIO()
    Image.fromarray(coloured(values, signed=True)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
