"""Benchmarks for users: speed and cost of heads, layers and modules."""
