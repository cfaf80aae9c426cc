"""Losses over logits (batch, label) and binary targets (batch, label), one file each, and their table."""
