"""What timm knows of its models without building them: how their weights read pictures, and where the weights are."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import get_session, hf_hub_url, try_to_load_from_cache

from embeddings.io.errors import InputError
from zsl.backbones.reading import Reading

if TYPE_CHECKING:  # timm itself takes seconds, which runs on tokens need not wait for
    from timm.models import PretrainedCfg

HUB_SECONDS = 5
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def reading_of(name: str, arguments: Mapping[str, Any]) -> Reading:
    """How a timm model's weights read pictures.

    Args:
        name: of the model, with or without a tag.
        arguments: those of `timm.create_model`; `img_size` replaces the model's image size.
    Returns:
        size, interpolation, crop and pixel statistics.
    Raises:
        InputError: timm has no such model, or no such tag of it.
    """
    known = known_config(name)
    given = arguments.get("img_size")
    sides = given if isinstance(given, list | tuple) else (given, given)
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):  # the model says what is wrong with it
        sides = known.input_size[1:]
    height, width = sides
    return Reading(
        image_size=height if height == width else None,
        interpolation=known.interpolation,
        crop=known.crop_pct,
        squash={"center": False, "squash": True}.get(known.crop_mode),
        mean=known.mean,
        std=known.std,
    )


def known_config(name: str) -> "PretrainedCfg":
    """What timm knows about a model, by its name with or without a tag.

    Raises:
        InputError: same as for `reading_of`.
    """
    import timm
    from timm.models import get_deprecated_models, get_pretrained_cfg

    architecture, _, tag = name.partition(".")
    if not timm.is_model(name):
        near = difflib.get_close_matches(architecture, timm.list_models(), 5)
        told = f"timm has: {', '.join(near)}" if near else "see timm.list_models()"
        raise InputError(f"unknown backbone {name!r}; {told}")
    now = get_deprecated_models().get(name)
    if now:
        raise InputError(f"timm's name of backbone {name!r} is now {now!r}; set backbone.name={now}")
    try:
        known = get_pretrained_cfg(name)
    except RuntimeError as error:
        raise InputError(f"timm has no tag {tag!r} of backbone {architecture!r}; {_tags(architecture)}") from error
    if known is None:
        raise InputError(f"timm does not say how backbone {name!r} reads pictures; choose another")
    return known


def check_weights(name: str) -> None:
    """Checks that timm has weights of a model, and that they are in the hub's cache or can be fetched.

    This check fails within seconds without a network; the hub's own client retries for most of a minute.

    Raises:
        InputError: same as for `reading_of`; there are no weights, or they cannot be fetched.
    """
    known = known_config(name)
    if not known.has_weights:
        raise InputError(f"timm has no pretrained weights of backbone {name!r}; {_tags(name.partition('.')[0])}")
    if _cached(known):
        return
    address = hf_hub_url(known.hf_hub_id, HUB_FILES[0]) if known.hf_hub_id else known.url
    try:
        get_session().head(address, timeout=HUB_SECONDS)
    except Exception as error:  # the hub's client may use several HTTP libraries
        raise InputError(f"the weights of {name!r} cannot be fetched ({error}); {offline(name)}") from error


def offline(name: str) -> str:
    """How to bring a model's weights to a machine that cannot fetch them."""
    known = known_config(name)
    if known.hf_hub_id is None:
        return f"on a machine with network, fetch {known.url}; then set backbone.weights=FILE"
    fetch = f"hf download {known.hf_hub_id} {HUB_FILES[0]} --local-dir FOLDER"
    return f"on a machine with network, run {fetch}; then set backbone.weights=FOLDER"


def _cached(known: "PretrainedCfg") -> bool:
    if known.hf_hub_id is None:
        return Path(torch.hub.get_dir(), "checkpoints", str(known.url).rpartition("/")[2]).is_file()
    return any(isinstance(try_to_load_from_cache(known.hf_hub_id, file), str) for file in HUB_FILES)


def _tags(architecture: str) -> str:
    """The names, with tags, of a model's weights; if it has none, those of models with similar names."""
    import timm

    every: dict[str, list[str]] = {}
    for name in timm.list_pretrained():
        every.setdefault(name.partition(".")[0], []).append(name)
    near = every.get(architecture) or [
        every[other][0] for other in difflib.get_close_matches(architecture, every, 5, 0.5)
    ]
    return f"timm has: {', '.join(near[:5])}" if near else "see timm.list_pretrained()"
