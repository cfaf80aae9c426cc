"""Scores of images under several vocabularies, and a frozen backbone's tokens of them; over processes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
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
from zsl.readouts.company import Company
from zsl.readouts.normalisation import AS_THEY_ARE, Normalisation, begins_with
from zsl.readouts.readout import Readout

SPOILT = "the weights are spoilt, or train.precision is too narrow for them"
LABELS = 256  # labels that are asked by themselves at once; each has a query, whose hidden values take memory
Scorer = Callable[[Tensor], Tensor]  # tokens of a batch to the scores of its labels


@dataclass(frozen=True)
class Asking:
    """How labels are asked, and how their scores are normalised: the keys `company` and `normalise` of `evaluate`.

    Args:
        trained: (seen, embed), word vectors of the seen labels in the order of training.
        company: "grouped" asks the labels of a vocabulary together. In the others each is asked by itself
            (`Readout.bind_each`), so that a score does not depend on the other labels.
        normalisation: of the scores of each image, by those of the seen labels, which are asked in the same way; or of
            the scores of each label, over all samples.
    """

    trained: Float[Tensor, "seen embed"]
    company: Company = "grouped"
    normalisation: Normalisation = AS_THEY_ARE


@torch.inference_mode()
def score(
    model: ZeroShotModel,
    samples: Samples,
    vectors: Mapping[str, Tensor | None],
    context: Context,
    task: str = "score",
    asked: Asking | None = None,
) -> dict[str, Scores]:
    """Scores of every sample, in order, for each vocabulary; each input is read and encoded once.

    Args:
        model: moved to the context's device.
        samples: images, or tokens if the model has no backbone.
        vectors: word vectors (label, embed) by the name of the vocabulary.
        context: device, batch size, workers and progress.
        task: the name of the task in progress reports.
        asked: how labels are asked and scores normalised; None asks a vocabulary together, as the readout groups it,
            without a normalisation.
    Returns:
        (image, label) float32 by vocabulary, on every process: logits, normalised if that is asked. Otherwise, if
        `model.softmax` is set, log-probabilities over the vocabulary; those of labels that are asked by themselves are
        over the seen labels and the label itself. "label" standardises what "none" gives.
    Raises:
        InputError: an input that cannot be read; a company that the readout does not have; scores that are not finite,
            where each label's are normalised.
    """
    if asked is not None and asked.normalisation.how == "label":
        plain = score(model, samples, vectors, context, task, replace(asked, normalisation=AS_THEY_ARE))
        _check_finite(plain, samples)  # one spoilt image would spoil the statistics of the others
        return {name: asked.normalisation.of(values, values, None) for name, values in plain.items()}
    if asked is not None and (asked.company != "grouped" or asked.normalisation.how != "none"):
        return _score_asked(model, samples, vectors, context, task, asked)

    def bound(device: torch.device) -> dict[str, Scorer]:
        moved = {name: None if v is None else v.to(device) for name, v in vectors.items()}
        return {name: log_probable(model, model.readout.bind(v)) for name, v in moved.items()}

    return score_bound(model, samples, bound, context, task)


@torch.inference_mode()
def score_bound(
    model: ZeroShotModel,
    samples: Samples,
    bind: Callable[[torch.device], Mapping[str, Scorer]],
    context: Context,
    task: str = "score",
) -> dict[str, Scores]:
    """Scores of every sample, in order, by functions of its tokens; each input is read and encoded once.

    Args:
        model: moved to the context's device.
        samples: images, or tokens if the model has no backbone.
        bind: called once with the device; gives functions from tokens to scores (batch, label), by name.
        context, task: same as for `score`.
    Returns:
        (image, label) float32 by name, on every process.
    Raises:
        InputError: an input that cannot be read.
    """
    with torch.inference_mode(False):  # the moved weights may still be trained later
        model.to(context.device).eval()
    loader = scoring_batches(samples, context)
    with context.accelerator.autocast():
        bound = bind(context.device)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in bound}
        for step, batch in enumerate(loader):
            tokens = model.encode(opened(batch)[0].to(context.device, non_blocking=True))
            for name, scorer in bound.items():
                parts[name].append(gathered(scorer(tokens).float(), context).cpu().numpy())
            context.progress(task, step + 1, len(loader))
    # processes without a batch in the last turn repeated one; the repeated rows are at the end, and are cut off
    return {name: np.concatenate(chunks)[: len(samples)] for name, chunks in parts.items()}


def log_probable(model: ZeroShotModel, logits: Scorer) -> Scorer:
    """Log-probabilities over the vocabulary if the model was trained with softmax; else the logits themselves."""
    return (lambda tokens: logits(tokens).float().log_softmax(1)) if model.softmax else logits


def _score_asked(
    model: ZeroShotModel,
    samples: Samples,
    vectors: Mapping[str, Tensor | None],
    context: Context,
    task: str,
    asked: Asking,
) -> dict[str, Scores]:
    """`score` of labels that are asked by themselves, or whose scores are normalised by those of the seen labels.

    By itself, a label that is in several vocabularies is asked once. Together, seen labels at the beginning of a
    vocabulary are its reference.
    """
    given = {name: asked.trained if v is None else v for name, v in vectors.items()} | {"": asked.trained}
    pool, every = torch.cat(list(given.values())).unique(dim=0, return_inverse=True)
    places = dict(zip(given, every.split([len(v) for v in given.values()]), strict=True))
    counted = torch.isin(torch.arange(len(pool)), places[""])
    leading = {name for name, v in given.items() if name and begins_with(v, asked.trained)}
    whole = leading.union([""]) == given.keys()  # then the seen labels need not be asked apart

    def bind(device: torch.device) -> dict[str, Scorer]:
        if asked.company == "grouped":
            return {name: model.readout.bind(v.to(device)) for name, v in given.items() if name or not whole}
        return {"pool": ask_each(model.readout, pool.to(device), asked)}

    found = score_bound(model, samples, bind, context, task)
    if asked.company != "grouped":
        found = {name: found["pool"][:, chosen.numpy()] for name, chosen in places.items()}
    apart, normalisation = found.pop("", None), asked.normalisation.independent(model.softmax)

    def reference(name: str) -> Scores:
        return found[name][:, : len(asked.trained)] if apart is None or name in leading else apart

    return {n: normalisation.of(values, reference(n), counted[places[n]]) for n, values in found.items()}


def ask_each(
    readout: Readout, vectors: Float[Tensor, "label embed"], asked: Asking, without: Tensor | None = None
) -> Scorer:
    """A function from tokens to the logits of labels that are asked by themselves, `LABELS` at once.

    Args:
        readout: of a trained model.
        vectors: (label, embed), word vectors of any number of labels.
        asked: in which company they are asked.
        without: (label,) same as for `Readout.bind_each`.
    Raises:
        InputError: a company that the readout does not have.
    """
    places, trained = torch.arange(len(vectors), device=vectors.device).split(LABELS), asked.trained.to(vectors.device)
    parts = [
        readout.bind_each(vectors[p], asked.company, trained, None if without is None else without[p]) for p in places
    ]
    return lambda tokens: torch.cat([part(tokens) for part in parts], 1)


def score_test(
    model: ZeroShotModel,
    data: MultiLabelData,
    bank: Bank,
    context: Context,
    task: str = "test",
    asked: Asking | None = None,
) -> dict[str, Scores]:
    """A model's scores of a dataset's test part, by protocol.

    Args:
        model: for the inputs that the dataset has.
        data: the dataset.
        bank: the word vectors of its labels.
        context: device, batch size, workers and progress.
        task: the name of the task in progress reports.
        asked: same as for `score`.
    Returns:
        (image, label) by protocol.
    Raises:
        InputError: an image that cannot be read, or whose scores are not finite; it names the image.
    """
    samples = Samples(data.test)
    found = score(model, samples, vocabularies(data, bank), context, task, asked)
    _check_finite(found, samples)
    return found


def _check_finite(scores: Mapping[str, Scores], samples: Samples) -> None:
    """Raises an InputError that names the first image whose scores are not finite."""
    for values in scores.values():
        spoilt = not_finite(torch.from_numpy(values))
        if spoilt is not None:
            raise InputError(f"scores of {samples.names(np.array([spoilt]))[0]} are not finite: {SPOILT}")


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
