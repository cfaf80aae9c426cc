"""The base of every config section, and sections of several kinds."""

from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from embeddings.io.errors import InputError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

Precision = Literal["auto", "fp32", "bf16", "fp16"]


class _OneLine(ModelMetaclass):
    """A config made in Python from wrong values is one line, as in a file: pydantic's own message has four."""

    def __call__(self, *arguments: Any, **values: Any) -> Any:
        try:
            return super().__call__(*arguments, **values)
        except ValidationError as error:
            from embeddings.io.settings import explained

            raise InputError(f"{self.__name__}: {explained(cast(type[BaseModel], self), error)}") from error


class Config(BaseModel, metaclass=_OneLine):
    """Frozen values; an unknown key is an error.

    Raises:
        InputError: a value that does not fit its key; it names the key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def kinds_of(union: Any, key: str) -> dict[str, Any]:
    """The configs of a union by name.

    Args:
        union: a union of `Config` classes.
        key: the field that tells them apart; in each class it is a `Literal` of one name.
    Returns:
        each class by its name.
    """
    return {get_args(config.model_fields[key].annotation)[0]: config for config in get_args(union)}
