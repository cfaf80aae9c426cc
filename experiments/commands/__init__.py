"""The `zsl` command, one file for each of its commands."""
