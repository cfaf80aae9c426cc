"""Banks of word vectors from label names."""

from embeddings.bank import Bank, Provenance
from embeddings.encoders import ENCODERS, build_bank
from embeddings.errors import InputError

__all__ = ["ENCODERS", "Bank", "InputError", "Provenance", "build_bank"]
