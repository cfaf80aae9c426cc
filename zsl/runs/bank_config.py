"""Builds a bank from a config. Importing this does not import torch, so that `zsl bank` starts fast."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank
from embeddings.encoders.encoder import TagLists
from embeddings.encoders.oov import DEFAULT_POLICY
from embeddings.encoders.table import by_order, split_spec
from embeddings.io.cache import default_cache
from embeddings.io.errors import InputError
from embeddings.io.progress import Progress, silent
from embeddings.io.spelling import LOOKED_UP, require
from embeddings.texts import read_aliases, read_descriptions, read_prompts
from zsl.config import Config

if TYPE_CHECKING:
    import zsl.data.dataset


class BankConfig(Config):
    """Word vectors: a saved bank, or how to build one.

    Args:
        encoder: same as for `embeddings.build_bank`; `zsl bank encoders` lists them.
        prompts: templates with `{}` for the name, or a file of templates.
        descriptions: a file of texts that are encoded instead of names.
        aliases: a file of names that are encoded instead of the labels' own.
        oov: the policy for names out of vocabulary.
        transforms: of the vectors, in order.
        seed: for encoders that draw random numbers.
        file: a saved bank, instead of all the above.
    """

    encoder: str = "lexical"
    prompts: tuple[str, ...] | Path = ("{}",)
    descriptions: Path | None = None
    aliases: Path | None = None
    oov: tuple[str, ...] = DEFAULT_POLICY
    transforms: tuple[str, ...] = ("l2",)
    seed: int = Field(0, ge=0)
    file: Path | None = None


def check_order(encoder: str) -> None:
    """Checks that no encoder matches vectors to labels by their order: users do not choose the order of labels here.

    Args:
        encoder: a spec.
    Raises:
        InputError: a matrix whose rows have no names.
    """
    for part in filter(by_order, split_spec(encoder)):
        raise InputError(f"encoder {part}: its rows have no label names; give them, {part},labels=NAMES.txt")


def make_bank(
    config: BankConfig,
    labels: Sequence[str],
    num_seen: int,
    tag_lists: TagLists | None,
    cache: Path | None,
    progress: Progress = silent,
) -> Bank:
    """Builds the bank that a config describes.

    Args:
        config: how to build it.
        labels: distinct names, the seen ones first.
        num_seen: number of seen labels.
        tag_lists: for each training image, its tags; only the encoder `corpus` uses them.
        cache: folder that keeps encoded texts; None keeps nothing.
        progress: called with the number of texts encoded.
    Returns:
        the bank.
    Raises:
        InputError: unreadable files, names without a vector.
    """
    return build_bank(
        labels,
        config.encoder,
        num_seen=num_seen,
        prompts=read_prompts(config.prompts) if isinstance(config.prompts, Path) else config.prompts,
        descriptions=None if config.descriptions is None else read_descriptions(config.descriptions),
        aliases=None if config.aliases is None else read_aliases(config.aliases),
        oov=config.oov,
        transforms=config.transforms,
        seed=config.seed,
        tag_lists=tag_lists,
        cache=cache,
        progress=progress,
    )


def load_bank(config: BankConfig, data: "zsl.data.dataset.MultiLabelData", progress: Progress = silent) -> Bank:
    """The bank of a run, built or loaded; every name of the dataset has a vector in it.

    Raises:
        InputError: names without a vector; a file that is not a bank.
    """
    if config.file is None:
        check_order(config.encoder)
        bank = make_bank(config, data.names, len(data.seen), data.tag_lists, default_cache(), progress)
        require(data.names, bank.labels, f"the bank of {config.encoder}", LOOKED_UP)
        return bank
    bank = Bank.load(config.file)
    require(data.names, bank.labels, str(config.file))
    return bank
