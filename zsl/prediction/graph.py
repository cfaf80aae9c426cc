"""A trained model as one function of tensors, which can be exported: pictures, and word vectors, to logits."""

import copy
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.prediction.asking import company_of
from zsl.prediction.words import Words
from zsl.readouts.company import Company, nearest
from zsl.tensor_file import state_hash

if TYPE_CHECKING:
    from zsl.prediction.model import TrainedModel

BATCH, TOKENS, LABELS = 3, 7, 5  # of the example; at least 2, as torch.export takes a 1 for a fixed size
FORMAT = "zsl-graph/1"


class Graph(nn.Module):
    """The logits of prediction, as a function of pictures (or tokens) and word vectors.

    Args:
        model: the trained model, of which the graph has a copy on the CPU.
        words: a fixed vocabulary; its word vectors become part of the graph. None makes word vectors an input.
        company: same as for `TrainedModel.scores`.
    Raises:
        InputError: the readout has no such company; "grouped" without a vocabulary.
    """

    def __init__(self, model: "TrainedModel", words: Words | None = None, company: Company | None = None):
        super().__init__()
        self.facts, self.bank = model.facts, model.bank
        self.normalisation = model.normalisation.independent(model.softmax)
        self.words, self.company = words, company_of(model, company)
        if words is None and self.company == "grouped":
            raise InputError("company 'grouped' needs a vocabulary, which is divided into groups; give labels")
        self.backbone, self.readout = copy.deepcopy((model.backbone, model.readout))
        self.to("cpu").eval().requires_grad_(False)
        # no buffer: the order of groups is read from these values, and is computed here, once
        self.seen = torch.from_numpy(model.bank.select(model.seen))
        self.bound_seen = self._bound(self.seen)
        self.bound = None if words is None else self._bound(torch.from_numpy(words.vectors))

    def _bound(self, vectors: Tensor) -> Callable[[Tensor], Tensor]:
        if self.company == "grouped":
            return self.readout.bind(vectors)
        return self.readout.bind_each(vectors, self.company, self.seen)

    def forward(self, inputs: Tensor, vectors: Tensor | None = None) -> Tensor:
        """Logits (batch, label) float32, normalised as those of `TrainedModel.scores`.

        Args:
            inputs: pictures (batch, 3, size, size) uint8; for a model without a backbone, tokens (batch, token,
                channel).
            vectors: (label, embed) float32, of any number of labels; None for the fixed vocabulary.
        """
        tokens = inputs if self.backbone is None else self.backbone(inputs)
        tokens = tokens.to(self.seen.dtype)
        bound = self._bound(vectors) if self.bound is None and vectors is not None else self.bound
        assert bound is not None
        logits = bound(tokens).float()
        if self.normalisation.how == "none":
            return logits
        counted = self._counted(vectors) if self.normalisation.how == "softmax" else None
        return self.normalisation.of(logits, self.bound_seen(tokens).float(), counted)

    def _counted(self, vectors: Tensor | None) -> Tensor:
        """The labels that are seen ones; in word vectors, they are those that equal a seen label's."""
        if self.words is not None:
            return torch.from_numpy(self.words.seen)
        assert vectors is not None
        return (vectors == self.seen[nearest(vectors, self.seen)]).all(1)

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of the graph's shapes: random pixels, or random tokens, and word vectors of seen labels.

        Raises:
            InputError: the size of pictures is not known.
        """
        random = torch.Generator().manual_seed(0)
        if self.backbone is None:
            inputs = torch.randn(BATCH, TOKENS, self.facts.channels, generator=random)
        elif self.facts.square is None:
            raise InputError(f"{self.facts.name} does not say how large its pictures are; it cannot be exported")
        else:
            shape = (BATCH, 3, self.facts.square.size, self.facts.square.size)
            inputs = torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)
        return (inputs,) if self.words is not None else (inputs, self.seen.repeat(LABELS, 1)[:LABELS])

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the graph's inputs."""
        first = "tokens" if self.backbone is None else "pictures"
        return (first,) if self.words is not None else (first, "vectors")

    def exported(self) -> "torch.export.ExportedProgram":
        """The graph, for any number of pictures, of tokens, and of labels."""
        sizes = {0: torch.export.Dim("batch", min=1)}
        if self.backbone is None:
            sizes[1] = torch.export.Dim("token", min=1)
        shapes = (sizes,) if self.words is not None else (sizes, {0: torch.export.Dim("label", min=1)})
        with torch.no_grad():
            return torch.export.export(self, self.example(), dynamic_shapes=shapes)

    def metadata(self) -> dict[str, str]:
        """What a program that uses the graph must know; JSON, where it is more than a word."""
        facts, bank = self.facts, self.bank
        known = {
            "format": FORMAT,
            "model": facts.name,
            "scores": "log-probabilities" if self.normalisation.how == "softmax" else "logits",
            "normalise": self.normalisation.told,
            "company": self.company or "none",
            "encoder": bank.provenance.encoder,
            "bank_sha256": bank.sha256,
            "readout_sha256": state_hash(self.readout),
            "embed_dim": str(facts.embed_dim),
        }
        if self.backbone is not None:
            known["backbone_sha256"] = state_hash(self.backbone)
            known["square"] = json.dumps(asdict(facts.square)) if facts.square is not None else "{}"
        if self.words is not None:
            known["labels"] = json.dumps(self.words.labels, ensure_ascii=False)
        return known
