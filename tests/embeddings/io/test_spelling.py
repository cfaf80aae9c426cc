"""Unknown names are told with the known name that is spelled most like them."""

import pytest

from embeddings.io import spelling
from embeddings.io.errors import InputError
from embeddings.io.spelling import nearest, require, shown

KNOWN = ["polar bear", "dog", "sky"]


@pytest.mark.parametrize("many", [2, 20_000])  # with the shortcut for many words, and without
@pytest.mark.parametrize(("name", "near"), [("dogs", "dog"), ("polar bears", "polar bear"), ("zzz", None)])
def test_the_nearest_spelling(monkeypatch, name, near, many):
    monkeypatch.setattr(spelling, "MANY", many)
    assert nearest(name, KNOWN) == near


def test_a_text_too_long_for_a_name_has_no_nearest_name():
    assert nearest("d" * 1_001, ["d" * 1_000]) is None


def test_unknown_names_are_listed():
    require(["dog", "sky"], KNOWN, "the bank")
    told = r"no score in x.npz for 2 label\(s\): 'dogs' \(nearest: 'dog'\), 'zzz'; rename them"
    with pytest.raises(InputError, match=told):
        require(["dogs", "sky", "zzz"], KNOWN, "x.npz", "rename them", "score")
    assert shown([str(n) for n in range(13)]).endswith("'8', '9' and 3 more")
