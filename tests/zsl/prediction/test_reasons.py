"""Nearest seen labels and training pictures, against loops over all of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from zsl.context import Context
from zsl.prediction.looking import tokens_of
from zsl.prediction.reasons import Reasons


def _cosine(one, two):
    return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))


def test_what_is_near_is_what_a_loop_finds(run, data):
    model, context = run[1], Context.of("fp32", batch_size=7)
    reasons = Reasons(model, data, context, count=2)
    asked = model.asked(["beach ball"])
    picture = asked.model.pictures([torch.randint(0, 256, (3, 40, 50), dtype=torch.uint8)]).whole(0)
    mean = tokens_of(asked, picture)[0].mean(0).numpy()
    found = reasons.of(asked.words.vectors[0], mean)

    seen = model.bank.select(data.seen)
    by_word = {label: _cosine(vector, asked.words.vectors[0]) for label, vector in zip(data.seen, seen, strict=True)}
    expected = sorted(by_word, key=by_word.get, reverse=True)[:2]
    assert [near.label for near in found] == expected
    dense = data.train.targets.dense()
    for near in found:
        assert near.similarity == pytest.approx(by_word[near.label], abs=1e-5)
        with torch.no_grad():
            tokens = model.tokens(data.train.inputs.read(range(len(dense)))).mean(1).numpy()
        rows = np.flatnonzero(dense[:, data.seen.index(near.label)] > 0)
        cosines = {row: _cosine(tokens[row], mean) for row in rows.tolist()}
        best = sorted(cosines, key=cosines.get, reverse=True)[:2]
        assert [one.similarity for one in near.examples] == pytest.approx([cosines[row] for row in best], abs=2e-3)
        assert {one.row for one in near.examples} <= set(rows.tolist())
        for one in near.examples:
            assert one.name == data.train.inputs.name(one.row)
            assert reasons.pixels(one).shape == (32, 32, 3)


def test_the_pictures_are_read_once(run, data, monkeypatch):
    calls = []
    context = Context.of("fp32", batch_size=7, progress=lambda task, done, total, note="": calls.append(task))
    first = Reasons(run[1], data, context)
    assert set(calls) == {"training pictures"}
    calls.clear()
    np.testing.assert_array_equal(Reasons(run[1], data, context).means, first.means)
    assert not calls


def test_other_data_are_named(run, data):
    with pytest.raises(InputError, match="holds other data than .* was trained on; restore them"):
        Reasons(run[1], replace(data, fingerprint="other"), Context.of("fp32"))
    with pytest.raises(InputError, match="can only be read in order; rewrite it with zsl data extract"):
        Reasons(run[1], replace(data, in_order=True), Context.of("fp32"))
