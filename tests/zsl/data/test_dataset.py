"""A dataset's pictures can be read in another way; data without pictures stay what they are."""

from tests.zsl.photos import write_photos
from tests.zsl.toy import toy_data
from zsl.data.squares import Square
from zsl.data.table import load_data


def test_pictures_are_read_as_asked(tmp_path):
    data = load_data(name="folder", root=write_photos(tmp_path / "photos"), unseen="unseen.txt")
    assert data.config.name == "folder"
    other = data.read_as(Square(16, "bicubic", 0.5, False))
    assert data.train.inputs.read([0]).shape == (1, 3, 224, 224)
    for part in (other.train, other.test):
        assert part.inputs.read([0]).shape == (1, 3, 16, 16)
    assert other.train.targets is data.train.targets
    assert (other.fingerprint, other.config) == (data.fingerprint, data.config)


def test_tokens_are_no_pictures():
    data = toy_data()
    assert data.read_as(Square(16)).train == data.train
