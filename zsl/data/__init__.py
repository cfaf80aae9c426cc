"""Datasets: their layouts, their loading, and stored tokens."""
