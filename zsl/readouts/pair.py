"""What an image-text pair says by itself: cosines between tokens and word vectors of one space; nothing is trained."""

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.readouts.company import Company
from zsl.readouts.looks import Look
from zsl.readouts.pooled import pool, shares
from zsl.readouts.readout import (
    Features,
    Logits,
    Maps,
    Readout,
    ReadoutConfig,
    Seen,
    TokenKind,
    Vectors,
    checked,
    exact,
    tokens_of,
)

Patches = Literal["top", "softmax"]


class PairConfig(ReadoutConfig):
    """`PairReadout`; `reading` is "class", or how patches are read: the mean of the `top` best, or weighted by softmax.

    `mixture` is the share of the class token's cosine beside that of the patches.
    """

    kind: Literal["pair"] = "pair"
    reading: Literal["class"] | Patches = "class"
    top: PositiveInt = 1
    temperature: PositiveFloat = 0.01
    mixture: float = Field(0.0, ge=0, lt=1)
    scale: PositiveFloat = 100.0
    fixed: ClassVar[bool] = True
    aligned: ClassVar[bool] = True
    open_vocabulary: ClassVar[bool] = False

    @model_validator(mode="after")
    def _a_mixture_has_two_parts(self) -> "PairConfig":
        if self.mixture and self.reading == "class":
            raise ValueError("decoder.mixture needs a reading of patches; set decoder.reading = 'top' or 'softmax'")
        return self

    @property
    def needs(self) -> tuple[TokenKind, ...]:
        """The class token, patches, or both."""
        if self.reading == "class":
            return ("class",)
        return ("class", "patches") if self.mixture else ("patches",)

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        patches = None if self.reading == "class" else self.reading
        return PairReadout(embed_dim, patches, self.top, self.temperature, self.mixture, self.scale)


class PairReadout(Readout):
    """`s (m cos(x_0, n_i) + (1 - m) p_i)`, where x_0 is the class token and p_i what the patches x_t say of label i.

    - "top": `p_i = mean of the k largest cos(x_t, n_i)`; of fewer patches, all count. With k = 1, it is the maximum.
    - "softmax": `p_i = sum_t w_it cos(x_t, n_i)`, `w_it = exp(cos(x_t, n_i) / T) / sum_u exp(cos(x_u, n_i) / T)`.
    - None: `s cos(x_0, n_i)`, open_clip's zero-shot classifier.

    Tokens without a class token are all patches. The reading None then takes their mean for x_0.

    Args:
        embed_dim: size of a token and of a word vector.
        patches: how they are read; None for the class token alone.
        top: k.
        temperature: T.
        mixture: m, in [0, 1).
        scale: s. CLIP's learnt factor ends at 100, the largest that its training allows.
    """

    looks = ("evidence",)
    fixed = True

    def __init__(
        self,
        embed_dim: int,
        patches: Patches | None = None,
        top: int = 1,
        temperature: float = 0.01,
        mixture: float = 0.0,
        scale: float = 100.0,
    ):
        super().__init__()
        self.embed_dim, self.patches, self.reads_whole = embed_dim, patches, patches is None
        self.top, self.temperature, self.mixture = top, temperature, mixture
        self.scale = nn.Parameter(torch.full((), scale), requires_grad=False)

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds the readout to a vocabulary; it needs word vectors.

        Raises:
            InputError: no vectors, or of another size; tokens of another size than vectors, or without a class token or
                patches, where they are read.
        """
        directions = self._directions(vectors)

        def logits(features: Tensor) -> Logits:
            with exact(features):
                tokens = self._tokens(features)
                if self.patches is None:
                    return self.scale * F.normalize(pool(tokens, self.leading).to(tokens.dtype), dim=1) @ directions.T
                whole, patches = self._cosines(tokens, directions)
                share, read = self.mixture, self._read(patches)
                return self.scale * (share * whole.mean(1) + (1 - share) * read if share else read)

        return logits

    def _directions(self, vectors: Vectors | None) -> Tensor:
        return F.normalize(checked(vectors, self.embed_dim).to(self.scale.dtype), dim=1)

    def _tokens(self, features: Features) -> Float[Tensor, "batch token embed"]:
        tokens = tokens_of(features).to(self.scale.dtype)
        if tokens.shape[2] != self.embed_dim:
            told = f"not {tokens.shape[2]} and {self.embed_dim}"
            raise InputError(f"decoder.kind = 'pair' needs tokens and word vectors of one size, {told}")
        return tokens

    def _cosines(self, tokens: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """The cosines of the leading tokens, and those of the patches, (batch, token, label)."""
        if self.mixture and not self.leading:
            raise InputError("the tokens have no class token, which the mixture reads")
        cosines = F.normalize(tokens, dim=2) @ directions.T
        whole, patches = cosines[:, : self.leading], cosines[:, self.leading :]
        if patches.shape[1] == 0:
            raise InputError("the tokens have no patches, which the reading needs")
        return whole, patches

    def _read(self, cosines: Float[Tensor, "batch token label"]) -> Logits:
        """p of each label."""
        if self.patches == "softmax":
            return (self._weights(cosines) * cosines).sum(1)
        if self.top == 1:
            return cosines.amax(1)
        best = cosines.sort(1, descending=True).values
        kept = torch.arange(best.shape[1], device=best.device) < self.top  # a graph takes any number of tokens
        return torch.einsum("btl,t->bl", best, kept.to(best.dtype)) / kept.sum()

    def _weights(self, cosines: Float[Tensor, "batch token label"]) -> Float[Tensor, "batch token label"]:
        return (cosines / self.temperature).softmax(1)

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        """The sum over tokens is the logit, but for "top": there a patch has the logit that it would give alone."""
        directions, tokens = self._directions(vectors), self._tokens(features)
        if self.patches is None:
            length = pool(tokens, self.leading).norm(dim=1).clamp_min(1e-12)[:, None, None]
            return shares(tokens, self.scale * directions.T, leading=self.leading) / length
        whole, patches = self._cosines(tokens, directions)
        if self.patches == "softmax":
            patches = self._weights(patches) * patches
        parts = self.mixture / max(self.leading, 1) * whole, (1 - self.mixture) * patches
        return self.scale * torch.cat(parts, 1).transpose(1, 2)
