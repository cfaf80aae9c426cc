"""Protocols, and the measures of scores under them."""
