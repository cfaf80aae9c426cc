"""A seeded, structure-aware mutator over every reader of the toolkit; `benchmarks/fuzz.py` runs it."""
