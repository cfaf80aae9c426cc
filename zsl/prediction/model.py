"""A trained model: what `zsl.fit` and `zsl.load` return."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import ModelHubMixin
from jaxtyping import Float
from torch import Tensor

from embeddings.banks.bank import Bank
from embeddings.encoders.table import AnyEncoder
from embeddings.io.errors import InputError
from zsl.backbones.base import BaseBackbone
from zsl.context import Context
from zsl.model import ZeroShotModel
from zsl.prediction.asking import Asked
from zsl.prediction.facts import Facts
from zsl.prediction.pictures import Picture, Pictures
from zsl.prediction.prediction import Prediction, Predictor, Threshold, Wanted, logits_of, predictions, token_batches
from zsl.prediction.thresholds import Thresholds
from zsl.prediction.words import Labels, words_of
from zsl.readouts.company import Company
from zsl.readouts.readout import Readout

HUB = {"library": "zero-shot-toolkit"}  # config.json, by which a model hub counts downloads


class TrainedModel(ZeroShotModel, ModelHubMixin, library_name="zero-shot-toolkit"):
    """A trained model with all that prediction needs; `push_to_hub` and `from_pretrained` are those of huggingface_hub.

    Args:
        backbone: images to tokens; None for a model of tokens.
        readout: tokens and word vectors to logits.
        softmax: same as for `ZeroShotModel`.
        facts: what it was trained on, and how.
        bank: the word vectors of training.
        thresholds: chosen by `zsl threshold`; None if it was not run.
        encoder: the object that made the bank, if it was no spec; new words need it.
    """

    _hub_mixin_config = HUB

    def __init__(
        self,
        backbone: BaseBackbone | None,
        readout: Readout,
        softmax: bool,
        facts: Facts,
        bank: Bank,
        thresholds: Thresholds | None = None,
    ):
        super().__init__(backbone, readout, softmax)
        self.rounded = facts.rounded
        self.facts, self.bank, self.thresholds = facts, bank, thresholds
        self.encoder: AnyEncoder | None = None

    @property
    def seen(self) -> tuple[str, ...]:
        """The labels that it was trained on."""
        return self.facts.seen

    def predict(
        self,
        images: Picture | Sequence[Picture],
        labels: Labels | None = None,
        *,
        top: int | None = 5,
        threshold: Threshold = None,
        company: Company | None = None,
        context: Context | None = None,
    ) -> list[Prediction]:
        """The best words of each picture. A word's score does not depend on the other words that are asked.

        Args:
            images, labels, company, context: same as for `scores`.
            top: words per picture at most; None for no limit.
            threshold: only words with at least this score; "auto" takes the thresholds that `zsl threshold` chose.
        Returns:
            a prediction per picture, in order.
        Raises:
            InputError: same as for `scores`; `threshold="auto"` without thresholds.
        """
        asked = self.asked(labels, company, context)
        found = list(predictions(Predictor(asked, Wanted(top, threshold)), self.pictures(images)))
        fault = next((one.fault for one in found if one.fault), None)
        if fault is not None:
            raise InputError(fault)
        return found

    def scores(
        self,
        images: Picture | Sequence[Picture],
        labels: Labels | None = None,
        *,
        company: Company | None = None,
        context: Context | None = None,
    ) -> Float[np.ndarray, "picture label"]:
        """The logits of pictures and words.

        Args:
            images: a picture or several: paths, Pillow images, arrays (row, column, 3) or tensors (3, row, column) of
                uint8. For a model without a backbone: tokens (picture, token, channel).
            labels: names in one string, with commas between them; a sequence of names; a text file with a name per
                line; a bank, or its file; None for the labels of the model's bank.
            company: in which group each label is asked, for a readout with groups (`Readout.bind_each`). "grouped" asks
                all together, as in the paper; a label's score then depends on the others and their order.
            context: device, precision, batch size, workers and progress; by default this machine's device and float32.
        Returns:
            (picture, label) float32, in the order given. For a model that was trained with the loss "softmax":
            log-probabilities of the label among the seen labels and itself.
        Raises:
            InputError: no picture, or one that cannot be read; words that have no vector.
        """
        asked = self.asked(labels, company, context)
        rows = []
        for tokens in self._all_tokens(images, asked.context):
            with torch.inference_mode(), asked.context.accelerator.autocast():
                rows.append(logits_of(asked, tokens))
        return np.concatenate(rows)

    def _all_tokens(self, images: Any, context: Context) -> Iterator[Tensor]:
        """The tokens of pictures, or the tokens given, batch by batch.

        Raises:
            InputError: a picture that cannot be read; tokens of another size.
        """
        if self.backbone is None and isinstance(images, Tensor) and images.ndim == 3:
            if images.shape[2] != self.facts.channels:
                raise InputError(f"tokens have {images.shape[2]} channels; the model takes {self.facts.channels}")
            yield from (self.tokens(batch.to(context.device)) for batch in images.split(context.batch_size))
            return
        for _, tokens, faults in token_batches(self, self.pictures(images), context):
            if faults:
                raise InputError(next(iter(faults.values())))
            assert tokens is not None
            yield tokens

    def tokens(self, inputs: Tensor) -> Float[Tensor, "picture token channel"]:
        """Tokens as prediction uses them: they are not rounded, also if those of training were."""
        tokens = inputs if self.backbone is None else self.backbone(inputs)
        return tokens.to(next(self.readout.parameters()).dtype)

    def asked(self, labels: Labels | None, company: Company | None = None, context: Context | None = None) -> Asked:
        """The model with words, for many pictures: `zsl.prediction.prediction.Predictor` takes it.

        Args:
            labels, company, context: same as for `scores`.
        """
        context = Context.of("fp32", batch_size=64) if context is None else context
        self.to(context.device).eval()
        words = words_of(self.bank, self.seen, labels, self.encoder, context.progress)
        with torch.inference_mode():
            return Asked(self, words, company, context)

    def pictures(self, images: Picture | Sequence[Picture], start: int = 0) -> Pictures:
        """Pictures, read as the model reads them.

        Args:
            images: same as for `scores`.
            start: number of pictures at the beginning that are left out.
        Raises:
            InputError: the model has no backbone.
        """
        if self.backbone is None or self.facts.square is None:
            raise InputError(
                f"{self.facts.name} was trained on tokens and has no backbone, so it reads no picture; load it with "
                "zsl.load(FOLDER, backbone=MODULE)"
            )
        return Pictures(images, self.facts.square, start)

    def _save_pretrained(self, save_directory: Path) -> None:
        from zsl.prediction.model_folder import write_model

        write_model(self, save_directory)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> "TrainedModel":
        """`from_pretrained` of huggingface_hub: a local folder, or one that it fetches."""
        from huggingface_hub import snapshot_download

        from zsl.prediction.loading import load

        fetching = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        given = {key: options.pop(key) for key in fetching}
        return load(model_id if Path(model_id).is_dir() else snapshot_download(model_id, **given), **options)
