"""The config of one run: its sections, how they depend on each other, and what the backbone fills in."""

from collections.abc import Callable
from typing import Any

from pydantic import Field, PositiveInt, model_validator

from embeddings.banks.transforms import check_transforms
from embeddings.encoders.oov import check_policy
from embeddings.encoders.table import split_spec
from embeddings.io.errors import InputError
from embeddings.io.settings import flat, parsed, shown
from zsl.backbones.config import BackboneSection
from zsl.config import Config
from zsl.data.dataset_config import SquareConfig
from zsl.data.layouts.scenes import ScenesConfig
from zsl.data.table import DataConfig
from zsl.evaluation.stamp import Form
from zsl.readouts.company import Company, chosen_company
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.normalisation import How, Normalisation
from zsl.readouts.table import DecoderConfig
from zsl.runs.bank_config import BankConfig
from zsl.runs.held_out import HeldOutConfig
from zsl.runs.pairs import encoder_of, written_out
from zsl.training.augmentation import AugmentConfig
from zsl.training.config import CHANGED, TrainConfig
from zsl.training.plan import Plan

LARGEST = 2**53  # largest whole number; 64-bit integers and floats count up to here exactly


class EvaluateConfig(Config):
    """How a model is measured.

    Args:
        k: the K of F1@K; a protocol with fewer labels is measured without it.
        bootstrap: number of replicates over test images, for intervals; 0 computes none.
        batch_size: images per batch in scoring and in reading tokens.
        company: the other labels that a label is asked with, on which its score depends in group decoding. "grouped"
            asks the labels of a protocol together, as in the paper. Each label by itself, with a query of its own:
            "anchored" in the training group and the slot of its nearest seen label, "alone" in an empty group.
        normalise: how the scores of an image are normalised by those of the seen labels, so that images can be
            compared. "none" leaves them as they are; "image" subtracts the seen scores' mean, and divides by their
            standard deviation; "softmax" gives the log-probability of a label among the seen labels and itself. "label"
            subtracts the mean of a label's scores over all test images, and divides by their standard deviation.
        temperature: by which "softmax" divides scores.
    """

    k: tuple[PositiveInt, ...] = (3, 5)
    bootstrap: int = Field(200, ge=0)
    batch_size: int = Field(128, ge=1)
    company: Company = "grouped"
    normalise: How = "none"
    temperature: float = Field(1.0, gt=0)

    @property
    def normalisation(self) -> Normalisation:
        """`normalise` and `temperature`."""
        return Normalisation(self.normalise, self.temperature)

    @property
    def form(self) -> Form:
        """What stamps say of the scores."""
        return Form(self.company, self.normalisation.told)


class RunConfig(Config):
    """Everything that one run depends on."""

    data: DataConfig = ScenesConfig()
    bank: BankConfig = BankConfig()
    backbone: BackboneSection | None = None
    decoder: DecoderConfig = MlDecoderConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    held_out: HeldOutConfig | None = None

    @model_validator(mode="after")
    def _bank_is_known(self) -> "RunConfig":
        checks: dict[str, Callable[[Any], object]] = {
            "encoder": lambda spec: split_spec(written_out(spec, "")),
            "oov": check_policy,
            "transforms": check_transforms,
        }
        for key, check in checks.items():
            try:
                check(getattr(self.bank, key))
            except InputError as error:
                raise ValueError(f"bank.{key}: {error}") from error
        return self

    @model_validator(mode="after")
    def _company_is_known(self) -> "RunConfig":
        if self.evaluate.company != "grouped":
            try:
                chosen_company(self.evaluate.company, self.decoder.companies, f"decoder.kind = {self.decoder.kind!r}")
            except InputError as error:
                raise ValueError(f"evaluate.{error}") from error
        return self

    @model_validator(mode="after")
    def _other_labels_are_texts(self) -> "RunConfig":
        try:
            plan = Plan.of(self.decoder, self.train)
        except InputError as error:
            raise ValueError(str(error)) from error
        members = [(member, own.train) for member, own in plan.members if not (member.solved or member.fixed)]
        trained = members if plan.members else [(self.decoder, self.train)]
        for decoder, train in trained:
            changed = next((key for key in CHANGED if getattr(train, key)), None)
            if changed is not None and not decoder.open_vocabulary:
                # groups of other vectors would use the parameters of groups of labels
                asked = decoder.opened_by or f"another readout than decoder.kind = {decoder.kind!r}"
                raise ValueError(f"train.{changed} needs {asked}")
            if train.select == "held_out_labels" and not decoder.reads_vectors:
                told = f"decoder.kind = {decoder.kind!r} answers without word vectors"
                raise ValueError(f"{told}, so it finds no held-out label; set train.select = 'seen'")
        return self

    @model_validator(mode="after")
    def _some_readouts_train_no_backbone(self) -> "RunConfig":
        if self.decoder.frozen and self.backbone is not None and self.backbone.mode == "tuned":
            told = f"decoder.kind = {self.decoder.kind!r} {self.decoder.frozen}"
            raise ValueError(f"{told}: set backbone.mode = 'frozen'")
        return self


def resolved(config: RunConfig) -> RunConfig:
    """The config; how pictures are read is filled in as the backbone's weights read them, if it is not given. The
    encoder `backbone` becomes the text tower of the run's pair.

    Raises:
        InputError: there is no such backbone, or it reads pictures in a way that no key describes; the
            encoder is that of a pair, and the backbone is none.
    """
    chosen, data = config.backbone, config.data
    update: dict[str, Config] = {}
    if (encoder := encoder_of(config)) != config.bank.encoder:
        update["bank"] = config.bank.model_copy(update={"encoder": encoder})
    if chosen is None:
        return config.model_copy(update=update)
    update["backbone"] = chosen.resolved()
    missing = [key for key in SquareConfig.model_fields if getattr(data, key, "") is None]
    if missing:
        own = chosen.reading()
        values = {key: getattr(own, key) for key in missing}
        unknown = [key for key, value in values.items() if value is None]
        if unknown:
            raise InputError(f"the input of backbone {chosen.name!r} is no crop of a square; set data.{unknown[0]}")
        update["data"] = data.model_copy(update=values)
    return config.model_copy(update=update)


def validated(values: dict[str, Any], source: str) -> RunConfig:
    """The config of these values, or one line that says what is wrong with which key.

    Args:
        values: by section and key.
        source: where the values come from; the message begins with it.
    Raises:
        InputError: an unknown key (the message lists the known ones), an impossible value.
    """
    config = parsed(RunConfig, values, source)
    for key, value in flat(config.model_dump()).items():
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int) and number > LARGEST:
                raise InputError(f"{source}: {key} is more than {LARGEST:,} (got {shown(number)})")
    return config
