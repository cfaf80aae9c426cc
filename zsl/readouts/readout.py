"""The interface of readouts, which turn image tokens and word vectors into logits."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from embeddings.io.errors import InputError
from zsl.config import Config
from zsl.readouts.company import Company, chosen_company
from zsl.readouts.looks import Look

Features = Float[Tensor, "batch token channel"] | Float[Tensor, "batch channel row column"]
Vectors = Float[Tensor, "label embed"]
Seen = Float[Tensor, "seen embed"]
Logits = Float[Tensor, "batch label"]
Maps = Float[Tensor, "batch label token"]
TokenKind = Literal["class", "patches"]

COSINE_SCALE = 10.0  # initial factor of cosines: as steep as the sigmoid losses of image and text encoders begin
PRIOR_LOGIT = -4.0  # initial bias: an image shows few of many labels, and the first epochs need not learn just that


class Readout(nn.Module, ABC):
    """Tokens and word vectors to logits; the vocabulary is an argument and may have any size.

    Attributes:
        companies: the ways of `bind_each` in which a label's logit does not depend on the other labels, the best
            default first. () means that labels never influence each other: `bind` is such a way.
        looks: what `looked` can show, the default first; () means that the readout cannot say where it looked. Such a
            readout needs no method `_looked`.
        leading: number of the first tokens that stand for the whole image, not for a place (`lead`).
        reads_whole: of an image with leading tokens, the readout reads their mean alone, as it reads the mean of all
            tokens otherwise.
        fixed: it has nothing to train, and nothing to solve.
    """

    companies: tuple[Company, ...] = ()
    looks: tuple[Look, ...] = ()
    leading: int = 0
    reads_whole: bool = False
    fixed: bool = False

    def lead(self, leading: int) -> "Readout":
        """Says how many of the first tokens stand for the whole image, to the readout and to those that it is made of.

        Returns:
            the readout.
        """
        for module in self.modules():
            if isinstance(module, Readout):
                module.leading = leading
        return self

    @property
    def placed(self) -> bool:
        """Whether it can say where it looked: it reads tokens of places, not the token of the whole image alone."""
        return bool(self.looks) and not (self.leading and self.reads_whole)

    @abstractmethod
    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Computes once what depends only on the vocabulary.

        Args:
            vectors: (label, embed), word vectors of any number of labels; None means the labels of training, if the
                readout allows it.
        Returns:
            A function from features to the logits of `forward`, (batch, label).
        """

    def bind_each(
        self,
        vectors: Vectors,
        company: Company | None = None,
        trained: Seen | None = None,
        without: Int64[Tensor, " label"] | None = None,
    ) -> Callable[[Tensor], Tensor]:
        """Same as `bind`, but each label is asked by itself: its logit does not depend on the other labels.

        So a large vocabulary may be bound in parts; the logits of the parts, side by side, are those of the whole.

        Args:
            vectors: (label, embed), word vectors of any number of labels.
            company: one of `companies`; None takes the first. "alone": the other slots of the label's group are empty.
                "anchored": the label takes the place of its nearest seen label, by cosine, in that one's group of
                training.
            trained: (seen, embed), word vectors of the seen labels in the order of training; "anchored" needs them.
            without: (label,) for labels that are seen, their places among the seen ones. Each is then anchored as if
                it were unseen: at its nearest other label, while its own slot is empty.
        Returns:
            A function from features to logits (batch, label).
        Raises:
            InputError: the readout has no such company; vectors of another size, or missing.
        """
        chosen_company(company, self.companies, type(self).__name__)
        return self.bind(vectors)

    def forward(self, features: Features, vectors: Vectors | None) -> Logits:
        """Logits (batch, label) of the labels whose word vectors (label, embed) are given."""
        return self.bind(vectors)(features)

    def remember(self, vectors: Vectors | None) -> None:
        """Called once before training, with the word vectors (label, embed) of the training labels.

        Most readouts do not need it.
        """

    def looked(
        self,
        features: Features,
        vectors: Vectors,
        company: Company | None = None,
        trained: Seen | None = None,
        look: Look | None = None,
    ) -> Maps:
        """Where the readout looked in each image for each label: one number for each token.

        - "attention": weights of the tokens, which are positive and sum to 1; the mean over the heads of attention.
        - "evidence": what the token adds to the label's logit, or takes from it. Readouts that are linear in the tokens
          divide their logit exactly: the sum over tokens is the logit without its bias.

        Args:
            features: tokens or maps of the images.
            vectors, company, trained: same as for `bind_each`: each label is asked by itself.
            look: which of the two; None takes the first of `looks`.
        Returns:
            (batch, label, token) float32, tokens in the order of `features`.
        Raises:
            InputError: the readout cannot say where it looked, or cannot show this; same as for `bind_each`.
        """
        with exact(features), torch.no_grad():
            return self._looked(features, vectors, company, trained, self.look_of(look)).float()

    def look_of(self, look: Look | None) -> Look:
        """One of `looks`; None chooses the first.

        Raises:
            InputError: the readout cannot say where it looked, or cannot show this.
        """
        if not self.looks:
            raise InputError(
                f"{type(self).__name__} cannot say where it looked; "
                "heat maps need a readout such as ml-decoder, label-attention or gap-text"
            )
        if look is not None and look not in self.looks:
            raise InputError(f"{type(self).__name__} cannot show {look!r}; it can show: {', '.join(self.looks)}")
        return self.looks[0] if look is None else look

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        """Same as `looked`, with one of `looks`, in float32."""
        raise NotImplementedError


class _Unfilled(TorchFunctionMode):
    """Random values are not drawn: for those of the device "meta", torch imports its compiler, which takes seconds."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name, given = getattr(function, "__name__", ""), kwargs or {}
        if name in ("normal_", "uniform_"):  # of a tensor, and of torch.nn.init
            return args[0] if args else given["tensor"]
        if name in ("randn", "rand"):
            return torch.empty(*args, **{key: value for key, value in given.items() if key != "generator"})
        return function(*args, **given)


class ReadoutConfig(Config, ABC):
    """The base of every readout's config: it makes the readout, and states what the toolkit must know about its kind.

    A subclass has a field `kind: Literal[NAME] = NAME`, which `decoder.kind` of a run chooses.
    """

    solved: ClassVar[bool] = False  # in closed form instead of by training; it makes a `ClosedFormReadout`
    fixed: ClassVar[bool] = False  # neither trained nor solved; it makes a `fixed` readout
    aligned: ClassVar[bool] = False  # it compares tokens with word vectors as they are: both must be of one pair
    sizes: ClassVar[tuple[str, ...]] = ()  # the keys that decide how much memory it takes
    opened_by: ClassVar[str] = ""  # settings that give it an open vocabulary

    @abstractmethod
    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        """The readout, with initial weights.

        Args:
            channels: size of an image token.
            embed_dim: size of a word vector.
            num_labels: N, the number of labels in training.
        Raises:
            InputError: sizes that do not fit; the message begins with the name of the key.
        """

    @property
    def open_vocabulary(self) -> bool:
        """Whether training may use other vectors than those of the seen labels (`train.random_queries`)."""
        return True

    @property
    def reads_vectors(self) -> bool:
        """Whether the logits depend on word vectors."""
        return True

    @property
    def companies(self) -> tuple[Company, ...]:
        """The readout's `companies`."""
        return ()

    @property
    def frozen(self) -> str:
        """Why it cannot be trained together with a backbone; "" if it can."""
        if self.fixed:
            return "trains nothing"
        return "is solved and trains nothing" if self.solved else ""

    @property
    def needs(self) -> tuple[TokenKind, ...]:
        """The kinds of tokens of a pair that the readout cannot do without."""
        return ()

    def learning_rates(self, lr: float) -> tuple[float, ...]:
        """The learning rates that are tried on tokens of a frozen backbone; the best on seen validation is kept.

        Args:
            lr: `train.lr`.
        """
        return (lr,)

    def count_parameters(self, channels: int, embed_dim: int, num_labels: int) -> int:
        """How many numbers the readout learns; nothing is allocated.

        Args:
            channels, embed_dim, num_labels: same as for `make`.
        Raises:
            InputError: same as for `make`.
        """
        with torch.device("meta"), _Unfilled():
            return sum(parameter.numel() for parameter in self.make(channels, embed_dim, num_labels).parameters())


def tokens_of(features: Features) -> Float[Tensor, "batch token channel"]:
    """An image's tokens, of features in either form.

    >>> tokens_of(torch.zeros(2, 13, 3, 5)).shape
    torch.Size([2, 15, 13])

    Args:
        features: tokens (batch, token, channel) as they are, or maps (batch, channel, row, column), whose places become
            tokens row by row.
    """
    return features.flatten(2).transpose(1, 2) if features.ndim == 4 else features


def checked(vectors: Vectors | None, embed_dim: int) -> Tensor:
    """Checks the word vectors that a text readout needs.

    Raises:
        InputError: no vectors, or vectors of another size.
    """
    if vectors is None:
        raise InputError("this readout needs word vectors")
    if vectors.ndim != 2 or not vectors.shape[0] or vectors.shape[1] != embed_dim:
        raise InputError(f"vectors must be (label, {embed_dim}), got shape {tuple(vectors.shape)}")
    return vectors


def cosine_scale() -> nn.Parameter:
    """The logarithm of the learnt factor of a readout's cosines, (1,)."""
    return nn.Parameter(torch.full((1,), COSINE_SCALE).log())


def exact(tensor: Tensor) -> AbstractContextManager[object]:
    """Turns autocast off for final logits: half precision has so few values that images would tie."""
    kind = tensor.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def on_grid(maps: Float[Tensor, "label token"], grid: tuple[int, int]) -> Float[Tensor, "label row column"]:
    """The numbers of tokens at their places; leading tokens, which stand for the whole image, are left out.

    >>> on_grid(torch.arange(7.0)[None], (2, 3))
    tensor([[[1., 2., 3.],
             [4., 5., 6.]]])

    Args:
        maps: (label, token), of `Readout.looked`.
        grid: (rows, columns), of `BaseBackbone.grid`.
    """
    return maps[:, maps.shape[1] - grid[0] * grid[1] :].unflatten(1, grid)
