"""RAM's JSON lists."""

import pytest

from embeddings.io.errors import InputError
from zsl.data.table import load_data


def test_ram_lists_that_do_not_fit_are_refused(album):
    config = album.as_ram()
    with pytest.raises(InputError, match=r"'/mnt/somebody/pictures/0.jpg' does not begin with data.prefix = '/data'"):
        load_data(**config | {"prefix": "/data"})
    config["train"].write_text('{"images": [["a.jpg"]], "classes": []}')
    with pytest.raises(InputError, match=r"train.json: image 1 is not \[path, \[label, ...\]\] but \['a.jpg'\]"):
        load_data(**config)
