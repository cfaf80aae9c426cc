"""Files, label names and messages: input and output for all three packages. Nothing here imports torch."""
