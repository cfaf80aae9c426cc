"""The config of a run: its sections, and settings by key."""
