"""Measurements that only developers run, and what they recorded; no part of the installed packages."""
