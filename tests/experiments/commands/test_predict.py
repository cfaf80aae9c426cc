"""`zsl predict` and `zsl export` as a user meets them."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import zsl as library
from tests.experiments.command import refused, zsl

WORDS = "moon, blue lake, grey heron"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a small run on drawn pictures."""
    folder = tmp_path_factory.mktemp("predict")
    config = library.ScenesConfig(train=60, test=40, image_size=32, seen=20, unseen=5)
    data = library.load_data(**config.model_dump())
    from embeddings import build_bank

    bank = build_bank(data.names, "lexical:16")
    decoder = library.MlDecoderConfig(width=16, ffn=16, attention_heads=2, group_size=5)
    train = library.TrainConfig(epochs=1, precision="fp32")
    library.fit(
        data, bank, backbone=library.BackboneConfig(name="resnet10t"), readout=decoder, train=train, out=folder / "run"
    )
    return folder / "run"


@pytest.fixture
def album(tmp_path):
    root = tmp_path / "album"
    root.mkdir()
    generator = np.random.default_rng(0)
    for number in range(5):
        size = (40 + number, 30, 3)
        Image.fromarray(generator.integers(0, 256, size, dtype=np.uint8)).save(root / f"{number}.jpg")
    (root / "3.jpg").write_text("no picture")
    return root


def test_words_of_pictures_in_every_form(model, album, tmp_path):
    text = zsl("predict", model, album, "--labels", WORDS, "--top", 2)
    assert text.exit_code == 0
    assert text.stdout.count("\n") == 5 + 4 * 2 + 1
    assert "not read: image" in text.stdout
    assert "1 of 5 pictures could not be read" in text.stderr
    lines = [json.loads(line) for line in zsl("predict", model, album, "--labels", WORDS, "--json").stdout.splitlines()]
    expected = library.load(model).scores([album / f"{n}.jpg" for n in (0, 1, 2, 4)], WORDS)
    logits = [{w["label"]: w["logit"] for w in line["found"]} for line in lines if line["found"]]
    np.testing.assert_allclose([[row[w] for w in WORDS.split(", ")] for row in logits], expected, atol=1e-5)
    assert "does not decode" in lines[3]["fault"]
    table = zsl("predict", model, album, "--labels", WORDS, "--csv", "--out", tmp_path / "found.csv")
    assert table.exit_code == 0
    with (tmp_path / "found.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows if row["rank"] == "1"] == [
        line["found"][0]["label"] for line in lines if line["found"]
    ]


def test_seen_labels_are_asked_too(model, album):
    line = json.loads(
        zsl("predict", model, album / "0.jpg", "--labels", WORDS, "--with", "seen", "--top", 99, "--json").stdout
    )
    assert len(line["found"]) == 3 + 20
    assert sum(word["seen"] for word in line["found"]) == 20


def test_pictures_are_drawn_with_their_words(model, album, tmp_path):
    assert zsl("predict", model, album, "--labels", WORDS, "--pictures", tmp_path / "drawn").exit_code == 0
    names = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert names == [f"000000{n}-{n}.jpg" for n in (0, 1, 2, 4)]
    with Image.open(tmp_path / "drawn" / names[0]) as image:
        assert image.width > 300
        violet = np.abs(np.asarray(image).astype(int) - (170, 51, 119)).max(2) < 24  # the bars of unseen words
        assert violet[:, -300:].any()
        assert not violet[:, :30].any()


def test_a_stopped_command_continues_to_the_same_file(model, album, tmp_path, monkeypatch):
    given = ("predict", model, album, "--labels", WORDS, "--json", "--batch-size", 2)
    assert zsl(*given, "--out", tmp_path / "whole.jsonl").exit_code == 0
    from experiments.prediction import predicting

    written, text_of = [], predicting.text_of

    def stopping(found, form, near):
        written.append(found)
        if len(written) == 4:
            raise KeyboardInterrupt
        return text_of(found, form, near)

    monkeypatch.setattr(predicting, "text_of", stopping)
    stopped = zsl(*given, "--out", tmp_path / "found.jsonl")
    assert stopped.exit_code == 130
    assert "--resume" in stopped.stderr
    assert not (tmp_path / "found.jsonl").exists()
    assert zsl(*given, "--out", tmp_path / "found.jsonl", "--resume").exit_code == 0
    assert len(written) == 4 + 2
    assert (tmp_path / "found.jsonl").read_text() == (tmp_path / "whole.jsonl").read_text()


def test_an_exported_model_moves(model, album, tmp_path):
    assert zsl("export", model, "--out", tmp_path / "out").exit_code == 0
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    given = (album / "0.jpg", "--labels", WORDS, "--json")
    assert zsl("predict", tmp_path / "elsewhere", *given).stdout == zsl("predict", model, *given).stdout
    refused(zsl("export", model, "--out", tmp_path / "elsewhere"), "elsewhere")
    refused(zsl("export", model, "--out", tmp_path / "public", "--backbone", "public"), "not those of timm")
    assert not (tmp_path / "public").exists()


def test_bad_input_is_one_line(model, album, tmp_path):
    picture = album / "0.jpg"
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank.txt").write_text("\n")
    for arguments, told in (
        ((picture, "--labels", ""), "there is no label"),
        ((picture, "--labels", "a,,b"), "a label name is empty"),
        ((picture, "--labels", "x" * 10_000), "too long"),
        ((picture, "--labels", "a, b, a"), "appears twice"),
        ((picture, "--labels", tmp_path / "blank.txt"), "holds no label names"),
        ((picture, "--labels", "none.txt"), "none.txt"),
        ((album / "none.jpg",), "there is no picture"),
        ((tmp_path / "empty",), "holds no picture"),
        ((picture, "--threshold", "high"), "from 0 to 1"),
        ((picture, "--threshold", "auto"), "run zsl threshold"),
        ((picture, "--labels", tmp_path), "no file of label names"),
        ((picture, "--labels", "./none"), "no file of label names"),
        (("",), "the path of a picture is empty"),
        ((picture, "--look", "evidence"), "give --heat-maps or --why too"),
        ((picture, "--heat-maps", picture / "maps"), "choose another --heat-maps"),
        ((picture, "--csv", "--out", picture / "new.csv"), "cannot be made in"),
        ((picture, "--csv", "--out", tmp_path), "exists; remove it"),
        ((picture, "--resume"), "need --json or --csv"),
        ((picture, "--json", "--csv"), "one of --json and --csv"),
    ):
        refused(zsl("predict", model, *arguments), told)
    refused(zsl("predict", tmp_path / "none", picture), "there is no folder")
    result = zsl("predict", model, album / "3.jpg", "--labels", WORDS)
    assert result.exit_code == 2
    assert result.stderr.endswith("error: the picture could not be read; see above\n")
    out = tmp_path / "found.csv"
    result = zsl("predict", model, album / "3.jpg", "--labels", WORDS, "--csv", "--out", out)
    assert result.stderr.endswith(f"error: the picture could not be read; see {out}\n")
