"""The base of every config section, and sections of several kinds."""

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

Precision = Literal["auto", "fp32", "bf16", "fp16"]


class Config(BaseModel):
    """Frozen values; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def kinds_of(union: Any, key: str) -> dict[str, Any]:
    """The configs of a union by name.

    Args:
        union: of `Config` classes.
        key: the field that tells them apart, a `Literal` of one name in each.
    """
    return {get_args(config.model_fields[key].annotation)[0]: config for config in get_args(union)}
