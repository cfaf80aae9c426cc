"""Metrics of multi-label scores, as numpy arrays, torch tensors or batches: one file a family."""
