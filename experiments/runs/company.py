"""Which company suits a run: its seen labels are asked as if they were unseen, on its validation images."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from zsl.data.dataset import Part
from zsl.data.layouts.features import Chosen
from zsl.data.loading import Samples
from zsl.evaluation.evaluation import interval_of
from zsl.evaluation.measures import measure
from zsl.evaluation.protocol import TestSet
from zsl.model import ZeroShotModel
from zsl.readouts.readout import Readout
from zsl.runs.saved import trained_bank, trained_model
from zsl.runs.source import Source
from zsl.scoring import Asking, Scorer, ask_each, log_probable, score_bound

REPLICATES = 200
METRIC = "closed/map"


@dataclass(frozen=True)
class CompanyCheck:
    """The mAP of seen labels on validation images, in each company.

    Args:
        images: number of validation images.
        used: the run's own company.
        maps: mAP by company, as fractions.
        gains: by other company, its mAP minus that of the one used, and the 95 % interval of this difference.
    """

    images: int
    used: str
    maps: dict[str, float]
    gains: dict[str, tuple[float, float, float]]

    @property
    def better(self) -> str | None:
        """The company with the highest mAP, if its gain has an interval above 0."""
        best = max(self.maps, key=lambda company: self.maps[company])
        return best if best in self.gains and self.gains[best][1] > 0 else None

    def told(self) -> str:
        """One line: what was measured, and what to set."""
        figures = ", ".join(f"{100 * value:.1f} {company}" for company, value in self.maps.items())
        begin = f"mAP of seen labels asked as if unseen, on {self.images:,} validation images: {figures}"
        if self.better is None:
            return f"{begin}; no other company is clearly better than evaluate.company = {self.used!r}"
        gain, low, high = (100 * value for value in self.gains[self.better])
        better = f"{self.better} is better than {self.used} by {gain:.1f} (95 % interval {low:.1f} to {high:.1f})"
        return f"{begin}; {better}: try --set evaluate.company={self.better}"


def check_company(folder: Path, source: Source) -> CompanyCheck:
    """`compare_companies` of a trained run.

    Args:
        folder: of the run.
        source: of the run.
    Raises:
        InputError: same as for `compare_companies`; not a finished run.
    """
    bank = trained_bank(folder)
    return compare_companies(trained_model(folder, source, bank), source, bank)


def compare_companies(model: ZeroShotModel, source: Source, bank: Bank) -> CompanyCheck:
    """Measures the companies that a readout has on seen labels that play unseen ones; the test set is not used.

    "grouped": the labels in random order, in vocabularies as large as that of the unseen labels. "anchored": each at
    its nearest other label, while its own slot is empty. "alone" needs no change. Each validation image is read once,
    and its scores are normalised as the run's; the two latter forms cost a query for each seen label.

    Args:
        model: for the inputs of the source.
        source: data and backbone of the training.
        bank: of training.
    Raises:
        InputError: a readout without companies, a closed set, no validation image with a seen label.
    """
    data = source.data
    if not data.unseen:
        raise InputError(f"{data.name} has no unseen labels, so there is no company to choose")
    if not model.readout.companies:
        raise InputError("this readout scores each label by itself, so there is no company to choose")
    rows = source.split(data.train)[1].rows
    held = Part(Chosen(data.train.inputs, rows), data.train.targets[rows])
    read = replace(source, data=replace(data, test=held))
    vectors, unseen = torch.from_numpy(bank.select(data.seen)), len(data.unseen)

    def bind(device: torch.device) -> dict[str, Scorer]:
        return _forms(model, vectors.to(device), unseen)

    found = score_bound(model, Samples(read.test), bind, read.context, "company")
    normalisation, every = source.config.evaluate.normalisation, np.ones(len(data.seen), np.bool_)
    scores = {company: normalisation.of(values, values, every) for company, values in found.items()}
    targets = held.targets.columns(np.arange(len(data.seen)))
    test = TestSet(f"{data.name}, validation images", data.seen, (), targets, data.fingerprint)
    measured = {company: measure({"closed": values}, test, (), REPLICATES) for company, values in scores.items()}
    maps = {company: one.metrics[METRIC] for company, one in measured.items()}
    used, gains = source.config.evaluate.company, {}
    for company in measured.keys() - {used}:
        drawn = measured[company].replicates[METRIC] - measured[used].replicates[METRIC]
        gain = maps[company] - maps[used]
        gains[company] = (gain, *interval_of(METRIC, drawn, gain, ends=(-1.0, 1.0)))
    return CompanyCheck(len(rows), used, maps, gains)


def _forms(model: ZeroShotModel, vectors: Tensor, unseen: int) -> dict[str, Scorer]:
    """The scores of all seen labels in each company; with softmax, normalised over these labels."""
    own = torch.arange(len(vectors), device=vectors.device)
    forms: dict[str, Scorer] = {"grouped": _regrouped(model.readout, vectors, unseen)}
    for company in model.readout.companies:
        asked, without = Asking(vectors, company), own if company == "anchored" else None
        forms[company] = ask_each(model.readout, vectors, asked, without)
    return {company: log_probable(model, logits) for company, logits in forms.items()}


def _regrouped(readout: Readout, vectors: Tensor, unseen: int) -> Scorer:
    """The labels in random order, in vocabularies of about as many labels as there are unseen ones."""
    order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0)).to(vectors.device)
    parts = [readout.bind(vectors[p]) for p in order.tensor_split(max(2, round(len(order) / unseen)))]
    places = order.argsort()
    return lambda tokens: torch.cat([part(tokens) for part in parts], 1)[:, places]
