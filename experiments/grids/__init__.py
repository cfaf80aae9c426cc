"""Grids of runs: variants, and what does the runs."""
