"""Lists of unseen labels."""

import json

import pytest

from embeddings.io.errors import InputError
from zsl.data.table import load_data


def test_a_misspelt_unseen_name_is_refused(album):
    config = album.as_folder()
    (album.root / "unseen.txt").write_text("pink star\npink stars\n")
    with pytest.raises(InputError, match=r"unseen.txt: no image has label 'pink stars' \(the data has 'pink star'\)"):
        load_data(**config)
    (album.root / "unseen.txt").write_text("pink star\nzebra\n")
    assert load_data(**config).unseen == ("pink star", "zebra")  # a name without images is no mistake
    config = album.as_csv()
    (album.root / "split.json").write_text(json.dumps({"test class": ["Pink-Star"]}))
    with pytest.raises(InputError, match="split.json: no image has label 'Pink-Star'"):
        load_data(**config)
    with pytest.raises(InputError, match="contradict each other"):
        load_data(**config, closed=True, unseen="unseen.txt")
    assert load_data(**config, closed=True).unseen == ()
