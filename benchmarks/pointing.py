"""The pointing game on drawn pictures: does a readout look at the object that it is asked for?

The peak of a label's map is a hit if the centre of its place lies inside the object's box (Zhang et al. 2016, "Top-down
Neural Attention by Excitation Backprop"). The drawing knows the boxes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import typer
from jaxtyping import Bool, Float

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured
from experiments.commands.options import Settings
from experiments.config.reading import changed, load_config
from zsl.context import Context
from zsl.data.layouts.drawing import Box, boxes_of_set
from zsl.data.layouts.scenes import ScenesConfig
from zsl.readouts.readout import Readout
from zsl.runs.bank_config import load_bank
from zsl.runs.config import RunConfig
from zsl.runs.source import Source, open_source
from zsl.runs.training import train_model
from zsl.training.journal import Journal

VARIANTS: dict[str, dict[str, Any]] = {
    "ml-decoder, groups of 8": {},
    "ml-decoder, groups of 8, similar": {"decoder.grouping": "similar"},
    "ml-decoder, full": {"decoder.group_size": 1},
    "ml-decoder, full, 2 layers": {"decoder.group_size": 1, "decoder.layers": 2},
    "label attention": {"decoder.kind": "label-attention"},
    "gap-text": {"decoder.kind": "gap-text"},
    "eszsl": {"decoder.kind": "eszsl"},
}
BATCH = 4  # pictures whose labels are asked together
SMALL = ("data.seen=200", "data.unseen=50", "backbone.pretrain.epochs=6", "train.epochs=5")  # learnt from few pictures


@dataclass(frozen=True)
class Objects:
    """The objects of the test pictures, one a row.

    Args:
        picture, label: (object,) the index of the picture, and of the label among all labels.
        unseen: (object,) whether the label is unseen.
        inside: (object, token) whether the centre of the token's place lies in the object's box.
    """

    picture: np.ndarray
    label: np.ndarray
    unseen: Bool[np.ndarray, " object"]
    inside: Bool[np.ndarray, "object token"]


def command(
    settings: Settings = None,
    train: Annotated[int, typer.Option(min=1, help="Training pictures.")] = 4000,
    test: Annotated[int, typer.Option(min=1, help="Test pictures.")] = 1000,
    variant: Annotated[list[str] | None, typer.Option(help="Only these variants; may be repeated.")] = None,
    out: Out = None,
) -> None:
    """Ask readouts where they look, on drawn pictures whose objects' boxes are known."""
    sizes = [f"data.train={train}", f"data.test={test}"]
    config = load_config("demo", [*SMALL, *sizes, *(settings or [])], trains=True)
    measured(lambda progress: bench_pointing(config, variant or list(VARIANTS), progress), out)


def bench_pointing(config: RunConfig, variants: list[str], progress: Progress) -> Figures:
    """The share of hits, for seen and unseen labels, of each readout that `variants` names and of each of its maps.

    Raises:
        InputError: a variant that is not known.
    """
    unknown = [name for name in variants if name not in VARIANTS]
    if unknown:
        raise InputError(f"unknown variant {unknown[0]!r}; known: {', '.join(VARIANTS)}")
    source = open_source(config, Context.of(config.train.precision, progress=progress))
    source.pretrain()
    source.read()
    objects, bank = objects_of(source), load_bank(config.bank, source.data)
    chance = objects.inside.mean(1)
    rows = [_row("chance", "", "", chance, objects)]
    assert source.pretrained_readout is not None
    assert source.pretrained_bank is not None
    own = source.pretrained_readout, source.pretrained_bank
    rows += _rows_of("max-pooled (the backbone's own)", *own, source, objects)
    for name in variants:
        chosen = source.of(changed(config, _settings(name, config), name))
        readout = train_model(chosen, bank, Journal(name))[0].readout
        rows += _rows_of(name, readout, bank, source, objects)
    title = f"Pointing game on {len(source.test.targets):,} drawn pictures, {len(objects.label):,} objects; percent"
    record = {"rows": rows, "machine": machine()}
    return Figures(title, ["readout", "asked", "map", "seen", "unseen"], rows, record)


def _settings(name: str, config: RunConfig) -> dict[str, Any]:
    """A variant's settings; another kind of readout starts from its own defaults, at the sizes of the decoder."""
    chosen = VARIANTS[name]
    if chosen.get("decoder.kind") != "label-attention":
        return {"decoder": {"kind": chosen["decoder.kind"]}} if "decoder.kind" in chosen else chosen
    sizes = {key: getattr(config.decoder, key) for key in ("width", "attention_heads", "ffn", "dropout")}
    return {"decoder": {"kind": "label-attention", **sizes}}


def objects_of(source: Source) -> Objects:
    """The objects of a source's test pictures."""
    data = source.config.data
    assert isinstance(data, ScenesConfig)
    assert source.backbone is not None
    names = list(source.data.seen + source.data.unseen)
    found = boxes_of_set(names, data.test, 2 * data.seed + 1, data.image_size, data.objects)
    rows = [(picture, label, box) for picture, objects in enumerate(found) for label, box in objects]
    pictures, labels = (np.array([row[axis] for row in rows]) for axis in (0, 1))
    grid = source.backbone.grid(data.image_size)
    inside = np.stack([places_inside(box, grid, data.image_size) for _, _, box in rows])
    return Objects(pictures, labels, labels >= len(source.data.seen), inside)


def places_inside(box: Box, grid: tuple[int, int], size: int) -> Bool[np.ndarray, " token"]:
    """Which places of a grid over a square picture have their centre inside a box.

    >>> places_inside((0, 0, 20, 40), (2, 3), 60).tolist()
    [True, False, False, False, False, False]

    Args:
        box: (left, top, right, bottom) in pixels.
        grid: rows and columns.
        size: the picture's side in pixels.
    """
    rows, columns = ((np.arange(count) + 0.5) * size / count for count in grid)
    left, top, right, bottom = box
    inside = ((top < rows) & (rows < bottom))[:, None] & ((left < columns) & (columns < right))
    return inside.ravel()


def _rows_of(name: str, readout: Readout, bank: Bank, source: Source, objects: Objects) -> list[list[str]]:
    rows = []
    for company in readout.companies or (None,):
        for look in readout.looks:
            hits = np.concatenate(list(_hits(readout, bank, source, objects, (company, look))))
            rows.append(_row(name, company or "", look, hits, objects))
    return rows


@torch.no_grad()
def _hits(
    readout: Readout, bank: Bank, source: Source, objects: Objects, asked: tuple[Any, Any]
) -> Iterator[Float[np.ndarray, " object"]]:
    """Whether the peak of each object's map lies inside its box, a batch of pictures at a time."""
    readout.eval()
    device = next(readout.parameters()).device
    vectors = torch.from_numpy(bank.select(source.data.seen + source.data.unseen)).to(device)
    seen = vectors[: len(source.data.seen)]
    for start in range(0, len(source.test.targets), BATCH):
        chosen = np.flatnonzero((objects.picture >= start) & (objects.picture < start + BATCH))
        pictures, labels = objects.picture[chosen], objects.label[chosen]
        asked_for, column = np.unique(labels, return_inverse=True)
        rows = np.arange(start, min(start + BATCH, len(source.test.targets)))
        tokens = source.test.inputs.read(rows).to(device, torch.float32)
        maps = readout.looked(tokens, vectors[torch.from_numpy(asked_for)], asked[0], seen, asked[1])
        maps = maps[:, :, maps.shape[2] - objects.inside.shape[1] :]  # leading tokens have no place
        peak = maps[pictures - start, column].argmax(1).cpu().numpy()
        yield objects.inside[chosen, peak].astype(float)


def _row(name: str, company: str, look: str, hits: Float[np.ndarray, " object"], objects: Objects) -> list[str]:
    shares = (f"{100 * hits[chosen].mean():.1f}" for chosen in (~objects.unseen, objects.unseen))
    return [name, company, look, *shares]
