"""A run: its config, what it is trained on, and the folder that it leaves."""
