"""Layouts of datasets, one file each."""
