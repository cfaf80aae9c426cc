"""How a readout is trained: its `[train]` and the learning rates to try; for a blend, those of its members."""

from dataclasses import dataclass

from zsl.readouts.blend import BlendConfig
from zsl.readouts.members import MemberConfig
from zsl.readouts.readout import ReadoutConfig
from zsl.training.config import TrainConfig, changed_train


@dataclass(frozen=True)
class Plan:
    """How a readout is trained.

    Args:
        train: its `[train]`.
        rates: the learning rates to try.
        members: of a blend, the configs of its members with their plans.
        decoder: the config that makes further readouts of this kind; None for an object of the user's own.
    """

    train: TrainConfig
    rates: tuple[float, ...]
    members: "tuple[tuple[MemberConfig, Plan], ...]" = ()
    decoder: ReadoutConfig | None = None

    @classmethod
    def of(cls, decoder: ReadoutConfig, train: TrainConfig) -> "Plan":
        """The plan of a run's readout on tokens of a frozen backbone.

        Args:
            decoder: the config of the readout.
            train: `[train]` of the run; the members of a blend may have own keys.
        Raises:
            InputError: a key that a member cannot have, or an impossible value.
        """
        members = decoder.members if isinstance(decoder, BlendConfig) else ()
        own = [
            (member, changed_train(train, member.train, f"decoder.members.{number}.train"))
            for number, member in enumerate(members, 1)
        ]
        parts = tuple((member, cls.of(member, changed)) for member, changed in own)
        return cls(train, decoder.learning_rates(train.lr), parts, decoder)
