"""Banks: label names with their vectors."""
