"""`open_clip`: the text tower of an image-text pair, whose vectors are in the space of its image vectors."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoders.encoder import Encoder, Encoding, Family, Request, options_of
from embeddings.encoders.open_clip_models import Pair, library
from embeddings.io.errors import InputError

BLOCK = 256  # texts in one call of the model


def pair_of(argument: str) -> Pair:
    """The pair that an argument names.

    >>> pair_of("ViT-B-16,pretrained=openai")
    Pair(name='ViT-B-16', pretrained='openai', weights=None)

    Args:
        argument: what follows the colon of a spec.
    Raises:
        InputError: no name, or an option twice.
    """
    name, options = options_of(argument, ("pretrained", "weights"))
    if not name:
        raise InputError(
            "encoder open_clip needs a pair: open_clip:NAME,pretrained=TAG, open_clip:NAME,weights=FILE, "
            "open_clip:hf-hub:OWNER/MODEL or open_clip:local-dir:FOLDER"
        )
    weights = options.get("weights")
    return Pair(name, options.get("pretrained", ""), None if weights is None else Path(weights))


class PairTexts(Encoder):
    """The text tower of a pair, with the pair's own tokenizer.

    Vectors are those of open_clip's `encode_text`, before they are normalised. With several prompts, and the transform
    "l2", a bank has the weights of open_clip's `build_zero_shot_classifier`.
    """

    def __init__(self, pair: Pair):
        self.pair = pair

    @cached_property
    def model(self) -> Any:
        """The model, loaded when it is first needed, on a GPU if there is one."""
        import torch

        return self.pair.load().to("cuda" if torch.cuda.is_available() else "cpu")

    def revision(self) -> str:
        return self.pair.revision()

    def encode(self, request: Request) -> Encoding:
        tokenizer, texts = self.pair.tokenizer(), list(request.texts)
        tokens, cut = tokenizer(texts), [False] * len(texts)
        width = tokens.shape[1]
        if isinstance(tokenizer, library().SimpleTokenizer):  # its tokens of texts that end earlier are 0
            cut = (tokenizer(texts, context_length=width + 1)[:, -1] != 0).tolist()
        notes = [f"cut to {width} tokens" if longer else "" for longer in cut]
        remarks = [f"{sum(cut):,} texts are longer than {width} tokens, and are cut there"] if any(cut) else []
        return Encoding(self._vectors(tokens), notes, remarks=remarks)

    def _vectors(self, tokens: Any) -> Iterator[np.ndarray]:
        """(text, embed) float32, in blocks of texts."""
        import torch

        device = next(self.model.parameters()).device
        for block in tokens.split(BLOCK):
            with torch.inference_mode():
                yield self.model.encode_text(block.to(device), normalize=False).float().cpu().numpy()


FAMILY = Family(
    lambda argument, request: PairTexts(pair_of(argument)),
    "the text tower of an image-text pair: open_clip:NAME,pretrained=TAG",
    "the pair's",
    "the pair's",
    libraries=("open_clip_torch",),
    apart="check that the pair's tokenizer knows the script of the names, and that no names differ only in capitals or "
    "punctuation",
)
