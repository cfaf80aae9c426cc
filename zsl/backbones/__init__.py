"""Backbones: pictures to tokens."""
