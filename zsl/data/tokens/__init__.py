"""Stored tokens of a frozen backbone."""
