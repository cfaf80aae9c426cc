"""The losses that `train.loss` can name."""

from typing import TYPE_CHECKING, Literal

from zsl.losses.asymmetric import ASYMMETRIC
from zsl.losses.cross_entropy import BCE
from zsl.losses.focal import FOCAL
from zsl.losses.loss import Loss
from zsl.losses.ranking import RANKING
from zsl.losses.softmax import SOFTMAX
from zsl.losses.two_way import TWO_WAY

LOSSES: dict[str, Loss] = {
    "asymmetric": ASYMMETRIC,
    "bce": BCE,
    "focal": FOCAL,
    "softmax": SOFTMAX,
    "ranking": RANKING,
    "two_way": TWO_WAY,
}
if TYPE_CHECKING:
    LossName = str
else:
    LossName = Literal[tuple(LOSSES)]
