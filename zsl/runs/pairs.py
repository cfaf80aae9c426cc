"""Runs on the image tower of an image-text pair: the text tower of the pair, and word vectors of other spaces."""

import re
import warnings
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from embeddings.banks.bank import Bank
from embeddings.encoders.open_clip_models import Pair
from embeddings.encoders.table import parts_of
from embeddings.io.errors import InputError, InputWarning
from zsl.backbones.config import AnyBackboneConfig, BackboneSection

if TYPE_CHECKING:
    import zsl.runs.config

FAMILY = "open_clip"
OWN = "backbone"  # the encoder that is the text tower of the run's own backbone
_OWN = re.compile(rf"(^|\+){OWN}(?=\+|$)")


def written_out(spec: str, pair: str) -> str:
    """An encoder's spec in which the short name `backbone` stands for a pair's text tower.

    >>> written_out("backbone+lexical:64", "ViT-B-16,pretrained=openai")
    'open_clip:ViT-B-16,pretrained=openai+lexical:64'
    """
    return _OWN.sub(lambda found: f"{found[1]}{FAMILY}:{pair}", spec)


def pair_of(config: "zsl.runs.config.RunConfig") -> Pair | None:
    """The pair of a run's backbone, or of the backbone that made its tokens; None if there is none."""
    return None if (behind := _behind(config)) is None else behind.pair


def _behind(config: "zsl.runs.config.RunConfig") -> AnyBackboneConfig | None:
    if config.backbone is not None:
        return config.backbone
    values: Any = config.data.made_with().get("backbone")
    found: AnyBackboneConfig | None = TypeAdapter(BackboneSection | None).validate_python(values)
    return found


def encoder_of(config: "zsl.runs.config.RunConfig") -> str:
    """The encoder of a run's word vectors, with the name of the pair in place of `backbone`.

    Raises:
        InputError: it is `backbone`, and there is no pair.
    """
    spec = config.bank.encoder
    if not _OWN.search(spec):
        return spec
    behind = _behind(config)
    if behind is None or behind.pair is None:
        told = "there is no backbone" if behind is None else f"{behind.name!r} is none"
        raise InputError(
            f"bank.encoder = {spec!r} needs an image-text pair as the backbone ({told}); set backbone.kind = "
            '"open_clip", or name an encoder'
        )
    return written_out(spec, behind.pair.spec)


def warn_of_other_space(config: "zsl.runs.config.RunConfig", bank: Bank) -> None:
    """Warns if the backbone is a pair's, and the word vectors are not of its text tower.

    Args:
        config: of the run, `resolved`.
        bank: its word vectors.
    """
    pair, made = pair_of(config), bank.provenance
    if pair is None:
        return
    parts = parts_of(made.encoder)
    of_pairs = [part for part in parts if part.partition(":")[0] == FAMILY]
    if f"{FAMILY}:{pair.spec}" in parts or (of_pairs and pair.revision() in made.revision):
        return
    warnings.warn(
        f"the word vectors are of {made.encoder}, in another space than the tokens of {pair.name}: the readout learns "
        f'the map between them; bank.encoder = "{OWN}" takes the pair\'s own text tower',
        InputWarning,
        stacklevel=2,
    )
