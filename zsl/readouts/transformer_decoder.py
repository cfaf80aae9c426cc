"""The Transformer-decoder that ML-Decoder is compared with: one query per label, and self-attention."""

from typing import Literal

from zsl.readouts.company import Company
from zsl.readouts.group_decoder import MlDecoderConfig, QueryDecoderConfig
from zsl.readouts.readout import Readout


class TransformerDecoderConfig(QueryDecoderConfig):
    """`zsl.readouts.group_decoder.GroupDecoder` with one query per label and self-attention, for comparison."""

    kind: Literal["transformer-decoder"] = "transformer-decoder"

    @property
    def companies(self) -> tuple[Company, ...]:
        """Same as for ML-Decoder with self-attention."""
        return self._as_ml_decoder().companies

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        return self._as_ml_decoder().make(channels, embed_dim, num_labels)

    def _as_ml_decoder(self) -> MlDecoderConfig:
        return MlDecoderConfig(**self.model_dump(exclude={"kind"}), group_size=1, self_attention=True)
