"""The base of every config section."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Frozen values; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
