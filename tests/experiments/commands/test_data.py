"""`zsl data`: audits, and tokens that are the same wherever an extraction was stopped."""

import json
import signal
import time

import pytest
import torch

from embeddings.banks.build import build_bank
from tests.experiments.command import launched, refused, zsl
from tests.names import SEEN, UNSEEN
from tests.started import Started
from zsl.context import Context
from zsl.data.layouts.token_folder import TokensConfig
from zsl.data.loading import Samples
from zsl.data.table import load_data
from zsl.data.tokens.files import map_shard
from zsl.runs.config import EvaluateConfig, RunConfig
from zsl.runs.source import open_source


@pytest.fixture
def options(photographs, tmp_path):
    """A TOML file and options of a small frozen backbone over the photographs."""
    config = tmp_path / "small.toml"
    config.write_text(
        f'[data]\nname = "csv"\nroot = "{photographs}"\nimage_size = 32\n'
        '[backbone]\nname = "resnet10t"\nlevel = 2\n'
        '[bank]\nencoder = "lexical:16"\n'
        "[decoder]\nwidth = 16\nffn = 16\ngroup_size = 2\ndropout = 0.0\n"
        "[train]\nepochs = 1\nema = 0.0\nbatch_size = 8\n[augment]\nflip = false\n[evaluate]\nbatch_size = 4\nk = [1]\n"
    )
    return config


def _files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def test_training_from_tokens_is_training_through_the_backbone(options, tmp_path):
    assert zsl("data", "extract", options, "--out", tmp_path / "tokens", "--rows", 16).exit_code == 0
    told = zsl("data", "extract", options, "--out", tmp_path / "tokens", "--rows", 16).stdout
    tokens = told.split("train on them with ")[1].split()
    metrics = []
    for name, settings in (("a", ()), ("b", tokens)):
        assert zsl("train", options, "--out", tmp_path / name, *settings).exit_code == 0
        assert zsl("evaluate", tmp_path / name).exit_code == 0
        metrics.append(json.loads((tmp_path / name / "metrics.json").read_text())["metrics"])
    assert metrics[0] == pytest.approx(metrics[1], abs=1e-3)


def test_a_stopped_extraction_continues_to_the_same_files(options, tmp_path):
    whole = tmp_path / "whole"
    assert zsl("data", "extract", options, "--out", whole, "--rows", 8).exit_code == 0
    expected = _files(whole)
    assert len([name for name in expected if name.endswith("0.safetensors")]) == 2
    for gone in (["manifest.json"], ["manifest.json", "train-00002.json"], ["labels.safetensors", "manifest.json"]):
        for name in gone:
            (whole / name).unlink()
        (whole / ".train-00002.safetensors.killed").write_bytes(b"half")
        if "train-00002.json" in gone:
            (whole / "train-00002.safetensors").write_bytes(b"half")
            (whole / "test-00001.json").unlink()
            (whole / "test-00001.safetensors").unlink()
        assert zsl("data", "extract", options, "--out", whole, "--rows", 8).exit_code == 0
        assert _files(whole) == expected


@pytest.mark.parametrize("after", [0.0, 0.3])
def test_a_killed_extraction_gives_the_same_files(options, tmp_path, after):
    assert zsl("data", "extract", options, "--out", tmp_path / "whole", "--rows", 4).exit_code == 0
    cut = tmp_path / "cut"
    process = Started("data", "extract", options, "--out", cut, "--rows", 4)
    while not list(cut.glob("train-*.json")) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert zsl("data", "extract", options, "--out", cut, "--rows", 4).exit_code == 0
    left = _files(cut)
    assert left == _files(tmp_path / "whole")


def test_views_differ_and_are_drawn(options, tmp_path):
    out = tmp_path / "tokens"
    augment = ("--set", "augment.flip=true", "--set", "augment.cutout=0.5", "--set", "augment.policy=randaugment")
    assert zsl("data", "extract", options, "--out", out, "--views", 3, "--dtype", "fp16", *augment).exit_code == 0
    data = load_data(TokensConfig(name="tokens", root=out))
    stored = map_shard(out / "train-00000.safetensors")
    assert stored.shape[:2] == (40, 3)
    assert stored.dtype == torch.float16
    assert not torch.equal(stored[:, 0], stored[:, 1])
    torch.manual_seed(0)
    samples = Samples(data.train, views=3)
    drawn = torch.stack([samples.__getitems__([40 * epoch + 7])[0][0] for epoch in range(30)])
    assert len(torch.unique(drawn.flatten(1), dim=0)) == 3
    # the first is the image itself, and so it is in validation
    assert zsl("data", "extract", options, "--out", tmp_path / "plain", "--dtype", "fp16").exit_code == 0
    plain = load_data(TokensConfig(name="tokens", root=tmp_path / "plain"))
    torch.testing.assert_close(data.train.inputs.read(range(40)), plain.train.inputs.read(range(40)), rtol=0, atol=1e-2)
    config = RunConfig(data=TokensConfig(name="tokens", root=out), evaluate=EvaluateConfig(k=(1,)))
    source = open_source(config, Context.of("auto"))
    train, held = source.split(source.train)
    assert (train.views, held.views) == (3, 1)
    assert map_shard(out / "test-00000.safetensors").shape[1] == 1
    refused(zsl("data", "extract", options, "--out", tmp_path / "x", "--views", 2), "differ only by augmentation")


def test_images_that_do_not_decode_are_refused_or_left_out(options, photographs, tmp_path):
    for number in (3, 50):
        (photographs / "images" / f"{number}.jpg").write_bytes(b"no picture")
    out = tmp_path / "tokens"
    refused(zsl("data", "extract", options, "--out", out), "3.jpg does not decode", "--skip-unreadable")
    assert zsl("data", "extract", options, "--out", tmp_path / "b", "--skip-unreadable").exit_code == 0
    data = load_data(TokensConfig(name="tokens", root=tmp_path / "b"))
    assert (len(data.train.inputs), len(data.test.inputs)) == (39, 19)
    assert (len(data.train.targets), len(data.test.targets)) == (39, 19)
    assert "1 of 40 training images" in data.notes[0]


def test_damaged_tokens_are_named(options, tmp_path):
    out = tmp_path / "tokens"
    assert zsl("data", "extract", options, "--out", out, "--rows", 16).exit_code == 0
    shard = out / "train-00001.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    tokens = tmp_path / "t.toml"
    tokens.write_text(f'[data]\nname = "tokens"\nroot = "{out}"\n')
    refused(zsl("train", tokens, "--out", tmp_path / "run"), "train-00001.safetensors is damaged")
    labels = out / "labels.safetensors"
    names = labels.read_bytes()
    labels.write_bytes(names[:-1] + bytes([names[-1] ^ 1]))
    refused(
        zsl("train", tokens, "--out", tmp_path / "run"),
        "labels.safetensors is missing, or is not",
    )
    labels.write_bytes(names)
    shard.unlink()
    refused(zsl("train", tokens, "--out", tmp_path / "run"), "train-00001.safetensors is missing")
    refused(zsl("data", "extract", options, "--out", out, "--rows", 8), "was started with rows_per_shard = 16")
    (out / ".plan.json.killed").write_text("{")
    (out / "manifest.json").write_text("{}")
    refused(zsl("train", tokens, "--out", tmp_path / "run"), "manifest.json is damaged (format: Field required)")
    (out / "manifest.json").unlink()
    refused(zsl("train", tokens, "--out", tmp_path / "run"), "no finished extraction")


def test_a_check_gives_a_verdict_on_each_item(options, photographs, tmp_path):
    build_bank([*SEEN, *UNSEEN], "lexical:16").save(tmp_path / "bank")
    result = zsl("data", "check", options, "--bank", tmp_path / "bank", "--out", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    found = {f["item"]: f for f in json.loads((tmp_path / "f.json").read_text())["findings"]}
    assert found["images"] == {"item": "images", "verdict": "ok", "message": "all 60 decode"}
    assert found["labels without a vector"]["verdict"] == "ok"
    assert found["unseen labels in training"]["verdict"] == "ok"
    assert "2.000" in found["positives per test image"]["message"]


def test_a_check_finds_faults_that_would_spoil_a_run(options, photographs, tmp_path):
    (photographs / "images" / "3.jpg").write_bytes(b"")
    split = {"train class": [*SEEN, "gone", "pink stars"], "test class": UNSEEN}
    (photographs / "split.json").write_text(json.dumps(split))
    rows = (photographs / "data.csv").read_text().splitlines()
    (photographs / "data.csv").write_text(
        "\n".join([rows[0], f'images/0.jpg,"[{SEEN[0]}, {UNSEEN[0]}]",train', *rows[2:]])
    )
    (photographs / "images" / "50.jpg").write_bytes((photographs / "images" / "4.jpg").read_bytes())
    build_bank(SEEN, "lexical:16").save(tmp_path / "bank")
    files = ("--bad", tmp_path / "bad.txt", "--out", tmp_path / "f.json", "--state", tmp_path / "state.json")
    result = zsl("data", "check", options, "--bank", tmp_path / "bank", *files)
    assert result.exit_code == 1
    found = {f["item"]: f for f in json.loads((tmp_path / "f.json").read_text())["findings"]}
    verdicts = {item: f["verdict"] for item, f in found.items()}
    assert verdicts["missing images"] == verdicts["labels without a vector"] == "error"
    assert verdicts["near-duplicate names"] == verdicts["unseen labels in training"] == "warning"
    assert "'gone'" in found["labels without positives"]["message"]
    assert "'pink stars' / 'pink star'" in found["near-duplicate names"]["message"]
    assert found["unseen labels in training"]["message"].startswith("1 training annotations")
    assert (tmp_path / "bad.txt").read_text() == f"{photographs / 'images' / '3.jpg'}\n"
    # the same file under two names
    assert "/4.jpg and " in found["identical images"]["message"]
    assert "1 of the pictures are in training and in test" in found["identical images"]["message"]
    # the second check continues from the state of the first
    (photographs / "images" / "3.jpg").write_bytes((photographs / "images" / "4.jpg").read_bytes())
    again = ("--state", tmp_path / "state.json", "--no-decode")
    assert zsl("data", "check", options, *again).exit_code == 0
    excluded = ("--set", f"data.exclude={tmp_path / 'bad.txt'}")
    assert "39 training images" in zsl("data", "check", options, *excluded).stdout


def test_a_file_that_many_images_share_is_a_placeholder(options, photographs, tmp_path):
    for number in range(5, 16):
        (photographs / "images" / f"{number}.jpg").write_bytes((photographs / "images" / "4.jpg").read_bytes())
    (photographs / "images" / "2.jpg").unlink()
    assert zsl("data", "check", options, "--bad", tmp_path / "bad.txt", "--out", tmp_path / "f.json").exit_code == 1
    found = {f["item"]: f for f in json.loads((tmp_path / "f.json").read_text())["findings"]}
    assert found["images"]["message"].startswith("12 of 59 cannot be used: image")
    assert "1 of 60: " in found["missing images"]["message"]
    assert "is the same file as 11 others, a placeholder" in found["images"]["message"]
    assert found["identical images"]["verdict"] == "ok"
    excluded = ("--set", f"data.exclude={tmp_path / 'bad.txt'}")
    assert zsl("data", "check", options, *excluded).exit_code == 0
    assert "27 training images" in " ".join(zsl("data", "check", options, *excluded).stdout.split())


def test_two_processes_write_the_same_files_as_one(options, tmp_path):
    assert zsl("data", "extract", options, "--out", tmp_path / "one", "--rows", 8).exit_code == 0
    launched(2, "data", "extract", options, "--out", tmp_path / "two", "--rows", 8)
    assert _files(tmp_path / "two") == _files(tmp_path / "one")
