"""Single runs: training, test, and their folders."""
