"""`zsl predict --heat-maps` and `--why`: where the model looked, and what is near, in files."""

import base64
import io
import json
import os
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import zsl as library
from embeddings import build_bank
from tests.experiments.command import refused, zsl
from zsl.prediction.heat_maps import GAP, SHEET_LABELS, THUMBNAIL

WORDS = "solid red moon, blue lake, grey heron"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a small run on drawn pictures, of 4 x 4 tokens."""
    folder = tmp_path_factory.mktemp("why") / "run"
    data = library.load_data(name="scenes", train=60, test=10, image_size=32, seen=20, unseen=5)
    library.fit(
        data,
        build_bank(data.names, "lexical:16"),
        backbone=library.BackboneConfig(name="resnet10t", level=2),
        readout=library.MlDecoderConfig(width=16, ffn=16, attention_heads=2, group_size=5),
        train=library.TrainConfig(epochs=1, precision="fp32"),
        out=folder,
    )
    return folder


@pytest.fixture
def album(tmp_path):
    (tmp_path / "album").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "album" / f"<{number}>.png")
    (tmp_path / "album" / "<1>.png").write_text("no picture")
    return tmp_path / "album"


def test_a_heat_map_for_each_picture_and_word_and_a_sheet(run, album, tmp_path):
    found = zsl("predict", run, album, "--labels", WORDS, "--top", 2, "--heat-maps", tmp_path / "maps")
    assert found.exit_code == 0, found.output
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == [*(f"000000{n}-_{n}_-{rank}.jpg" for n in (0, 2) for rank in (1, 2)), "contact_sheet.jpg"]
    with Image.open(tmp_path / "maps" / "contact_sheet.jpg") as sheet:
        assert sheet.width == 3 * (THUMBNAIL + GAP) + GAP
    # the map is that of Python
    model = library.load(run)
    best = model.predict(album / "<0>.png", WORDS)[0].found[0]
    with Image.open(tmp_path / "maps" / names[0]) as drawing:
        drawn = np.asarray(drawing.convert("RGB"), float)[:30, :40]
    expected = np.asarray(model.heat_map(album / "<0>.png", best.label), float)[:30, :40]
    assert np.abs(drawn - expected).mean() < 12  # JPEG


def test_attention_is_another_map(run, album, tmp_path):
    maps = []
    for look in ("evidence", "attention"):
        folder = tmp_path / look
        asked = ("predict", run, album / "<0>.png", "--labels", WORDS, "--heat-maps", folder, "--look", look)
        assert zsl(*asked).exit_code == 0
        maps.append((folder / "0000000-_0_-1.jpg").read_bytes())
    assert maps[0] != maps[1]


def test_words_beyond_the_sheet_are_counted(run, album, tmp_path):
    options = ("--labels", run / "bank.safetensors", "--top", SHEET_LABELS + 2, "--heat-maps", tmp_path / "maps")
    found = zsl("predict", run, album / "<0>.png", *options)
    assert "note: contact_sheet.jpg leaves out 2 heat maps" in found.stderr


class _Images(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.sources = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.sources.append(dict(attrs)["src"])


def test_pages_say_what_is_near(run, album, tmp_path):
    asked = ("predict", run, album, "--labels", WORDS, "--top", 2, "--why", tmp_path / "why")
    found = zsl(*asked, "--json")
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    page = (tmp_path / "why" / "0000002-_2_.html").read_text()
    assert "album/&lt;2&gt;.png" in page
    sources = _Images(page).sources
    examples = [len(near["examples"]) for word in lines[2]["found"] for near in word["nearest"]]
    assert len(sources) == 1 + 2 + sum(examples)  # the picture, a map for each word, training pictures
    for source in sources:
        kind, content = source.split(",")
        assert kind == "data:image/jpeg;base64"
        Image.open(io.BytesIO(base64.b64decode(content))).load()
    assert not re.search(r"(src|href)=\"(?!data:)", page)  # it needs no other file
    near = library.load(run).why(album / "<2>.png", lines[2]["found"][0]["label"], library.load_data(**_data()))
    assert [one["label"] for one in lines[2]["found"][0]["nearest"]] == [one.label for one in near]
    assert all(one.label in page for one in near)
    assert "nearest" not in lines[1]
    text = zsl(*asked)  # the folder may exist
    assert f"near {near[0].label} {near[0].similarity:.2f}" in text.stdout


def _data():
    return {"name": "scenes", "train": 60, "test": 10, "image_size": 32, "seen": 20, "unseen": 5}


def test_what_cannot_be_done_is_named(run, album, tmp_path):
    picture = album / "<0>.png"
    assert zsl("export", run, "--out", tmp_path / "model").exit_code == 0
    words = ("--labels", WORDS)
    refused(zsl("predict", tmp_path / "model", picture, *words, "--why", tmp_path / "why"), "--why needs the training")
    assert not (tmp_path / "why").exists()
    refused(zsl("predict", run, picture, *words, "--heat-maps", picture), "is a file; choose another --heat-maps")


def test_a_file_whose_name_is_no_text_has_a_page(run, album, tmp_path):
    picture = tmp_path / os.fsdecode(b"\xff.png")
    shutil.copy(album / "<0>.png", picture)
    assert zsl("predict", run, picture, "--labels", WORDS, "--why", tmp_path / "why").exit_code == 0
    assert r"\udcff.png</title>" in (tmp_path / "why" / "0000000-_.html").read_text()
