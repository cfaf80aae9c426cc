"""Tables of variants: the same data, tokens and bank, one part of the decoder changed at a time."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from embeddings import Bank, InputError, atomic
from embeddings.encoders import split_spec
from embeddings.progress import Progress
from experiments.bank import BankConfig
from experiments.config import RunConfig, apply_setting, validated
from experiments.files import check_new
from experiments.run import evaluate_run, make_decoder, train_run
from experiments.source import load_bank, open_source
from zsl.acceleration import make_accelerator


@dataclass(frozen=True)
class Variant:
    """Config values by key, and the paper's unseen mAP in percent where it has one."""

    settings: Mapping[str, str]
    paper: float | None = None

    @property
    def axes(self) -> dict[str, str]:
        """The values by the last part of their keys: {"query": "text", ...}."""
        return {key.rpartition(".")[2]: value for key, value in self.settings.items()}

    @property
    def shown(self) -> dict[str, str]:
        """The axes as tables show them: file names without their folders."""
        return {axis: re.sub(r"[^+:,=]*/(?=[^+/])", "", value) for axis, value in self.axes.items()}

    @property
    def title(self) -> str:
        """Short, and fit for a folder's name."""
        return re.sub(r"[^\w.+-]+", "_", "-".join(self.shown.values()))


@dataclass(frozen=True)
class Ablation:
    """A table: its variants, in order, the recipe that it runs on unless told otherwise, and settings over that."""

    caption: str
    variants: tuple[Variant, ...]
    recipe: str
    settings: tuple[str, ...] = ()


def _query_head(query: str, head: str, paper: float) -> Variant:
    return Variant({"decoder.query": query, "decoder.head": head}, paper)


MINILM = "sentence-transformers:sentence-transformers/all-MiniLM-L6-v2"


def encoder_variants(encoders: Sequence[str]) -> tuple[Variant, ...]:
    """One variant an encoder, and last, where there are several, those that know something about names joined."""
    families = {spec: {part.partition(":")[0] for part in split_spec(spec)} for spec in encoders}
    informed = [spec for spec in families if "random" not in families[spec]]
    joined = ["+".join(informed)] if len(informed) > 1 else []
    return tuple(Variant({"bank.encoder": spec}) for spec in dict.fromkeys([*encoders, *joined]))


ABLATIONS: dict[str, Ablation] = {
    "encoders": Ablation(
        "Text encoders: unseen labels by their own names and by synonyms",
        encoder_variants(("lexical", MINILM, "corpus", "random")),
        recipe="scenes",
        # corpus vectors know the words of the training tags alone: phrases are means of them, synonyms get random ones
        settings=('bank.oov=["phrase", "lower", "parts", "random"]',),
    ),
    "table8": Ablation(
        "Table 8: query type x head type in zero-shot group decoding",
        (
            _query_head("text", "learnable", 2.4),
            _query_head("text", "shared", 2.6),
            _query_head("learnable", "text", 23.4),
            _query_head("text", "text", 28.7),
        ),
        recipe="scenes",
    ),
}


@dataclass(frozen=True)
class Record:
    """One run of a table, as in results.json; metrics are fractions, `run` is relative to the table's folder."""

    variant: Mapping[str, str]
    seed: int
    metrics: Mapping[str, float]
    run: str


@dataclass(frozen=True)
class Results:
    """A finished table.

    `baseline` holds the metrics of the backbone's own readout, where it was trained here; `random` counts the labels
    that the policy gave random vectors, by variant's title.
    """

    ablation: Ablation
    config: RunConfig
    records: tuple[Record, ...]
    baseline: Mapping[str, float]
    random: Mapping[str, int]

    def of(self, variant: Variant, metric: str) -> np.ndarray:
        """A metric's values over seeds."""
        return np.array([r.metrics[metric] for r in self.records if r.variant == variant.axes])


def run_ablation(ablation: Ablation, config: RunConfig, seeds: int, out: Path, progress: Progress) -> Results:
    """Trains and tests every variant under every seed, and writes `results.json` as it goes.

    The backbone, where it is trained, is trained once: seeds change the decoder's initial weights and the order of
    the images.

    Raises:
        InputError: what any of its runs would meet, before the first one starts where it can be known.
    """
    check_new(out)
    accelerator = make_accelerator(config.train.precision)
    configs = {v.title: variant_config(config, v) for v in ablation.variants}
    if len(configs) < len(ablation.variants):
        raise InputError(f"two variants have one name; there are {', '.join(configs)}: rename a file or a folder")
    source = open_source(config, accelerator, progress)
    banks: dict[BankConfig, Bank] = {}
    for values in configs.values():
        if values.bank not in banks:
            banks[values.bank] = load_bank(values.bank, source.data, progress)
        make_decoder(values, 1, banks[values.bank], len(source.data.seen))
    source.pretrain()
    if source.frozen:
        source.read()  # an image that does not decode shows before anything is written
    baseline = source.pretrained_metrics()
    records: list[Record] = []
    for seed in range(config.train.seed, config.train.seed + seeds):
        for variant in ablation.variants:
            seeded = configs[variant.title].model_copy(update={"train": config.train.model_copy(update={"seed": seed})})
            run = f"runs/{variant.title}-seed{seed}"
            task = f"{'/'.join(variant.shown.values())} seed {seed}"
            train_run(seeded, source, banks[seeded.bank], out / run, task)
            accelerator.wait_for_everyone()
            metrics = evaluate_run(out / run, source, task=f"test {task}").evaluation.metrics
            records.append(Record(variant.axes, seed, metrics, run))
            if accelerator.is_main_process:
                content = json.dumps([asdict(record) for record in records], indent=1)
                atomic.write_text(out / "results.json", content + "\n")
    if baseline and accelerator.is_main_process:
        atomic.write_text(out / "baseline.json", json.dumps(baseline, indent=1) + "\n")
    filled = {title: random_labels(banks[values.bank]) for title, values in configs.items()}
    return Results(ablation, config, tuple(records), baseline, filled)


def random_labels(bank: Bank) -> int:
    """How many labels have a random vector because the encoder has none for them."""
    return sum("random vector" in note for note in bank.notes)


def variant_config(config: RunConfig, variant: Variant) -> RunConfig:
    """A config with a variant's values."""
    values = config.model_dump(mode="json")
    for key, value in variant.settings.items():
        apply_setting(values, f"{key}={json.dumps(value)}")
    return validated(values, f"variant {variant.title}")
