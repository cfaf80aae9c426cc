"""Banks: label names with their vectors; how they are built, saved, transformed and compared."""
