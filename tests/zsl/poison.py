"""A test part of which nothing may be read."""

from zsl.data.dataset import Part
from zsl.data.targets import Targets


def _refuse(*_):
    raise AssertionError("the test part was read")


class _Inputs:
    read = name = __len__ = _refuse


class _Targets(Targets):
    matrix = property(_refuse)

    def __init__(self):
        self.partial = False


def poison():
    """A part whose images and annotations raise an error when they are read."""
    return Part(_Inputs(), _Targets())
