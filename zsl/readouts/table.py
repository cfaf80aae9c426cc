"""Readouts by name: what a run's `decoder` section may be, and the module that it makes."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Discriminator, Field, PositiveFloat, Tag, model_validator

from embeddings.io.errors import InputError
from zsl.acceleration import memory_of
from zsl.config import Config
from zsl.readouts.eszsl import EszslReadout
from zsl.readouts.group_decoder import GroupDecoder
from zsl.readouts.grouping import Grouping
from zsl.readouts.label_attention import LabelAttentionReadout
from zsl.readouts.pooled import ConseReadout, PooledReadout, PooledTextReadout
from zsl.readouts.readout import Readout

GROUPS = 100  # K of the paper
STATES = 4  # numbers a parameter in training: itself, its gradient and Adam's two moments
SIZES = ("width", "ffn", "layers")


class _DecoderConfig(Config):
    query: Literal["text", "learnable", "random"] = "text"
    head: Literal["text", "learnable", "shared"] = "text"
    width: int = Field(768, ge=1)
    layers: int = Field(1, ge=1)
    attention_heads: int = Field(8, ge=1)
    ffn: int = Field(2048, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    query_noise: float = Field(0.0, ge=0)

    @property
    def open_vocabulary(self) -> bool:
        """Whether training may go beyond the seen labels: random vectors would take groups' own parameters."""
        return self.query == "text" and self.head != "learnable"


class MlDecoderConfig(_DecoderConfig):
    """`zsl.readouts.group_decoder.GroupDecoder`; give one of `group_size` and `num_groups` (default: 100 groups)."""

    kind: Literal["ml-decoder"] = "ml-decoder"
    self_attention: bool = False
    group_size: int | None = Field(None, ge=1)
    num_groups: int | None = Field(None, ge=1)
    grouping: Grouping = "given"

    @model_validator(mode="after")
    def _one_grouping(self) -> "MlDecoderConfig":
        if self.group_size is not None and self.num_groups is not None:
            both = f"{self.group_size} and {self.num_groups}"
            raise ValueError(f"give one of decoder.group_size and decoder.num_groups (got {both})")
        return self


class TransformerDecoderConfig(_DecoderConfig):
    """`zsl.readouts.group_decoder.GroupDecoder` with a query a label and self-attention, for comparison."""

    kind: Literal["transformer-decoder"]


class LabelAttentionConfig(Config):
    """`zsl.readouts.label_attention.LabelAttentionReadout`."""

    kind: Literal["label-attention"]
    width: int = Field(768, ge=1)
    attention_heads: int = Field(8, ge=1)
    ffn: int = Field(2048, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    open_vocabulary: ClassVar[bool] = True


class PooledConfig(Config):
    """A linear layer on the mean token. On ready tokens it is trained at each of `rates`, times `train.lr`, and the
    best on seen validation is kept: it needs larger steps than a decoder, and how large depends on the tokens' size."""

    rates: tuple[PositiveFloat, ...] = Field((1, 3, 10, 30), min_length=1)


class GapConfig(PooledConfig):
    """`zsl.readouts.pooled.PooledReadout`."""

    kind: Literal["gap"]
    open_vocabulary: ClassVar[bool] = False


class GapTextConfig(PooledConfig):
    """`zsl.readouts.pooled.PooledTextReadout`."""

    kind: Literal["gap-text"]
    open_vocabulary: ClassVar[bool] = True


class ConseConfig(PooledConfig):
    """`zsl.readouts.pooled.ConseReadout`; `top` is its T."""

    kind: Literal["conse"]
    top: int = Field(10, ge=1)
    open_vocabulary: ClassVar[bool] = False


class EszslConfig(Config):
    """`zsl.readouts.eszsl.EszslReadout`; a ridge that is not given is chosen on seen validation."""

    kind: Literal["eszsl"]
    image_ridge: PositiveFloat | None = None
    label_ridge: PositiveFloat | None = None
    open_vocabulary: ClassVar[bool] = False


def _ml_decoder(config: MlDecoderConfig, channels: int, embed_dim: int, num_labels: int) -> Readout:
    options = config.model_dump(exclude={"kind"})
    if config.group_size is None and config.num_groups is None:
        options["num_groups"] = min(GROUPS, num_labels)
    return GroupDecoder(channels, embed_dim, num_labels, **options)


def _transformer_decoder(config: TransformerDecoderConfig, channels: int, embed_dim: int, num_labels: int) -> Readout:
    options = config.model_dump(exclude={"kind"})
    return GroupDecoder(channels, embed_dim, num_labels, group_size=1, self_attention=True, **options)


def _label_attention(config: LabelAttentionConfig, channels: int, embed_dim: int, num_labels: int) -> Readout:
    return LabelAttentionReadout(channels, embed_dim, **config.model_dump(exclude={"kind"}))


def _gap(config: GapConfig, channels: int, embed_dim: int, num_labels: int) -> Readout:
    return PooledReadout(channels, num_labels)


def _gap_text(config: GapTextConfig, channels: int, embed_dim: int, num_labels: int) -> Readout:
    return PooledTextReadout(channels, embed_dim)


def _conse(config: ConseConfig, channels: int, embed_dim: int, num_labels: int) -> Readout:
    return ConseReadout(channels, embed_dim, num_labels, config.top)


def _eszsl(config: EszslConfig, channels: int, embed_dim: int, num_labels: int) -> Readout:
    return EszslReadout(channels, embed_dim, config.image_ridge, config.label_ridge)


READOUTS: dict[str, tuple[type[Config], Callable[[Any, int, int, int], Readout]]] = {
    "ml-decoder": (MlDecoderConfig, _ml_decoder),
    "transformer-decoder": (TransformerDecoderConfig, _transformer_decoder),
    "label-attention": (LabelAttentionConfig, _label_attention),
    "gap": (GapConfig, _gap),
    "gap-text": (GapTextConfig, _gap_text),
    "conse": (ConseConfig, _conse),
    "eszsl": (EszslConfig, _eszsl),
}


def _kind(values: Any) -> Any:
    """Configs that name no kind are of the time when there was one."""
    return values.get("kind", "ml-decoder") if isinstance(values, dict) else getattr(values, "kind", None)


DecoderConfig = Annotated[
    Annotated[MlDecoderConfig, Tag("ml-decoder")]
    | Annotated[TransformerDecoderConfig, Tag("transformer-decoder")]
    | Annotated[LabelAttentionConfig, Tag("label-attention")]
    | Annotated[GapConfig, Tag("gap")]
    | Annotated[GapTextConfig, Tag("gap-text")]
    | Annotated[ConseConfig, Tag("conse")]
    | Annotated[EszslConfig, Tag("eszsl")],
    Discriminator(_kind),
]


def reads_vectors(config: DecoderConfig) -> bool:
    """Whether word vectors have a part in a readout's logits."""
    if isinstance(config, _DecoderConfig):
        return "text" in (config.query, config.head)
    return config.kind != "gap"


def make_readout(config: DecoderConfig, channels: int, embed_dim: int, num_labels: int) -> Readout:
    """The readout that a config section names.

    Args:
        channels: size of an image token.
        embed_dim: size of a word vector.
        num_labels: N of training.
    Raises:
        InputError: sizes that do not fit; it names the key.
    """
    _, make = READOUTS[config.kind]
    try:
        return make(config, channels, embed_dim, num_labels)
    except InputError as error:  # it begins with the name of the argument, which is the key's
        raise InputError(f"decoder.{error}") from error


def check_readout(config: DecoderConfig, channels: int, embed_dim: int, num_labels: int, device: torch.device) -> None:
    """Checks that a readout can be made and that its training fits the memory of a device; nothing is allocated.

    Args:
        channels, embed_dim, num_labels: as of `make_readout`.
        device: that it will be trained on.
    Raises:
        InputError: sizes that do not fit, or that no memory holds; it names the keys.
    """
    memory = memory_of(device)
    sizes = [f"decoder.{name} = {getattr(config, name)}" for name in SIZES if hasattr(config, name)]
    named = ", ".join(sizes) or "the readout"
    told = f"{named}: training needs {{}} of memory, and there are {memory / 1e9:,.1f} GB; lower them"
    try:
        needed = 4 * STATES * counted_parameters(config, channels, embed_dim, num_labels)
    except (RuntimeError, TypeError) as error:  # torch counts in 64 bits
        raise InputError(told.format("more than 10^9 GB")) from error
    if needed > memory:
        raise InputError(told.format(f"{needed / 1e9:,.1f} GB"))


def counted_parameters(config: DecoderConfig, channels: int, embed_dim: int, num_labels: int) -> int:
    """How many numbers a readout learns; of many layers two are made, as the others are like the second."""

    def counted(chosen: DecoderConfig) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in make_readout(chosen, channels, embed_dim, num_labels).parameters())

    layers = getattr(config, "layers", 1)
    if layers < 3:
        return counted(config)
    one, two = (counted(config.model_copy(update={"layers": number})) for number in (1, 2))
    return one + (layers - 1) * (two - one)
