"""Files of matrices that are not what they should be."""

import numpy as np
import pytest

from embeddings.io.errors import InputError
from tests.zsl.evaluation.score_files import LABELS, SCORES
from zsl.evaluation.named_matrix import read_matrix


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "t.csv:1: the header must be image,LABEL"),
        ("image,sky\n", "t.csv has no line after its header"),
        ("image,sky,sky\na,1,0\n", "label 'sky' appears 2 times"),
        ("image,sky\na,1\na,0\n", "image 'a' appears 2 times; every image must appear once"),
        ("image,sky\na,1,0\n", "t.csv:2: 3 fields, but the header has 2"),
        ("image,sky\na,1\nb,yes\n", "t.csv:3: could not convert"),
        ("image,sky\na,1\nb," + "9" * 200_000, "t.csv:3: field larger than field limit"),
        ("image,sky\na,1\nb\0,1", "t.csv:3: a zero byte"),
    ],
)
def test_invalid_tables_are_refused(tmp_path, content, told):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match=told):
        read_matrix(tmp_path / "t.csv", "targets")


def test_files_that_hold_something_else(tmp_path):
    with pytest.raises(InputError, match="none of .npy, .npz, .csv"):
        read_matrix(tmp_path / "s.txt", "scores")
    with pytest.raises(InputError, match="no file of scores .*s.npy"):
        read_matrix(tmp_path / "s.npy", "scores")
    np.save(tmp_path / "s.npy", np.array([["a"]]))
    with pytest.raises(InputError, match="of type <U1, which is no number"):
        read_matrix(tmp_path / "s.npy", "scores")
    np.save(tmp_path / "s.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"must be \(image, label\), got shape \(3,\)"):
        read_matrix(tmp_path / "s.npy", "scores")
    np.save(tmp_path / "s.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="s.npy cannot be read as scores"):
        read_matrix(tmp_path / "s.npy", "scores")
    np.savez(tmp_path / "s.npz", a=SCORES, b=SCORES)
    with pytest.raises(InputError, match="holds a, b, but no 'scores'"):
        read_matrix(tmp_path / "s.npz", "scores")
    np.savez(tmp_path / "s.npz", scores=SCORES, labels=np.array(LABELS[:2]))
    with pytest.raises(InputError, match="names 2 labels, but its scores are"):
        read_matrix(tmp_path / "s.npz", "scores")
    np.savez(tmp_path / "s.npz", scores=SCORES, labels=np.array([LABELS]))
    with pytest.raises(InputError, match=r"labels have shape \(1, 3\); they must be one list"):
        read_matrix(tmp_path / "s.npz", "scores")
    np.savez(tmp_path / "s.npz")
    with pytest.raises(InputError, match="holds nothing, but no 'scores'"):
        read_matrix(tmp_path / "s.npz", "scores")
    np.savez_compressed(tmp_path / "s.npz", scores=np.zeros((5_000_000, 1), np.int8))
    with pytest.raises(InputError, match="no axis may be longer than 4,194,304"):
        read_matrix(tmp_path / "s.npz", "scores")
