"""A trained model: what `zsl.fit` and `zsl.load` return."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from zsl.data.dataset import MultiLabelData
from zsl.data.squares import Square
from zsl.model import ZeroShotModel
from zsl.prediction.asking import Asked
from zsl.prediction.facts import Facts
from zsl.prediction.heat_maps import HeatMap, with_legend
from zsl.prediction.looking import Looking, pooled_of, tokens_of
from zsl.prediction.pictures import Picture, Pictures
from zsl.prediction.prediction import Prediction, Predictor, Threshold, Wanted, logits_of, predictions, token_batches
from zsl.prediction.reasons import Neighbour, Reasons
from zsl.prediction.thresholds import Thresholds
from zsl.prediction.words import Labels, words_of
from zsl.readouts.company import Company
from zsl.readouts.looks import Look
from zsl.readouts.normalisation import Normalisation
from zsl.readouts.readout import Readout

if TYPE_CHECKING:
    import PIL.Image

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
        chosen = Normalisation(facts.normalise, facts.temperature)
        self._normalisation = chosen if thresholds is None else thresholds.normalisation

    @property
    def normalisation(self) -> Normalisation:
        """How scores are normalised: as the thresholds need it, or as the run was told to (`evaluate.normalise`).

        It may be set, for example to `Normalisation("image")`.

        Raises:
            InputError: it is set to another one than that of the thresholds, or to one that pictures cannot have.
        """
        return self._normalisation

    @normalisation.setter
    def normalisation(self, chosen: Normalisation) -> None:
        if self.thresholds is not None and chosen != self.thresholds.normalisation:
            told = f"{self.facts.name} are for normalise = {self.thresholds.normalisation.told!r}"
            raise InputError(f"the thresholds of {told}, not {chosen.told!r}; run zsl threshold again, with --set")
        self._normalisation = Normalisation(chosen.of_picture, chosen.temperature)

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
            (picture, label) float32, in the order given, normalised as `normalisation` says. Without one, a model that
            was trained with the loss "softmax" gives log-probabilities of the label among the seen labels and itself.
        Raises:
            InputError: no picture, or one that cannot be read; words that have no vector.
        """
        asked = self.asked(labels, company, context)
        rows = []
        for tokens in self._all_tokens(images, asked.context):
            with torch.inference_mode(), asked.context.accelerator.autocast():
                rows.append(logits_of(asked, tokens))
        return np.concatenate(rows)

    def attention(
        self,
        image: Picture,
        label: str,
        *,
        look: Look | None = None,
        company: Company | None = None,
        context: Context | None = None,
    ) -> Float[np.ndarray, "row column"]:
        """Where the model looked in a picture for a word: one number for each place of the square that it reads.

        Args:
            image, company, context: same as for `scores`, with one picture.
            label: the word.
            look: "evidence", what the place adds to the logit; or "attention", weights that sum to 1. None takes the
                readout's default (`Readout.looked`).
        Returns:
            (row, column) float32; `heat_map` draws it.
        Raises:
            InputError: a readout that cannot say where it looked, or cannot show this; same as for `scores`.
        """
        return self._looked(image, look, self.asked([label], company, context))[1].values

    def heat_map(
        self,
        image: Picture,
        label: str,
        *,
        look: Look | None = None,
        company: Company | None = None,
        context: Context | None = None,
    ) -> "PIL.Image.Image":
        """The whole picture under the colours of `attention`, with a legend.

        Args:
            image, label, look, company, context: same as for `attention`.
        Returns:
            a Pillow image, at most 768 px wide or high without its legend.
        Raises:
            InputError: same as for `attention`.
        """
        return with_legend(*self._looked(image, look, self.asked([label], company, context)))

    def _looked(self, image: Picture, look: Look | None, asked: Asked) -> tuple["PIL.Image.Image", HeatMap]:
        whole = self._whole(image)
        (heat,) = Looking(asked, look).heat_maps(whole, tokens_of(asked, whole), asked.words.labels)
        return whole, heat

    def why(
        self, image: Picture, label: str, data: MultiLabelData, *, count: int = 3, context: Context | None = None
    ) -> tuple[Neighbour, ...]:
        """Why this word? The seen labels whose words are nearest, and their training pictures nearest to the picture.

        The training pictures are read once, and their mean tokens are kept in the cache of the toolkit.

        Args:
            image, context: same as for `scores`, with one picture.
            label: the word.
            data: the dataset that the model was trained on.
            count: of seen labels, and of pictures for each, at most.
        Returns:
            the seen labels, nearest first; similarities are cosines of word vectors and of mean tokens.
        Raises:
            InputError: other data than those of training; same as for `scores`.
        """
        asked = self.asked([label], None, context)
        tokens = tokens_of(asked, self._whole(image))
        return Reasons(self, data, asked.context, count).of(
            asked.words.vectors[0], pooled_of(tokens, self.facts.leading)
        )

    def _whole(self, image: Picture) -> "PIL.Image.Image":
        pictures = self.pictures(image)
        if len(pictures) != 1:
            raise InputError(f"{len(pictures)} pictures; give one")
        return pictures.whole(0)

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
        return tokens.to(self.dtype)

    @property
    def dtype(self) -> torch.dtype:
        """Of the readout's weights; `model.half()`, say, changes it."""
        return next(self.readout.parameters()).dtype

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
        return Pictures(images, self.reader()[1], start)

    def reader(self) -> tuple[BaseBackbone, Square]:
        """The backbone, and the square of a picture that it reads.

        Raises:
            InputError: the model has no backbone.
        """
        if self.backbone is None or self.facts.square is None:
            raise InputError(
                f"{self.facts.name} was trained on tokens and has no backbone, so it reads no picture; load it with "
                "zsl.load(FOLDER, backbone=MODULE)"
            )
        return self.backbone, self.facts.square

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
