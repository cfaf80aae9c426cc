"""What stands in for training where a readout has a closed form: one pass over the images, and an equation."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from embeddings.io.errors import InputError
from embeddings.io.progress import Progress, silent
from zsl.data.dataset import not_finite
from zsl.data.loading import Samples, ScoringOrder, batches_of, opened
from zsl.model import ZeroShotModel
from zsl.readouts.eszsl import EszslReadout, Spectrum, Statistics, choose_ridges, image_map, label_map
from zsl.scoring import SPOILT, gathered
from zsl.training.history import History, chance_of, validation_map
from zsl.training.loop import TrainConfig


def solve(
    config: TrainConfig,
    model: ZeroShotModel,
    train: Samples,
    validation: Samples,
    vectors: Tensor,
    accelerator: Accelerator,
    progress: Progress = silent,
    task: str = "train",
    watch: Callable[[History], None] | None = None,
) -> History:
    """Solves the model's `EszslReadout` on `train`; `validation` picks its ridges, and shares in nothing else.

    Every process ends with the same solution, which does not depend on how many there are.

    Args:
        config: of its keys, `batch_size`, `workers` and `seed` (of the division into pseudo-unseen labels) are read.
        vectors: (label, embed) of the seen labels.
        watch: called with the history, on the main process.
    Returns:
        A history of one epoch: the squared error per image, and mAP of the seen labels on `validation`.
    Raises:
        InputError: a validation part without positives, images or vectors that are all the same.
    """
    readout = model.readout
    assert isinstance(readout, EszslReadout)
    seen, partial = vectors.double().cpu().numpy(), train.part.targets.partial
    channels = len(readout.weight)

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        done = 0
        for x in _read(model, train, config, accelerator, progress, task):
            yield x, train.targets[done : done + len(x)].dense()
            done += len(x)

    sums = Statistics.of(pairs(), channels, len(seen))
    center = sums.x / sums.images
    held = np.concatenate(list(_read(model, validation, config, accelerator, progress, f"{task}, validation"))) - center
    values = validation.targets.dense()
    if not (values > 0).any():
        raise InputError("the validation part holds no positive; raise train.validation")
    gram, cross, grids = Spectrum(sums.gram, "the pooled tokens"), sums.cross, (readout.image_grid, readout.label_grid)
    ridges, told, chosen = (grids[0][0], grids[1][0]), "as given", dict[str, Any]()
    if max(map(len, grids)) > 1:
        ridges, best = choose_ridges(gram, cross, seen, held, values, partial, grids, config.seed)
        told = f"pseudo-unseen validation mAP {100 * best:.1f}"
        chosen = dict(zip(("decoder.image_ridge", "decoder.label_ridge"), ridges, strict=True))
    weight = image_map(gram, cross @ label_map(seen, ridges[1]), ridges[0])
    with torch.no_grad():
        for kept, value in ((readout.weight, weight), (readout.center, center)):
            kept.copy_(torch.from_numpy(value))
        readout.ridges.copy_(torch.tensor(ridges))
    scores = held @ weight @ seen.T
    history = History(
        loss=[_squared_error(sums, weight @ seen.T)],
        lr=[0.0],
        validation_map=[validation_map(scores, validation.targets)],
        best_epoch=0,
        chance=chance_of(validation.targets),
        chosen=chosen,
        best_state={name: value.detach().cpu().clone() for name, value in model.state_dict().items()},
    )
    course = f"image ridge {ridges[0]:g}, label ridge {ridges[1]:g} ({told})"
    progress(task, 1, 1, f"{course}; seen validation mAP {100 * history.validation_map[0]:.1f}")
    if watch is not None and accelerator.is_main_process:
        watch(history)
    return history


def _squared_error(sums: Statistics, logits: np.ndarray) -> float:
    """`||X W S' - Y||^2` per image, both centred; `logits` is W S'."""
    mean = sums.y / sums.images
    targets = sums.yy - sums.images * mean @ mean
    return float(targets + np.vdot(logits, sums.gram @ logits) - 2 * np.vdot(logits, sums.cross)) / sums.images


@torch.inference_mode()
def _read(
    model: ZeroShotModel,
    samples: Samples,
    config: TrainConfig,
    accelerator: Accelerator,
    progress: Progress,
    task: str,
) -> Iterator[np.ndarray]:
    """What the readout reads of each image, in order, a batch at a time, on every process."""
    assert isinstance(model.readout, EszslReadout)
    model.to(accelerator.device).eval()
    size, left = config.batch_size, len(samples)
    order = ScoringOrder(len(samples), size, accelerator.num_processes, accelerator.process_index)
    loader = batches_of(samples, order, config.workers, accelerator.device.type == "cuda")
    for step, batch in enumerate(loader):
        with accelerator.autocast():
            tokens = model.encode(opened(batch)[0].to(accelerator.device, non_blocking=True))
        read = gathered(model.readout.read(tokens), size, accelerator)[:left]
        spoilt = not_finite(read)
        if spoilt is not None:
            (name,) = samples.names(np.array([len(samples) - left + spoilt]))
            raise InputError(f"tokens of {name} are not finite: {SPOILT}")
        left -= len(read)
        progress(task, step + 1, len(loader))
        yield read.cpu().numpy()
