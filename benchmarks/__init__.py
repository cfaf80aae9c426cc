"""Measurements for developers, and their recorded results; not part of the installed packages."""
