"""Banks of word vectors from label names.

>>> import embeddings
>>> bank = embeddings.build_bank(["sky", "dog", "polar bear"], "lexical", num_seen=2)
>>> bank
Bank(3 labels: 2 seen, 1 unseen; width 512; encoder lexical; no transforms)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embeddings.banks.bank import Bank
    from embeddings.banks.bank_file import Provenance
    from embeddings.banks.build import build_bank, extend_bank
    from embeddings.banks.similarity import Comparison, compare, duplicates, nearest_seen, neighbors, norms, unit
    from embeddings.banks.transforms import TRANSFORMS, Transform
    from embeddings.encoders.given import TextEncoder
    from embeddings.encoders.table import ENCODERS
    from embeddings.io.cache import default_cache
    from embeddings.io.errors import InputError, InputWarning
    from embeddings.texts import read_aliases, read_descriptions, read_labels, read_prompts

__all__ = [
    "ENCODERS",
    "TRANSFORMS",
    "Bank",
    "Comparison",
    "InputError",
    "InputWarning",
    "Provenance",
    "TextEncoder",
    "Transform",
    "build_bank",
    "compare",
    "default_cache",
    "duplicates",
    "extend_bank",
    "nearest_seen",
    "neighbors",
    "norms",
    "read_aliases",
    "read_descriptions",
    "read_labels",
    "read_prompts",
    "unit",
]

# the module of each public name, imported when the name is first used: `import embeddings` alone is quick
_MODULES = {
    "embeddings.banks.bank": ("Bank",),
    "embeddings.banks.bank_file": ("Provenance",),
    "embeddings.banks.build": ("build_bank", "extend_bank"),
    "embeddings.banks.similarity": (
        "Comparison",
        "compare",
        "duplicates",
        "nearest_seen",
        "neighbors",
        "norms",
        "unit",
    ),
    "embeddings.banks.transforms": ("TRANSFORMS", "Transform"),
    "embeddings.encoders.given": ("TextEncoder",),
    "embeddings.encoders.table": ("ENCODERS",),
    "embeddings.io.cache": ("default_cache",),
    "embeddings.io.errors": ("InputError", "InputWarning"),
    "embeddings.texts": ("read_aliases", "read_descriptions", "read_labels", "read_prompts"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
