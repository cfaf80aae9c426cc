"""mAP of labels that are asked in groups, anchored, and alone, for Table 8's rows and for groups of similar labels."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
import typer

from embeddings.banks.bank import Bank
from embeddings.io.progress import Progress
from experiments.bench.harness import Figures, machine
from experiments.commands.bench import Out, measured
from experiments.commands.options import Settings
from experiments.config.reading import changed, load_config
from experiments.runs.company import compare_companies
from zsl.context import Context
from zsl.data.loading import Samples
from zsl.evaluation.measures import measure
from zsl.evaluation.protocol import TestSet
from zsl.model import ZeroShotModel
from zsl.readouts.company import COMPANIES, Company
from zsl.runs.bank_config import load_bank
from zsl.runs.source import Source, open_source
from zsl.runs.training import train_model
from zsl.scoring import Asking, score, vocabularies

VARIANTS = (
    {"decoder.query": "text", "decoder.head": "learnable"},
    {"decoder.query": "text", "decoder.head": "shared"},
    {"decoder.query": "learnable", "decoder.head": "text"},
    {"decoder.query": "text", "decoder.head": "text"},
    {"decoder.query": "text", "decoder.head": "text", "decoder.grouping": "similar"},
)
PROTOCOLS = {"zsl": "unseen", "gzsl": "all", "seen": "seen"}


def command(
    config: Annotated[str, typer.Option(metavar="CONFIG", help="A recipe or a TOML file; its variant is replaced.")],
    settings: Settings = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each variant.")] = 1,
    out: Out = None,
) -> None:
    """Ask labels in groups, anchored, and alone: mAP of each, and what seen validation says of them."""
    measured(lambda progress: bench_company(config, settings or [], seeds, progress), out)


def bench_company(config: str, settings: Sequence[str], seeds: int, progress: Progress) -> Figures:
    """Trains Table 8's variants, and measures each in every company; nothing is written.

    Args:
        config: a recipe or a file, of a dataset with unseen labels.
        settings: over it, for every variant.
        seeds: trainings of each variant, with the seeds 0, 1, ...
        progress: told of trainings and tests.
    """
    plain = load_config(config, settings, trains=True)
    source = open_source(plain, Context.of(plain.train.precision, progress=progress))
    bank = load_bank(plain.bank, source.data, progress)
    source.pretrain()
    source.read()
    record: list[dict[str, Any]] = []
    for variant in VARIANTS:
        for seed in range(seeds):
            own = changed(plain, {**variant, "train.seed": seed}, config)
            record.append({"variant": variant, "seed": seed} | _measured(source.of(own), bank))
            progress("trainings", len(record), len(VARIANTS) * seeds)
    rows = []
    for variant in VARIANTS:
        found = [one for one in record if one["variant"] == variant]
        named = [variant["decoder.query"], variant["decoder.head"], variant.get("decoder.grouping", "given")]
        maps = [[one[part] for one in found] for part in (*PROTOCOLS.values(), "validation")]
        rows.append([*named, *(_means(part) for part in maps), ", ".join(one["better"] or "none" for one in found)])
    title = f"mAP grouped / anchored / alone [%], {source.data.name}, mean of {seeds} trainings"
    header = ["query", "head", "grouping", *PROTOCOLS.values(), "seen validation, as if unseen", "clearly better there"]
    return Figures(title, header, rows, {"measured": record, "machine": machine()})


def _measured(source: Source, bank: Bank) -> dict[str, Any]:
    """mAP by protocol and company, and what seen validation says."""
    model, _ = train_model(source, bank)
    check = compare_companies(model, source, bank)
    found = {company: _maps(model, source, bank, company) for company in COMPANIES}
    maps = {title: {c: found[c][f"{name}/map"] for c in COMPANIES} for name, title in PROTOCOLS.items()}
    return {**maps, "validation": check.maps, "better": check.better, "told": check.told()}


def _maps(model: ZeroShotModel, source: Source, bank: Bank, company: Company) -> dict[str, float]:
    words = {name: vectors for name, vectors in vocabularies(source.data, bank).items() if name in PROTOCOLS}
    asked = Asking(torch.from_numpy(bank.select(source.data.seen)), company)
    scores = score(model, Samples(source.test), words, source.context, company, asked)
    return measure(scores, TestSet.of(source.data), ()).metrics


def _means(found: Sequence[dict[str, float]]) -> str:
    return " / ".join(f"{100 * float(np.mean([one[company] for one in found])):.1f}" for company in COMPANIES)
