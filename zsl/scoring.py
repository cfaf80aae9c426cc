"""Scores of images under several vocabularies, and a frozen backbone's tokens of them; over processes."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import DataLoader

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from zsl.backbones.base import BaseBackbone
from zsl.context import Context
from zsl.data.dataset import MultiLabelData, Part, Tensors, not_finite
from zsl.data.loading import Batch, Samples, ScoringOrder, batches_of, opened
from zsl.evaluation.measures import Scores
from zsl.evaluation.protocol import protocols
from zsl.model import ZeroShotModel

SPOILT = "the weights are spoilt, or train.precision is too narrow for them"


@torch.inference_mode()
def score(
    model: ZeroShotModel,
    samples: Samples,
    vectors: Mapping[str, Tensor | None],
    context: Context,
    task: str = "score",
) -> dict[str, Scores]:
    """Scores of every sample, in order, for each vocabulary; each input is read and encoded once.

    Args:
        model: moved to the context's device.
        samples: images, or tokens if the model has no backbone.
        vectors: word vectors (label, embed) by the name of the vocabulary.
        context: device, batch size, workers and progress.
        task: the name of the task in progress reports.
    Returns:
        (image, label) float32 by vocabulary, on every process: logits, or log-probabilities over the vocabulary if
        `model.softmax` is set.
    Raises:
        InputError: an input that cannot be read.
    """
    with torch.inference_mode(False):  # the moved weights may still be trained later
        model.to(context.device).eval()
    loader = scoring_batches(samples, context)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in vectors}
    with context.accelerator.autocast():
        bound = {n: model.readout.bind(None if v is None else v.to(context.device)) for n, v in vectors.items()}
        for step, batch in enumerate(loader):
            tokens = model.encode(opened(batch)[0].to(context.device, non_blocking=True))
            for name, readout in bound.items():
                logits = readout(tokens).float()
                logits = gathered(logits.log_softmax(1) if model.softmax else logits, context)
                parts[name].append(logits.cpu().numpy())
            context.progress(task, step + 1, len(loader))
    # processes without a batch in the last turn repeated one; the repeated rows are at the end, and are cut off
    return {name: np.concatenate(chunks)[: len(samples)] for name, chunks in parts.items()}


def independent_log_probabilities(
    logits: Float[Tensor, "batch label"],
    seen_logits: Float[Tensor, "batch seen"],
    counted: Bool[Tensor, " label"],
) -> Float[Tensor, "batch label"]:
    """Log-probabilities of labels that do not depend on each other, for a model that was trained with softmax.

    Each is normalised over the seen labels and the label itself: `z_i - log(exp(z_i) + sum_s exp(z_s))`. So images can
    be compared, as with the log-probabilities over a vocabulary, but no other word of the vocabulary matters.

    Args:
        logits: (batch, label), from `Readout.bind_each` or a `bind` whose labels do not influence each other.
        seen_logits: (batch, seen), of all seen labels, asked in the same way.
        counted: (label,) the labels that are seen themselves, so that they are in the sum already.
    Returns:
        (batch, label), at most 0.
    """
    total = seen_logits.logsumexp(1, keepdim=True)
    return logits - torch.where(counted, total, torch.logaddexp(total, logits))


def score_test(
    model: ZeroShotModel, data: MultiLabelData, bank: Bank, context: Context, task: str = "test"
) -> dict[str, Scores]:
    """A model's scores of a dataset's test part, by protocol.

    Args:
        model: for the inputs that the dataset has.
        data: the dataset.
        bank: the word vectors of its labels.
        context: device, batch size, workers and progress.
        task: the name of the task in progress reports.
    Returns:
        (image, label) by protocol.
    Raises:
        InputError: an image that cannot be read, or whose scores are not finite; it names the image.
    """
    found = score(model, Samples(data.test), vocabularies(data, bank), context, task)
    for values in found.values():
        spoilt = not_finite(torch.from_numpy(values))
        if spoilt is not None:
            raise InputError(f"scores of {data.test.inputs.name(spoilt)} are not finite: {SPOILT}")
    return found


def scoring_batches(samples: Samples, context: Context) -> DataLoader[Batch]:
    """A loader of all samples in order, divided among the context's processes; pass each batch through `opened`."""
    accelerator = context.accelerator
    order = ScoringOrder(len(samples), context.batch_size, accelerator.num_processes, accelerator.process_index)
    return batches_of(samples, order, context.workers, context.on_gpu)


def gathered(values: Tensor, context: Context) -> Tensor:
    """The rows of one turn of `ScoringOrder`, from all processes in their order."""
    accelerator = context.accelerator
    if accelerator.num_processes == 1:
        return values
    size = accelerator.gather(torch.tensor([len(values)], device=values.device))
    padded = F.pad(values, (0, 0) * (values.ndim - 1) + (0, context.batch_size - len(values)))
    parts = accelerator.gather(padded).unflatten(0, (accelerator.num_processes, -1))
    return torch.cat([part[:rows] for part, rows in zip(parts, size.tolist(), strict=True)])


@torch.inference_mode()
def extract_tokens(backbone: BaseBackbone, part: Part, context: Context, task: str = "tokens") -> Part:
    """The part with its images replaced by the frozen backbone's tokens, bfloat16, in memory on every process.

    Args:
        backbone: moved to the context's device.
        part: images and their targets.
        context: device, batch size, workers and progress.
        task: the name of the task in progress reports.
    Returns:
        the same targets, with tokens (image, token, channel) as inputs.
    Raises:
        InputError: an image that cannot be read, or whose tokens are not finite; it names the image.
    """
    with torch.inference_mode(False):  # the moved weights may still be trained later
        backbone.to(context.device).eval()
    loader = scoring_batches(Samples(part), context)
    tokens: Tensor | None = None
    done = 0
    for step, batch in enumerate(loader):
        with context.accelerator.autocast():
            read = backbone(opened(batch)[0].to(context.device, non_blocking=True))
            chunk = gathered(read, context).to("cpu", torch.bfloat16)
        if tokens is None:
            tokens = torch.empty(len(part.targets), *chunk.shape[1:], dtype=chunk.dtype)
        chunk = chunk[: len(tokens) - done]  # cut off rows that were repeated in the last turn
        spoilt = not_finite(chunk)
        if spoilt is not None:
            raise InputError(f"tokens of {part.inputs.name(done + spoilt)} are not finite: {SPOILT}")
        tokens[done : done + len(chunk)] = chunk
        done += len(chunk)
        context.progress(task, step + 1, len(loader))
    assert tokens is not None
    assert done == len(tokens)
    return Part(Tensors(tokens, part.inputs), part.targets)


def vocabularies(data: MultiLabelData, bank: Bank) -> dict[str, Tensor | None]:
    """The vectors of each protocol's labels.

    Raises:
        InputError: labels that the bank lacks.
    """
    return {name: torch.from_numpy(bank.select(p.labels)) for name, p in protocols(data).items()}
