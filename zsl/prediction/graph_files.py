"""Files of ONNX and of torch.export for other programs; each is compared with prediction before it is kept."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from embeddings.io import atomic
from embeddings.io.errors import InputError
from zsl.prediction.graph import Graph
from zsl.prediction.prediction import logits_of
from zsl.prediction.words import Labels, words_of
from zsl.readouts.company import Company

if TYPE_CHECKING:
    from zsl.prediction.model import TrainedModel

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LARGEST = 2**31  # bytes that one ONNX file can hold
EXAMPLES = 7  # labels in the comparison
TOLERANCE = 1e-4  # of logits, in units of the largest logit if that is above 1
Run = Callable[[tuple[Tensor, ...]], Tensor]


def export_onnx(
    model: "TrainedModel", path: Path, labels: Labels | None = None, company: Company | None = None
) -> float:
    """Writes an ONNX file of a model, by torch's exporter.

    Inputs: `pictures` (batch, 3, size, size) uint8, or `tokens` for a model without a backbone; and `vectors`
    (label, embed) float32. Output: `logits` (batch, label) float32, as `TrainedModel.scores` gives them. The number of
    pictures and of labels is free.

    Args:
        model: the model.
        path: of the file.
        labels: same as for `TrainedModel.scores`: they are fixed, their word vectors become part of the file, and
            there is no input `vectors`. None makes word vectors an input.
        company: same as for `TrainedModel.scores`; "grouped" needs labels.
    Returns:
        the largest difference between the logits of onnxruntime and those of prediction, on random pictures.
    Raises:
        InputError: a package is missing; a model of more than 2 GB; logits that differ from the model's.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX needs {', '.join(missing)}: pip install 'zero-shot-toolkit[onnx]'")
    graph = _graph(model, labels, company)
    size = sum(tensor.nbytes for tensor in graph.state_dict().values())
    if size >= LARGEST:
        raise InputError(f"the model has {size:,} bytes of weights, and one ONNX file holds {LARGEST:,}; use --torch")
    with _quiet():
        program = torch.onnx.export(
            graph.exported(), input_names=graph.input_names, output_names=["logits"], dynamo=True, verbose=False
        )
    assert program is not None
    program.model.metadata_props.update(graph.metadata())
    content = program.model_proto.SerializeToString()
    difference = _checked(model, graph, _onnx_runner(content), path)
    with atomic.replacing(path) as file:
        file.write(content)
    return difference


def export_torch(
    model: "TrainedModel", path: Path, labels: Labels | None = None, company: Company | None = None
) -> float:
    """Writes a file of torch.export (.pt2), which `torch.export.load` opens where this toolkit is not installed.

    Inputs and output are those of `export_onnx`; the metadata are the extra file "metadata.json".

    Args:
        model, path, labels, company: same as for `export_onnx`.
    Returns:
        the largest difference between the logits of the file and those of prediction, on random pictures.
    Raises:
        InputError: logits that differ from the model's.
    """
    graph = _graph(model, labels, company)
    with _quiet():
        program = graph.exported()
        difference = _checked(model, graph, lambda inputs: program.module()(*inputs), path)
        with atomic.replacing(path) as file:
            torch.export.save(program, file, extra_files={"metadata.json": json.dumps(graph.metadata(), indent=1)})
    return difference


def _graph(model: "TrainedModel", labels: Labels | None, company: Company | None) -> Graph:
    words = None if labels is None else words_of(model.bank, model.seen, labels, model.encoder)
    return Graph(model, words, company)


def _onnx_runner(content: bytes) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def run(inputs: tuple[Tensor, ...]) -> Tensor:
        (logits,) = session.run(None, dict(zip(names, (value.numpy() for value in inputs), strict=True)))
        return torch.from_numpy(np.asarray(logits))

    return run


def _checked(model: "TrainedModel", graph: Graph, run: Run, path: Path) -> float:
    """The largest difference between a file's logits and those of prediction, for several pictures and for one.

    Raises:
        InputError: it is not small.
    """
    labels = model.bank.labels[:EXAMPLES] if graph.words is None else graph.words.labels
    vectors = () if graph.words is not None else (torch.from_numpy(model.bank.select(labels)),)
    asked = model.asked(labels, graph.company)
    pictures, largest = graph.example()[0], 0.0
    for inputs in (pictures, pictures[:1]):
        with torch.inference_mode():
            expected = torch.from_numpy(logits_of(asked, model.tokens(inputs.to(asked.context.device))))
            difference = float((expected - run((inputs, *vectors))).abs().max())
        if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
            raise InputError(f"{path} is not written: its logits differ from those of prediction by {difference:.1e}")
        largest = max(largest, difference)
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' notes on what they could not simplify."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx", "torch.export")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
