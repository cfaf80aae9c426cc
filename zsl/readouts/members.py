"""The readouts that are not made of others, each of which may be a member of a blend."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union, cast, get_args

from pydantic import Field, NonNegativeInt, PositiveInt, create_model

from embeddings.io.errors import InputError
from zsl.readouts.conse import ConseConfig
from zsl.readouts.eszsl import EszslConfig
from zsl.readouts.gap import GapConfig
from zsl.readouts.gap_text import GapTextConfig
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.kernel_eszsl import KernelEszslConfig
from zsl.readouts.label_attention import LabelAttentionConfig
from zsl.readouts.pair import PairConfig
from zsl.readouts.readout import ReadoutConfig
from zsl.readouts.transformer_decoder import TransformerDecoderConfig

Single = (
    MlDecoderConfig
    | TransformerDecoderConfig
    | LabelAttentionConfig
    | GapConfig
    | GapTextConfig
    | ConseConfig
    | EszslConfig
    | KernelEszslConfig
    | PairConfig
)


class MemberConfig(ReadoutConfig):
    """The keys that a member of a blend has beside those of its kind.

    Args:
        train: keys of `[train]` by name, which replace the run's for this member.
        columns: (first, end) of the word vectors' columns that the member reads, such as one encoder's part of a joined
            bank; None for all.
    """

    train: dict[str, Any] = {}
    columns: tuple[NonNegativeInt, PositiveInt] | None = None
    if TYPE_CHECKING:
        kind: str

    def read_columns(self, embed_dim: int) -> slice:
        """The columns that the member reads.

        Args:
            embed_dim: size of a word vector.
        Raises:
            InputError: there are no such columns; the message begins with the name of the key.
        """
        first, end = self.columns or (0, embed_dim)
        if not first < end <= embed_dim:
            raise InputError(f"columns = [{first}, {end}] are no part of word vectors of size {embed_dim}")
        return slice(first, end)

    def chosen(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The member's config with what validation chose for it.

        Args:
            values: by key of a run, such as "decoder.rates" and "train.lr".
        Returns:
            an entry of `decoder.members`.
        """
        own = {key.removeprefix("decoder."): value for key, value in values.items() if key.startswith("decoder.")}
        train = {key.removeprefix("train."): value for key, value in values.items() if key.startswith("train.")}
        return self.model_dump(mode="json") | own | {"train": self.train | train}


def _as_member(config: type[ReadoutConfig]) -> type[MemberConfig]:
    """A readout's config with the keys of a member."""
    name, bases = f"{config.__name__}OfMember", (MemberConfig, config)
    given: Any = {"__base__": bases, "__module__": __name__, "__doc__": f"`{config.__name__}` as a member of a blend."}
    return cast(type[MemberConfig], create_model(name, **given))


if TYPE_CHECKING:
    Member = MemberConfig
else:
    Member = Annotated[Union[tuple(map(_as_member, get_args(Single)))], Field(discriminator="kind")]  # noqa: UP007
