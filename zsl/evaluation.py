"""Scores of a test set under several vocabularies, and the zero-shot protocol's metrics of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from embeddings import Bank
from embeddings.progress import Progress, silent
from zsl.backbone import Backbone
from zsl.data import MultiLabelData, Part, Samples, ScoringOrder, batches_of, opened
from zsl.data.dataset import Tensors
from zsl.metrics import average_precision, chance_average_precision, f1_at_k, mean_over_labels
from zsl.model import ZeroShotModel

Scores = Float[np.ndarray, "image label"]


@dataclass(frozen=True)
class Protocol:
    """One question to a model: which labels it ranks, and the columns of the targets that answer."""

    labels: tuple[str, ...]
    columns: np.ndarray
    num_seen: int


def protocols(data: MultiLabelData) -> dict[str, Protocol]:
    """ "zsl" ranks the unseen labels alone, "gzsl" all of them; "-synonyms" and the like use other names.

    Data without unseen labels has one protocol, "closed".
    """
    if not data.unseen:
        return {"closed": Protocol(data.seen, np.arange(len(data.seen)), 0)}
    seen, every = len(data.seen), len(data.seen) + len(data.unseen)
    names = {"": data.unseen, **{f"-{title}": unseen for title, unseen in data.renamed.items()}}
    zsl = {f"zsl{t}": Protocol(unseen, np.arange(seen, every), 0) for t, unseen in names.items()}
    return zsl | {f"gzsl{t}": Protocol(data.seen + unseen, np.arange(every), seen) for t, unseen in names.items()}


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
    """The part with its images replaced by the frozen backbone's tokens, bfloat16, in memory on every process."""
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
        tokens[done : done + len(chunk)] = chunk
        done += len(chunk)
        progress(task, step + 1, len(loader))
    assert tokens is not None
    assert done == len(tokens)
    return Part(Tensors(tokens, part.inputs), part.targets)


def evaluate(scores: Mapping[str, Scores], data: MultiLabelData, k: Sequence[int]) -> dict[str, float]:
    """mAP and micro F1@K of each protocol, with what chance would give.

    Labels without a positive test image are left out of "map" and count 0 in "map_absent_zero", as in published
    code; a mean over no label at all has no entry. "map_seen" and "map_unseen" are the two halves of a generalised
    protocol. Where annotations are partial, AP is over the images whose annotation for a label is known.

    Returns:
        fractions by "protocol/metric".
    """
    metrics: dict[str, float] = {}
    for name, protocol in protocols(data).items():
        values = data.test.targets.columns(protocol.columns).dense()
        targets, annotated = values > 0, (values != 0 if data.test.targets.partial else None)
        ap = average_precision(scores[name], targets, annotated)
        chance = chance_average_precision(targets, annotated)
        metrics[f"{name}/map"] = mean_over_labels(ap)
        metrics[f"{name}/map_absent_zero"] = mean_over_labels(ap, "zero")
        metrics[f"{name}/map_chance"] = mean_over_labels(chance)
        if protocol.num_seen:
            metrics[f"{name}/map_seen"] = mean_over_labels(ap[: protocol.num_seen])
            metrics[f"{name}/map_unseen"] = mean_over_labels(ap[protocol.num_seen :])
            metrics[f"{name}/map_seen_chance"] = mean_over_labels(chance[: protocol.num_seen])
        for labels in k:
            result = f1_at_k(scores[name], targets, labels)
            metrics[f"{name}/f1@{labels}"] = result.f1
            metrics[f"{name}/precision@{labels}"] = result.precision
            metrics[f"{name}/recall@{labels}"] = result.recall
            metrics[f"{name}/f1@{labels}_chance"] = _chance_f1(targets, labels)
    return {name: value for name, value in metrics.items() if not np.isnan(value)}


def _chance_f1(targets: np.ndarray, k: int) -> float:
    """F1 of the expected precision (the density of positives) and recall (K / labels) of a random ranking."""
    precision, recall = targets.mean(), k / targets.shape[1]
    return float(2 * precision * recall / (precision + recall))


def vocabularies(data: MultiLabelData, bank: Bank) -> dict[str, Tensor | None]:
    """The vectors of each protocol's labels.

    Raises:
        InputError: labels that the bank lacks.
    """
    return {name: torch.from_numpy(bank.select(p.labels)) for name, p in protocols(data).items()}
