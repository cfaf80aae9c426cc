"""Training and measuring from Python: ten lines, objects of one's own, and the folder that a command opens."""

import inspect
import json

import numpy as np
import pytest
import torch
from torch import nn

import zsl
import zsl.library
from embeddings import build_bank
from experiments.config.reading import load_config
from tests.experiments.command import refused
from tests.experiments.command import zsl as command
from tests.started import ranks
from tests.zsl.photos import SEEN, UNSEEN, write_photos
from tests.zsl.two_processes import trained_and_measured
from zsl.prediction.facts import Facts
from zsl.runs.claims import claimed
from zsl.runs.records import read_finished

SMALL = zsl.TrainConfig(epochs=2, batch_size=8, lr=1e-2, validation=0.2)
READOUT = zsl.LabelAttentionConfig(width=16, ffn=16, attention_heads=2)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("album") / "photos")


@pytest.fixture(scope="module")
def data(photos):
    return zsl.load_data(name="folder", root=photos, unseen=photos / "unseen.txt", image_size=32)


@pytest.fixture(scope="module")
def bank(data):
    return build_bank(data.names, "lexical:16")


BACKBONE = zsl.BackboneConfig(name="resnet10t")


def test_a_folder_of_pictures_in_ten_lines(data, bank, tmp_path):
    out = tmp_path / "mine"
    model = zsl.fit(data, bank, backbone=BACKBONE, readout=READOUT, train=SMALL, out=out)
    found = zsl.evaluate(model, data, bank)
    assert 0 < found.metrics["zsl/map"] <= 1
    # the folder is a run: a command measures the same
    assert command("evaluate", out).exit_code == 0
    measured = json.loads((out / "metrics.json").read_text())["metrics"]
    assert measured == pytest.approx(found.metrics, rel=0, abs=1e-12)
    # and its config trains the same weights
    config = load_config(str(out / "config.json"), [])
    assert config.data.interpolation == "bicubic"  # the backbone's own way to read pictures
    assert command("train", out / "config.json", "--out", tmp_path / "again").exit_code == 0
    one, two = read_finished(out), read_finished(tmp_path / "again")
    assert one.weights_sha256 == two.weights_sha256


def test_without_out_nothing_is_written_and_the_weights_are_the_same(data, bank, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"backbone": BACKBONE, "readout": zsl.GapTextConfig(rates=(1.0,)), "train": SMALL}
    one, two = zsl.fit(data, bank, **given), zsl.fit(data, bank, **given, out="run")
    assert [path.name for path in tmp_path.iterdir() if path.name != "zsl-cache"] == ["run"]
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())
    assert zsl.evaluate(one, data, bank).metrics == zsl.evaluate(two, data, bank).metrics


class MeanReadout(zsl.Readout):
    """The mean token, projected to word vectors."""

    def __init__(self, channels, embed_dim):
        super().__init__()
        self.projection = nn.Linear(channels, embed_dim)

    def bind(self, vectors):
        return lambda features: self.projection(features.mean(1)) @ vectors.T


class Unpooled(MeanReadout):
    """A readout whose author forgot to pool."""

    def bind(self, vectors):
        return lambda features: self.projection(features) @ vectors.T


def _convolution():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 8, stride=8), nn.ReLU())


@pytest.mark.parametrize("mode", ["frozen", "tuned"])
def test_the_users_own_objects(data, bank, tmp_path, mode):
    torch.manual_seed(0)
    module, readout = _convolution(), MeanReadout(6, bank.embed_dim)
    before = [value.clone() for value in module.state_dict().values()]
    own = module if mode == "frozen" else zsl.OwnBackbone(module, mode="tuned")
    model = zsl.fit(data, bank, backbone=own, readout=readout, train=SMALL, out=tmp_path / "own")
    metrics = zsl.evaluate(model, data, bank).metrics
    assert 0 < metrics["zsl/map"] <= 1
    trained = model.backbone.model.state_dict().values()
    assert all(torch.equal(one, two) for one, two in zip(before, trained, strict=True)) == (mode == "frozen")
    assert model.readout is readout
    told = json.loads((tmp_path / "own/own_objects.json").read_text())["objects"]
    assert told == {"backbone": "torch.nn.modules.container.Sequential", "readout": f"{__name__}.MeanReadout"}
    words = "own was trained by zsl.fit with objects of your own", "measure the model in Python: zsl.evaluate"
    refused(command("evaluate", tmp_path / "own"), *words)
    refused(command("train", "demo", "--out", tmp_path / "own", "--resume"), *words)
    # a finished run is read
    again = zsl.fit(
        data,
        bank,
        backbone=_convolution() if mode == "frozen" else zsl.OwnBackbone(_convolution(), mode="tuned"),
        readout=MeanReadout(6, bank.embed_dim),
        train=SMALL,
        out=tmp_path / "own",
        resume=True,
    )
    assert zsl.evaluate(again, data, bank).metrics == metrics


def test_data_made_in_python_need_no_backbone(bank):
    generator = np.random.default_rng(0)
    targets = generator.random((30, 6)) < 0.4
    targets[:, [0, 5]] |= ~targets.any(1)[:, None]
    tokens = torch.from_numpy(generator.normal(size=(30, 3, 7))).float()
    train = zsl.Part(zsl.Tensors(tokens), zsl.Targets.of(targets[:, :4] | ~targets[:, :4].any(1)[:, None]))
    test = zsl.Part(zsl.Tensors(tokens), zsl.Targets.of(targets))
    data = zsl.MultiLabelData("made", SEEN, UNSEEN, train, test, "tokens", "made")
    model = zsl.fit(data, bank, readout=zsl.EszslConfig(), train=SMALL)
    assert 0 < zsl.evaluate(model, data, bank, zsl.EvaluateConfig(bootstrap=0)).metrics["gzsl/map"] <= 1
    with pytest.raises(zsl.InputError, match="made holds tokens; leave the backbone out"):
        zsl.fit(data, bank, backbone=BACKBONE)


def test_a_stopped_run_continues_to_the_same_weights(data, bank, tmp_path):
    given = {"backbone": BACKBONE, "readout": READOUT, "train": SMALL}
    whole = zsl.fit(data, bank, **given, out=tmp_path / "whole")

    def stop(task, done, total, note=""):
        if task == "train" and "epoch 1/2" in note:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zsl.fit(data, bank, **given, out=tmp_path / "cut", progress=stop)
    with pytest.raises(zsl.InputError, match=r"cut exists; give zsl.fit another out, or resume=True"):
        zsl.fit(data, bank, **given, out=tmp_path / "cut")
    other = given | {"readout": READOUT.model_copy(update={"width": 8})}
    with pytest.raises(zsl.InputError, match="started with another config: decoder.width was 16, now 8"):
        zsl.fit(data, bank, **other, out=tmp_path / "cut", resume=True)
    with pytest.raises(zsl.InputError, match="cut was started with other bank"):
        zsl.fit(data, build_bank(data.names, "random:16"), **given, out=tmp_path / "cut", resume=True)
    moved = (tmp_path / "cut").rename(tmp_path / "moved")
    cut = zsl.fit(data, bank, **given, out=moved, resume=True)
    with pytest.raises(zsl.InputError, match="moved was started with other bank"):
        zsl.fit(data, build_bank(data.names, "random:16"), **given, out=moved, resume=True)
    assert all(torch.equal(value, cut.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_folder_is_held_while_it_is_trained_in(data, bank, tmp_path):
    given = {"backbone": BACKBONE, "readout": READOUT, "train": SMALL, "out": tmp_path / "run"}
    busy = r"another command is using .*run; wait until it has ended, or choose another folder"
    tried = []

    def others(task, done, total, note=""):
        """Another script, and a command, try the same folder."""
        if task == "train" and "epoch 1/2" in note:
            for resume in (False, True):
                with pytest.raises(zsl.InputError, match=busy):
                    zsl.fit(data, bank, **given, resume=resume)
            refused(command("train", "demo", "--out", tmp_path / "run", "--resume"), "another command is using")
            tried.append(note)

    zsl.fit(data, bank, **given, progress=others)
    assert len(tried) == 1
    with claimed(tmp_path / "run"):
        zsl.fit(data, bank, **given, resume=True)  # a finished run is only read
    with claimed(tmp_path / "run"), pytest.raises(zsl.InputError, match="run exists; give zsl.fit another out"):
        zsl.fit(data, bank, **given)


def test_of_two_that_begin_at_once_the_second_is_refused(data, bank, tmp_path, monkeypatch):
    given = {"backbone": BACKBONE, "readout": READOUT, "train": SMALL, "out": tmp_path / "run"}
    checked = zsl.library.check_readout

    def overtaken(*arguments):
        """Another script trains in the folder while this one prepares."""
        monkeypatch.undo()
        zsl.fit(data, bank, **given)
        return checked(*arguments)

    monkeypatch.setattr(zsl.library, "check_readout", overtaken)
    with pytest.raises(zsl.InputError, match="run was made by another command meanwhile"):
        zsl.fit(data, bank, **given)
    assert read_finished(tmp_path / "run").best_epoch > 0


def test_arguments_that_do_not_fit_together_give_a_one_line_error(data, bank):
    with pytest.raises(zsl.InputError, match="holds images; give a backbone"):
        zsl.fit(data, bank)
    with pytest.raises(zsl.InputError, match="no vector in the bank for .*'blue dot'.*; build it from data.names"):
        zsl.fit(data, build_bank(data.names[:-1], "lexical:16"), backbone=BACKBONE)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5))
    with pytest.raises(zsl.InputError, match=r"Sequential' gives a tensor of shape .*; return tokens \(batch, token"):
        zsl.fit(data, bank, backbone=zsl.OwnBackbone(flat), readout=READOUT, train=SMALL)
    facts = Facts("other", "other", "0", ("another",), 6, 16, "asymmetric")
    model = zsl.TrainedModel(None, MeanReadout(6, 16), False, facts, bank)
    with pytest.raises(zsl.InputError, match="are not those that the model was trained on; zsl.score takes any"):
        zsl.evaluate(model, data, bank)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"readout": zsl.GapConfig}, "zsl.fit: readout is the class GapConfig; give an instance of a config"),
        ({"readout": "gap"}, "readout is of type str; give an instance"),
        ({"backbone": "resnet10t"}, "backbone is of type str; give zsl.BackboneConfig"),
        ({"train": {"epochs": 1}}, "train is of type dict; give zsl.TrainConfig"),
        ({"augment": {"flip": True}}, "augment is of type dict; give zsl.AugmentConfig"),
        ({"bank": "lexical"}, "bank is of type str; give what embeddings.build_bank returns"),
        ({"data": None}, "data is of type NoneType; give what zsl.load_data returns"),
        ({"out": 5}, "out is of type int; give a folder's path"),
        ({"resume": True}, "give out"),
    ],
)
def test_an_argument_of_another_kind_is_one_line(data, bank, changed, told):
    arguments = {"data": data, "bank": bank, "backbone": BACKBONE, "readout": READOUT, "train": SMALL}
    with pytest.raises(zsl.InputError, match=told):
        inspect.unwrap(zsl.fit)(**(arguments | changed))  # without the tests' own check of types


def test_arguments_of_evaluate_that_changed_places_are_one_line(data, bank):
    model = zsl.ZeroShotModel(None, MeanReadout(6, 16))
    with pytest.raises(zsl.InputError, match="zsl.evaluate: data is of type Bank; give what zsl.load_data returns"):
        inspect.unwrap(zsl.evaluate)(model, bank, data)
    facts = Facts("other", "other", "0", data.seen, 6, 5, "asymmetric")
    model = zsl.TrainedModel(None, MeanReadout(6, 16), False, facts, bank)
    with pytest.raises(zsl.InputError, match="vectors of size 16, but the model was trained with size 5"):
        zsl.evaluate(model, data, bank)


def test_a_readout_of_ones_own_is_tried_before_training(data, bank):
    for readout, told in (
        (MeanReadout(6, 16), r"MeanReadout with tokens \(2, 3, 512\) and vectors \(\d+, 16\): .*512 channels"),
        (MeanReadout(512, 4), r"vectors are \(label, embed\)"),
        (Unpooled(512, 16), r"Unpooled .* returns \(2, 3, \d+\); return logits \(batch, label\)"),
    ):
        with pytest.raises(zsl.InputError, match=told):
            zsl.fit(data, bank, backbone=BACKBONE, readout=readout, train=SMALL)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: zsl.TrainConfig(epochs=0), "TrainConfig: epochs: Input should be greater than or equal to 1 .got 0"),
        (lambda: zsl.TrainConfig(epoch=1), "unknown key 'epoch'; did you mean 'epochs'"),
    ],
)
def test_a_config_of_wrong_values_is_one_line(make, told):
    with pytest.raises(zsl.InputError, match=told) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_two_processes_train_and_measure_as_one_does(photos, tmp_path):
    ranks(2, "-m", "tests.zsl.two_processes", photos, tmp_path / "two")
    found = json.loads((tmp_path / "two/measured.json").read_text())
    assert found["processes"] == 2
    expected = trained_and_measured(photos, tmp_path / "one")
    assert found["metrics"] == pytest.approx(expected, rel=0, abs=1e-3)  # weights differ in the last digits


def test_a_pair_is_measured_by_itself(data, bank, pair_folder, tmp_path):
    pair, row, out = zsl.OpenClipConfig(name=f"local-dir:{pair_folder('vit')}"), zsl.PairConfig(), tmp_path / "out"
    words = build_bank(data.names, f"open_clip:local-dir:{pair_folder('vit')}")
    model = zsl.fit(data, words, backbone=pair, readout=row, train=SMALL)
    assert 0 < zsl.evaluate(model, data, words).metrics["zsl/map"] <= 1
    with pytest.raises(zsl.InputError, match="the word vectors are of lexical:16, in another space"):
        zsl.fit(data, bank, backbone=pair, readout=row, train=SMALL, out=out)
    with pytest.raises(zsl.InputError, match="backbone 'resnet10t' is no image-text pair"):
        zsl.fit(data, words, backbone=BACKBONE, readout=row, train=SMALL, out=out)
    own = nn.Conv2d(3, 5, 8, 8)  # the user answers for its space
    with pytest.raises(zsl.InputError, match="needs tokens and word vectors of one size, not 5 and 16"):
        zsl.fit(data, bank, backbone=own, readout=row, train=SMALL, out=out)
    assert not out.exists()
