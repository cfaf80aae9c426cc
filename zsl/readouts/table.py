"""The readouts that a run's `decoder` section can name."""

from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field

from embeddings.io.errors import InputError
from zsl.acceleration import memory_of
from zsl.config import kinds_of
from zsl.readouts.blend import BlendConfig
from zsl.readouts.members import Single
from zsl.readouts.readout import Readout, ReadoutConfig

STATES = 4  # numbers in memory per trained parameter: itself, its gradient and Adam's two moments

Known = Single | BlendConfig
READOUTS: dict[str, type[ReadoutConfig]] = kinds_of(Known, "kind")


def _of_old_configs(values: Any) -> Any:
    """Configs without `kind` are of versions in which ML-Decoder was the only readout."""
    return {"kind": "ml-decoder"} | values if isinstance(values, dict) else values


DecoderConfig = Annotated[Known, Field(discriminator="kind"), BeforeValidator(_of_old_configs)]


def make_readout(config: ReadoutConfig, channels: int, embed_dim: int, num_labels: int, leading: int = 0) -> Readout:
    """The readout of a run's `decoder` section.

    Args:
        config: of the readout.
        channels, embed_dim, num_labels: same as for `ReadoutConfig.make`.
        leading: same as for `Readout.lead`.
    Returns:
        the readout, with initial weights.
    Raises:
        InputError: sizes that do not fit; the message names the key of the run.
    """
    try:
        return config.make(channels, embed_dim, num_labels).lead(leading)
    except InputError as error:
        raise _of_the_run(error) from error


def check_readout(config: ReadoutConfig, channels: int, embed_dim: int, num_labels: int, device: torch.device) -> None:
    """Checks that a readout can be made and that its training fits the memory of a device; nothing is allocated.

    Args:
        config: of the readout.
        channels, embed_dim, num_labels: same as for `ReadoutConfig.make`.
        device: the device of training.
    Raises:
        InputError: sizes that do not fit each other or the memory; the message names the keys.
    """
    memory = memory_of(device)
    named = ", ".join(f"decoder.{name} = {getattr(config, name)}" for name in config.sizes) or "the readout"
    told = f"{named}: training needs {{}} of memory, and there are {memory / 1e9:,.1f} GB; lower them"
    try:
        needed = 4 * STATES * config.count_parameters(channels, embed_dim, num_labels)
    except InputError as error:
        raise _of_the_run(error) from error
    except (RuntimeError, TypeError) as error:  # torch counts in 64 bits
        raise InputError(told.format("more than 10^9 GB")) from error
    if needed > memory:
        raise InputError(told.format(f"{needed / 1e9:,.1f} GB"))


def _of_the_run(error: InputError) -> InputError:
    """A readout's error begins with the name of an argument, which is a key of the section `decoder`."""
    return InputError(f"decoder.{error}")
