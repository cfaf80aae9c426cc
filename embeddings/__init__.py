"""Banks of word vectors from label names."""

from embeddings.bank import Bank
from embeddings.bank_file import Provenance
from embeddings.build import build_bank, extend_bank
from embeddings.encoders import ENCODERS
from embeddings.errors import InputError

__all__ = ["ENCODERS", "Bank", "InputError", "Provenance", "build_bank", "extend_bank"]
