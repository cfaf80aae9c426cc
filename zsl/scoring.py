"""Scores of images under several vocabularies, and a frozen backbone's tokens of them; over processes."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress, silent
from zsl.backbones.backbone import Backbone
from zsl.data.dataset import MultiLabelData, Part, Tensors, not_finite
from zsl.data.loading import Samples, ScoringOrder, batches_of, opened
from zsl.evaluation.protocol import protocols
from zsl.model import ZeroShotModel

SPOILT = "the weights are spoilt, or train.precision is too narrow for them"
Scores = Float[np.ndarray, "image label"]


@torch.inference_mode()
def score(
    model: ZeroShotModel,
    samples: Samples,
    vectors: Mapping[str, Tensor | None],
    accelerator: Accelerator,
    batch_size: int,
    workers: int = 0,
    progress: Progress = silent,
    task: str = "score",
    softmax: bool = False,
) -> dict[str, Scores]:
    """Logits of every sample, in order, under each vocabulary; each input is read and encoded once.

    Args:
        vectors: (label, embed) by vocabulary. softmax: log-probabilities over the vocabulary instead, of a model that
        was trained so: its logits do not compare
            between images.
    Returns:
        (image, label) float32 by vocabulary, on every process.
    """
    with torch.inference_mode(False):  # weights that are moved may be trained on
        model.to(accelerator.device).eval()
    order = ScoringOrder(len(samples), batch_size, accelerator.num_processes, accelerator.process_index)
    loader = batches_of(samples, order, workers, accelerator.device.type == "cuda")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in vectors}
    with accelerator.autocast():
        bound = {n: model.readout.bind(None if v is None else v.to(accelerator.device)) for n, v in vectors.items()}
        for step, batch in enumerate(loader):
            tokens = model.encode(opened(batch)[0].to(accelerator.device, non_blocking=True))
            for name, readout in bound.items():
                logits = readout(tokens).float()
                logits = gathered(logits.log_softmax(1) if softmax else logits, batch_size, accelerator)
                parts[name].append(logits.cpu().numpy())
            progress(task, step + 1, len(loader))
    # what was repeated to fill the last turn is at the end
    return {name: np.concatenate(chunks)[: len(samples)] for name, chunks in parts.items()}


def gathered(values: Tensor, batch_size: int, accelerator: Accelerator) -> Tensor:
    """The rows of a turn of `ScoringOrder`, of all processes in their order."""
    if accelerator.num_processes == 1:
        return values
    size = accelerator.gather(torch.tensor([len(values)], device=values.device))
    padded = F.pad(values, (0, 0) * (values.ndim - 1) + (0, batch_size - len(values)))
    parts = accelerator.gather(padded).unflatten(0, (accelerator.num_processes, -1))
    return torch.cat([part[:rows] for part, rows in zip(parts, size.tolist(), strict=True)])


@torch.inference_mode()
def extract_tokens(
    backbone: Backbone,
    part: Part,
    accelerator: Accelerator,
    batch_size: int,
    workers: int = 0,
    progress: Progress = silent,
    task: str = "tokens",
) -> Part:
    """The part with its images replaced by the frozen backbone's tokens, bfloat16, in memory on every process.

    Raises:
        InputError: an image that cannot be read, or whose tokens are not finite; it names the image.
    """
    with torch.inference_mode(False):  # weights that are moved may be trained on
        backbone.to(accelerator.device).eval()
    order = ScoringOrder(len(part.targets), batch_size, accelerator.num_processes, accelerator.process_index)
    loader = batches_of(Samples(part), order, workers, accelerator.device.type == "cuda")
    tokens: Tensor | None = None
    done = 0
    for step, batch in enumerate(loader):
        with accelerator.autocast():
            read = backbone(opened(batch)[0].to(accelerator.device, non_blocking=True))
            chunk = gathered(read, batch_size, accelerator).to("cpu", torch.bfloat16)
        if tokens is None:
            tokens = torch.empty(len(part.targets), *chunk.shape[1:], dtype=chunk.dtype)
        chunk = chunk[: len(tokens) - done]  # what was repeated to fill the last turn is at the end
        spoilt = not_finite(chunk)
        if spoilt is not None:
            raise InputError(f"tokens of {part.inputs.name(done + spoilt)} are not finite: {SPOILT}")
        tokens[done : done + len(chunk)] = chunk
        done += len(chunk)
        progress(task, step + 1, len(loader))
    assert tokens is not None
    assert done == len(tokens)
    return Part(Tensors(tokens, part.inputs), part.targets)


def vocabularies(data: MultiLabelData, bank: Bank) -> dict[str, Tensor | None]:
    """The vectors of each protocol's labels.

    Raises:
        InputError: labels that the bank lacks.
    """
    return {name: torch.from_numpy(bank.select(p.labels)) for name, p in protocols(data).items()}
