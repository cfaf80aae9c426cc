"""What runs on one dataset share: the data, the backbone, and the tokens of a frozen one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from accelerate.utils import set_seed

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank
from embeddings.io.errors import InputError
from zsl.backbones.base import BaseBackbone
from zsl.backbones.batch_norm import check_pieces
from zsl.context import Context
from zsl.data.dataset import MultiLabelData, Part
from zsl.data.folds import split_rows
from zsl.data.loading import Samples, SeenSamples
from zsl.data.table import load_data
from zsl.evaluation.measures import Scores, measure
from zsl.evaluation.protocol import TestSet, check_measurable, protocols
from zsl.model import ZeroShotModel
from zsl.readouts.company import Company
from zsl.readouts.max_pooled import MaxPooledReadout
from zsl.readouts.normalisation import Normalisation
from zsl.readouts.readout import Readout
from zsl.runs.config import RunConfig
from zsl.runs.held_out import HeldOutConfig, hold_out, without_test
from zsl.scoring import Asking, extract_tokens, score_test
from zsl.training.augmentation import make_augmentation
from zsl.training.checkpoint import Checkpoints
from zsl.training.config import TrainConfig
from zsl.training.journal import Journal
from zsl.training.loop import Training


@dataclass
class Source:
    """What runs on one dataset share: its parts, the backbone, and a frozen backbone's tokens, each read once.

    Args:
        config: of a run. If the user gives an own object, its section only says how the object is trained.
        data: the dataset.
        context: device, processes and progress; batch size and workers are taken from the config.
        backbone: the user's own; None makes that of the config.
        readout: the user's own; None makes that of the config.
        own: the kinds of the objects that were given instead of configs, by section.
    Raises:
        InputError: images without a backbone, tokens with a backbone, or a backbone that does not take images of this
            size.
    """

    config: RunConfig
    data: MultiLabelData
    context: Context
    backbone: BaseBackbone | None = None
    readout: Readout | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    pretrained_readout: MaxPooledReadout | None = None
    pretrained_bank: Bank | None = None

    def __post_init__(self) -> None:
        evaluate, train = self.config.evaluate, self.config.train
        self.context = replace(self.context, batch_size=evaluate.batch_size, workers=train.workers)
        chosen = self.config.backbone
        if (chosen is None) == (self.data.kind == "images"):
            need = "give [backbone] name" if chosen is None else "remove [backbone], or --set backbone=none"
            raise InputError(f"dataset {self.data.name} holds {self.data.kind}; {need}")
        if chosen is not None and self.backbone is None:
            set_seed(self.config.train.seed if chosen.pretraining is None else chosen.pretraining.seed)
            self.backbone = chosen.make()
            self.backbone.channels(self.image_size)  # raises if it refuses the image size

    @property
    def cached(self) -> bool:
        """Whether the backbone's tokens are computed once, and models are trained on those."""
        chosen = self.config.backbone
        return chosen is not None and chosen.mode == "frozen" and chosen.cached

    @property
    def spares_training(self) -> bool:
        """Whether the readout has nothing to train, so that tokens of the training part need not be computed."""
        return (self.readout or self.config.decoder).fixed and "train" not in vars(self)

    @cached_property
    def train(self) -> Part:
        """Training images, or tokens."""
        return self._read(self.data.train, "train")

    @cached_property
    def test(self) -> Part:
        """Test images, or tokens."""
        return self._read(self.data.test, "test")

    @property
    def image_size(self) -> int:
        """The side of an image, in pixels."""
        return int(self.data.train.inputs.read([0]).shape[-1])

    @cached_property
    def channels(self) -> int:
        """The size of a token."""
        size = self.image_size  # the last axis of the inputs; for tokens this is already the size of a token
        return size if self.backbone is None else self.backbone.channels(size)

    @property
    def leading(self) -> int:
        """How many of an image's first tokens stand for the whole image."""
        return int(self.data.made_with.get("leading", 0)) if self.backbone is None else self.backbone.leading

    def of(self, config: RunConfig) -> "Source":
        """A source with the same data, backbone and tokens, for a run of another config.

        If only the other config has `[held_out]`, or holds out labels and this one does not, the data are changed so.

        Raises:
            InputError: same as for `played`.
        """
        before = self.config.held_out
        other = replace(self, config=config, data=played(self.data, config, before))
        if "channels" in vars(self):
            vars(other)["channels"] = self.channels
        names = ("train", "test") if self.cached else ()
        read: dict[str, Part] = {name: vars(self)[name] for name in names if name in vars(self)}
        if config.held_out == before:
            vars(other).update(read)
        elif "train" in read:
            parts = replace(self.data, train=read["train"], test=read.get("test", self.data.test))
            tokens = played(parts, config, before)
            vars(other).update(train=tokens.train, test=tokens.test)
        return other

    def asking(self, company: Company | None, normalisation: Normalisation | None = None) -> "Source":
        """A source that asks labels in another company, or normalises scores in another way; this one for its own.

        Args:
            company: `evaluate.company`; None keeps it.
            normalisation: `evaluate.normalise` and `evaluate.temperature`; None keeps them.
        """
        evaluate = self.config.evaluate
        how, temperature = normalisation or evaluate.normalisation
        changed = {"company": company or evaluate.company, "normalise": how, "temperature": temperature}
        other = evaluate.model_copy(update=changed)
        return self if other == evaluate else self.of(self.config.model_copy(update={"evaluate": other}))

    def read(self) -> None:
        """Computes the tokens of both parts, if they are cached."""
        _ = self.train, self.test

    def _read(self, part: Part, title: str) -> Part:
        if not self.cached:
            return part
        assert self.backbone is not None
        return extract_tokens(self.backbone, part, self.context, f"{title} tokens")

    def split(self, part: Part, seed: int | None = None) -> tuple[Samples, Samples]:
        """Divides the training part into training and validation samples, in the same way for every config and seed.

        Args:
            part: the training images, or their tokens.
            seed: of augmentation; None takes that of the config.
        Returns:
            training samples, validation samples.
        Raises:
            InputError: no image is left to train on.
        """
        rows, held = split_rows(len(part.targets), self.config.train.validation)
        from_images = part.inputs is self.data.train.inputs and self.data.kind == "images"
        augment = make_augmentation(self.config.augment) if from_images else None
        views = getattr(part.inputs, "views", 1)
        seed = self.config.train.seed if seed is None else seed
        train = Samples(part, rows, augment, views, seed)
        return train, Samples(part, held)  # validation reads the images as they are

    def check_batches(self) -> None:
        """Checks that the backbone, if it is trained, can be trained with the config's batch size.

        Raises:
            InputError: a layer cannot be trained with it; the message names the key to set.
        """
        chosen, train, processes = self.config.backbone, self.config.train, self.context.accelerator.num_processes
        if chosen is None or self.backbone is None:
            return
        images, size = len(self.split(self.data.train)[0]), self.image_size
        if chosen.pretraining is not None:
            check_pieces(self.backbone, size, images, chosen.pretraining.batch_size, processes, "backbone.pretrain")
        if chosen.mode == "tuned":
            check_pieces(self.backbone, size, images, train.batch_size, processes * train.accumulate)

    def pretrain(self, checkpoints: Checkpoints | None = None) -> None:
        """Trains the backbone on seen labels, if the config asks for it."""
        chosen = self.config.backbone
        if chosen is None or chosen.pretraining is None:
            return
        assert self.backbone is not None
        self.check_batches()
        recipe = chosen.pretraining
        self.pretrained_bank = build_bank(self.data.names, recipe.encoder, transforms=("l2",))
        vectors = torch.from_numpy(self.pretrained_bank.select(self.data.seen))
        size = self.image_size
        set_seed(recipe.seed)
        readout = MaxPooledReadout(self.backbone.channels(size), vectors.shape[1])
        self.backbone.leave_out_unused(size)
        model = ZeroShotModel(self.backbone, readout)
        config = TrainConfig(
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            ema=0,
            validation=self.config.train.validation,
            precision=self.config.train.precision,
            workers=self.config.train.workers,
            seed=recipe.seed,
        )
        seen = SeenSamples(*self.split(self.data.train, recipe.seed), vectors)
        Training(config, model, seen, self.context, Journal("backbone", checkpoints)).run()
        self.pretrained_readout = readout

    def pretrained_metrics(self) -> dict[str, float]:
        """The test metrics of the readout that the backbone was pretrained with; {} without pretraining."""
        if self.pretrained_readout is None or self.pretrained_bank is None:
            return {}
        model = ZeroShotModel(None if self.cached else self.backbone, self.pretrained_readout)
        data, task = replace(self.data, test=self.test), "test backbone's own readout"
        scores = score_test(model, data, self.pretrained_bank, self.context, task)
        return measure(scores, TestSet.of(self.data), self.config.evaluate.k).metrics

    def scores(self, model: ZeroShotModel, bank: Bank, task: str, trained: Bank | None = None) -> dict[str, Scores]:
        """A model's scores of the test part with a bank's vectors, by protocol; labels are asked and scores
        normalised as `evaluate` says.

        Args:
            model: for the inputs of this source.
            bank: the word vectors of the labels.
            task: the name of the task in progress reports.
            trained: the bank of training, if it is another one.
        Raises:
            InputError: an image that cannot be read, or whose scores are not finite; the message names the image.
        """
        evaluate, seen = self.config.evaluate, torch.from_numpy((trained or bank).select(self.data.seen))
        asked = Asking(seen, evaluate.company, evaluate.normalisation)
        return score_test(model, replace(self.data, test=self.test), bank, self.context, task, asked)


def open_source(config: RunConfig, context: Context, in_order: bool = False) -> Source:
    """Loads the dataset and makes its backbone, checking first what would fail later.

    Args:
        config: of a run.
        context: device, processes and progress; batch size and workers are taken from the config.
        in_order: True if inputs are only read in order, which allows data that have no other way.
    Returns:
        the source.
    Raises:
        InputError: data or a backbone that cannot be used.
    """
    data = played(load_data(config.data), config)
    check_usable(data, in_order)
    return Source(config, data, context)


def played(data: MultiLabelData, config: RunConfig, before: HeldOutConfig | None = None) -> MultiLabelData:
    """The data of a run, in which the labels of `[held_out]` are unseen.

    Args:
        data: images or tokens; if nothing was held out before, the test part is not read.
        config: of the run.
        before: what the data have been changed by: None, or a section that holds out no label.
    Returns:
        the changed data; the same object if there is nothing to change.
    Raises:
        InputError: too few labels or images.
    """
    wanted = config.held_out
    if wanted is None or wanted == before:
        return data
    training = without_test(data, config.train.validation) if before is None else data
    columns = wanted.labels(len(training.seen))
    return hold_out(training, columns) if len(columns) else training


def check_usable(data: MultiLabelData, in_order: bool = False) -> None:
    """Checks that a dataset can be trained from and measured.

    Args:
        data: the dataset.
        in_order: True if inputs are only read in order, which allows data that have no other way.
    Raises:
        InputError: the dataset can only be read in order.
    """
    if data.in_order and not in_order:
        raise InputError(
            f"{data.name} can only be read in order; rewrite it with zsl data extract, and train from that"
        )
    test = TestSet.of(data)
    check_measurable(test, protocols(test))
