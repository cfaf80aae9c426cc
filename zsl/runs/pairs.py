"""Runs on the image tower of an image-text pair: the text tower of the pair, and word vectors of other spaces."""

import re
import warnings
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from embeddings.banks.bank import Bank
from embeddings.encoders.open_clip_models import Pair
from embeddings.encoders.open_clip_texts import pair_of as named_pair
from embeddings.encoders.table import parts_of
from embeddings.io.errors import InputError, InputWarning
from zsl.backbones.config import AnyBackboneConfig, BackboneSection, OpenClipConfig
from zsl.readouts.blend import BlendConfig
from zsl.readouts.members import MemberConfig
from zsl.readouts.readout import ReadoutConfig, TokenKind

if TYPE_CHECKING:
    import zsl.runs.config

FAMILY = "open_clip"
OWN = "backbone"  # the encoder that is the text tower of the run's own backbone
_EXTRACT = "extract tokens with a backbone of kind = 'open_clip'"
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
    if any(_is_text_tower(part, pair, made.revision) for part in parts_of(made.encoder)):
        return
    warnings.warn(
        f"the word vectors are of {made.encoder}, in another space than the tokens of {pair.name}: the readout learns "
        f'the map between them; bank.encoder = "{OWN}" takes the pair\'s own text tower',
        InputWarning,
        stacklevel=2,
    )


def check_aligned(config: "zsl.runs.config.RunConfig", bank: Bank | None = None) -> None:
    """Checks that tokens and word vectors are of one pair where a readout compares them as they are.

    Args:
        config: of the run.
        bank: its word vectors; None for those that the config names, which are not built here.
    Raises:
        InputError: they are not, or the tokens lack what the readout reads.
    """
    if told := misfit(config, bank):
        raise InputError(told)


def misfit(config: "zsl.runs.config.RunConfig", bank: Bank | None = None) -> str:
    """Why a readout of the run cannot compare its tokens with its word vectors, and what to do; "" if it can.

    Args:
        config, bank: same as for `check_aligned`.
    """
    decoder = config.decoder
    readouts: dict[str, Any] = {"decoder.kind": decoder}
    if isinstance(decoder, BlendConfig):
        readouts = {f"decoder.members.{number}.kind": member for number, member in enumerate(decoder.members, 1)}
    for key, readout in readouts.items():
        if not readout.aligned:
            continue
        told = _other_tokens(config, readout.needs) or _other_vectors(config, bank, readout)
        if told:
            return f"{key} = {readout.kind!r} compares tokens with word vectors as they are, but {told}"
    return ""


def _other_tokens(config: "zsl.runs.config.RunConfig", needs: tuple[TokenKind, ...]) -> str:
    """Why the tokens cannot be compared with texts; "" if they can."""
    behind, stored = _behind(config), config.backbone is None
    if behind is None:
        return f"nothing says which pair made the tokens of {config.data.name}; {_EXTRACT}"
    if not isinstance(behind, OpenClipConfig):
        told = f"the tokens are of {behind.name}, which is" if stored else f"backbone {behind.name!r} is"
        return f"{told} no image-text pair; {_EXTRACT if stored else 'set backbone.kind = ' + repr(FAMILY)}"
    lacking = [kind for kind in needs if behind.tokens not in ("all", kind)]
    if not lacking:
        return ""
    what = "token of the whole image" if lacking == ["class"] else "tokens of patches"
    remedy = "extract them again with" if stored else "set"
    return f'backbone.tokens = "{behind.tokens}" gives no {what}; {remedy} backbone.tokens = "all"'


def _other_vectors(config: "zsl.runs.config.RunConfig", bank: Bank | None, readout: ReadoutConfig) -> str:
    """Why the word vectors cannot be compared with the pair's tokens; "" if they can."""
    pair = pair_of(config)
    assert pair is not None
    if bank is None and config.bank.file is not None:
        bank = Bank.load(config.bank.file)
    if bank is None:
        encoder, revision, transforms = encoder_of(config), None, config.bank.transforms
    else:
        encoder, revision = bank.provenance.encoder, bank.provenance.revision
        transforms = tuple(transform.name for transform in bank.transforms)
    parts, width = parts_of(encoder), int(pair.known.model["embed_dim"])
    if not _is_text_tower(parts[0], pair, revision):
        return f'the word vectors are of {encoder}, in another space than {pair.name}; set bank.encoder = "{OWN}"'
    columns = readout.columns if isinstance(readout, MemberConfig) else None
    if columns != (0, width) and (columns is not None or len(parts) > 1):
        return (
            f"the word vectors of {encoder} are read as a whole, or in other columns than the pair's; set bank.encoder "
            f'= "{OWN}", or give a member of a blend columns = [0, {width}] of "{OWN}+OTHER"'
        )
    moved = [name for name in transforms if name != "l2"]
    if moved:
        return (
            f'the transform {moved[0]!r} moves the word vectors out of the pair\'s space; set bank.transforms = ["l2"]'
        )
    return ""


def _is_text_tower(part: str, pair: Pair, revision: str | None) -> bool:
    """Whether an encoder is the text tower of a pair.

    Args:
        part: the spec of one encoder.
        pair: whose text tower.
        revision: of the bank's encoders; None for that of the encoder that the spec names.
    """
    family, _, argument = part.partition(":")
    if family != FAMILY or argument == pair.spec:
        return family == FAMILY
    return pair.revision() in (named_pair(argument).revision() if revision is None else revision)
