"""Streams by place: forwards, backwards, in another process, and after the stream has changed."""

import pickle

import pytest

from embeddings.io.errors import InputError
from zsl.data.in_order import InOrder

BEGUN = []


def letters():
    BEGUN.append(1)
    return iter("abcdefg")


def test_a_stream_begins_again_only_for_an_earlier_item(monkeypatch):
    BEGUN.clear()
    stream = InOrder(letters, "the alphabet")
    assert "".join(map(stream.at, (0, 1, 4, 6))) == "abeg"
    assert len(BEGUN) == 1
    assert "".join(map(stream.at, (6, 2, 3))) == "gcd"
    assert len(BEGUN) == 3
    copied = pickle.loads(pickle.dumps(stream))
    assert (copied.at(5), len(BEGUN)) == ("f", 4)
    monkeypatch.setattr("os.getpid", lambda: 1)  # as after a fork
    assert (stream.at(4), len(BEGUN)) == ("e", 5)


def test_a_stream_that_is_shorter_than_it_was_is_named():
    with pytest.raises(InputError, match="the alphabet has no record 7; it has changed since it was opened"):
        InOrder(letters, "the alphabet").at(7)
