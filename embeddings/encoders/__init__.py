"""Text encoders, one file each, and their table."""
