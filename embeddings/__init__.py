"""Banks of word vectors from label names."""

from embeddings.banks.bank import Bank
from embeddings.banks.bank_file import Provenance
from embeddings.banks.build import build_bank, extend_bank
from embeddings.encoders.table import ENCODERS
from embeddings.io.errors import InputError

__all__ = ["ENCODERS", "Bank", "InputError", "Provenance", "build_bank", "extend_bank"]
