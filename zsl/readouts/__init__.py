"""Readouts: tokens and word vectors to logits, and their table."""
