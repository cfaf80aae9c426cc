"""The Transformer-decoder that ML-Decoder is compared with: one query per label, and self-attention."""

from typing import Literal

from zsl.readouts.group_decoder import GroupDecoder, MlDecoderConfig, QueryDecoderConfig
from zsl.readouts.readout import Readout


class TransformerDecoderConfig(QueryDecoderConfig):
    """`zsl.readouts.group_decoder.GroupDecoder` with one query per label and self-attention, for comparison."""

    kind: Literal["transformer-decoder"] = "transformer-decoder"

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        config = MlDecoderConfig(**self.model_dump(exclude={"kind"}), group_size=1, self_attention=True)
        return GroupDecoder(channels, embed_dim, num_labels, config)
