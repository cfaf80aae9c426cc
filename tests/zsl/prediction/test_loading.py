"""A model is a folder that moves: runs, exported folders, and a model hub's own way."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import zsl
from embeddings import Bank, build_bank
from tests.zsl.prediction.conftest import DECODER, SMALL
from zsl.prediction.model_folder import _hash, write_model
from zsl.prediction.thresholds import Rule, Thresholds
from zsl.tensor_file import state_hash

WORDS = "green disc, a lake, red dot"


@pytest.fixture
def exported(run, tmp_path):
    """The run, exported."""
    folder = tmp_path / "exported"
    folder.mkdir()
    write_model(zsl.load(run[0]), folder)
    return folder


@pytest.fixture
def picture(photos):
    return photos / "0.jpg"


def test_a_run_an_exported_folder_and_a_hub_give_what_fit_returned(run, exported, picture, tmp_path, monkeypatch):
    folder, model = run
    expected = model.scores(picture, WORDS)
    moved = tmp_path / "another place"
    shutil.move(exported, moved)
    monkeypatch.chdir(tmp_path)
    model.save_pretrained(tmp_path / "hub")
    for loaded in (
        zsl.load(folder),
        zsl.load("another place"),
        zsl.TrainedModel.from_pretrained(moved),
        zsl.TrainedModel.from_pretrained(tmp_path / "hub"),
    ):
        np.testing.assert_array_equal(loaded.scores(picture, WORDS), expected)
        assert loaded.seen == model.seen
        assert not loaded.training
    assert {path.name for path in moved.iterdir()} == {
        "README.md",
        "backbone.safetensors",
        "bank.safetensors",
        "model.json",
        "readout.safetensors",
    }


def test_an_exported_folder_names_no_place_of_the_machine(run, exported, photos):
    for name in ("model.json", "README.md"):
        text = (exported / name).read_text()
        for place in (photos, run[0], exported):
            assert str(place) not in text


def test_a_folder_from_a_hub_is_fetched_by_huggingface_hub(exported, picture, run, monkeypatch):
    asked = []

    def fetch(name, revision=None):
        asked.append((name, revision))
        return str(exported)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    found = zsl.load("hf-hub:someone/birds@v2").scores(picture, WORDS)
    np.testing.assert_array_equal(found, run[1].scores(picture, WORDS))
    assert asked == [("someone/birds", "v2")]


def test_what_a_hub_cannot_give_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(zsl.InputError, match="hf-hub:someone/birds cannot be fetched"):
        zsl.load("hf-hub:someone/birds")
    with pytest.raises(zsl.InputError, match="hf-hub:a b c cannot be fetched"):
        zsl.load("hf-hub:a b c")


def test_thresholds_travel(run, tmp_path, picture):
    thresholds = Thresholds(Rule(2.0, -1.0, 0.4), Rule(1.5, -2.0, 0.3), {"red square": 0.2}, "alone")
    model = run[1]
    trained = zsl.TrainedModel(model.backbone, model.readout, False, model.facts, model.bank, thresholds).eval()
    trained.save_pretrained(tmp_path / "out")
    loaded = zsl.load(tmp_path / "out")
    assert loaded.thresholds == thresholds
    np.testing.assert_array_equal(loaded.scores(picture, WORDS), model.scores(picture, WORDS, company="alone"))
    (tmp_path / "out" / "thresholds.json").unlink()  # without them, scores would silently be others
    with pytest.raises(zsl.InputError, match=r"thresholds.json is not as the model was exported; restore it"):
        zsl.load(tmp_path / "out")


@pytest.mark.parametrize(
    ("keys", "value", "told"),
    [
        (("channels",), -1, "model.json is damaged .facts.channels: Input should be greater than 0"),
        (("loss",), "none", "model.json is damaged .facts.loss: Input should be 'asymmetric'"),
        (("square", "size"), 0, "model.json is damaged .facts.square.size: Input should be greater than 0"),
        (("square", "crop"), 1e999, "model.json is damaged .facts.square.crop: Input should be less than"),
        (
            ("backbone", "mode"),
            "none",
            "the backbone of .*exported is damaged .backbone.timm.mode: Input should be 'frozen'",
        ),
        (("decoder", "width"), -1, "the readout of .*exported is damaged .decoder.ml-decoder.width: Input"),
    ],
)
def test_values_that_cannot_be_are_one_line(exported, keys, value, told):
    path = exported / "model.json"
    record = json.loads(path.read_text())
    place = record["facts"]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    record["sha256"] = _hash(record)
    path.write_text(json.dumps(record))
    with pytest.raises(zsl.InputError, match=told):
        zsl.load(exported)


@pytest.mark.parametrize("content", ["[]", '{"metrics": {"gzsl/map": NaN}}'])
def test_damaged_figures_of_a_run_are_one_line(run, tmp_path, content):
    shutil.copytree(run[0], tmp_path / "copy")
    (tmp_path / "copy" / "metrics.json").write_text(content)
    with pytest.raises(zsl.InputError, match=r"metrics.json is damaged .*run zsl evaluate again"):
        zsl.load(tmp_path / "copy")


@pytest.mark.parametrize("name", ["readout.safetensors", "backbone.safetensors", "bank.safetensors", "model.json"])
def test_a_file_that_is_lost_damaged_or_exchanged_is_one_line(exported, name):
    path = exported / name
    content = path.read_bytes()
    changed = bytearray(content)
    changed[-20] ^= 1
    path.write_bytes(bytes(changed))
    if name != "model.json":
        with pytest.raises(zsl.InputError, match=name):
            zsl.load(exported)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(zsl.InputError, match=name):
        zsl.load(exported)
    path.unlink()
    with pytest.raises(zsl.InputError, match=name if name != "model.json" else "run.json"):
        zsl.load(exported)


def test_weights_of_another_run_are_refused(exported):
    model = zsl.load(exported)
    with torch.no_grad():
        next(model.readout.parameters()).add_(1)
    other = exported / "other"
    other.mkdir()
    write_model(model, other)
    shutil.copy(other / "readout.safetensors", exported / "readout.safetensors")
    with pytest.raises(zsl.InputError, match=r"readout.safetensors is not the file"):
        zsl.load(exported)
    bank = model.bank
    Bank(bank.labels, bank.vectors + 1, bank.provenance, bank.notes, bank.num_seen, bank.transforms).save(
        other / "bank.safetensors"
    )
    with pytest.raises(zsl.InputError, match=r"bank.safetensors is not the bank"):
        zsl.load(other)


def test_a_public_backbone_is_kept_by_name_and_hash(exported, run, tmp_path, picture, monkeypatch):
    model = zsl.load(exported)
    with pytest.raises(zsl.InputError, match="not those of timm"):
        write_model(model, exported, "public")
    model.facts.backbone["pretrained"] = True
    folder = tmp_path / "public"
    folder.mkdir()
    write_model(model, folder, "public")
    assert not (folder / "backbone.safetensors").exists()
    state = model.backbone.model.state_dict()

    def fetched(name, pretrained, **arguments):
        made = create(name, pretrained=False, **arguments)
        if pretrained:
            made.load_state_dict(state, strict=False)
        return made

    import timm

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", fetched)
    monkeypatch.setattr("zsl.backbones.backbone.check_weights", lambda name: None)
    np.testing.assert_array_equal(zsl.load(folder).scores(picture, WORDS), run[1].scores(picture, WORDS))
    state = {name: value * 2 for name, value in state.items()}
    with pytest.raises(zsl.InputError, match="are not those that .*public was exported with"):
        zsl.load(folder)


def _stored(backbone, added):
    return {name: value.contiguous() + added for name, value in backbone.model.state_dict().items()}


def test_a_backbone_that_is_not_kept_is_found_again_by_its_file(data, bank, picture, tmp_path):
    weights = tmp_path / "weights.safetensors"
    torch.manual_seed(0)
    own = zsl.Backbone(zsl.BackboneConfig(name="resnet10t"))
    save_file(_stored(own, 0), weights)
    config = zsl.BackboneConfig(name="resnet10t", weights=weights, keep=False)
    model = zsl.fit(data, bank, backbone=config, readout=DECODER, train=SMALL, out=tmp_path / "run")
    assert not (tmp_path / "run" / "backbone.safetensors").exists()
    expected = model.scores(picture, WORDS)
    np.testing.assert_array_equal(zsl.load(tmp_path / "run").scores(picture, WORDS), expected)
    save_file(_stored(own, 1), weights)
    with pytest.raises(zsl.InputError, match="are not those of .*run; restore them"):
        zsl.load(tmp_path / "run")
    weights.unlink()
    with pytest.raises(zsl.InputError, match=r"no backbone.safetensors, and .*weights.safetensors does not exist"):
        zsl.load(tmp_path / "run")


class Patches(nn.Module):
    """A backbone of one's own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 8, 8)

    def forward(self, pixels):
        return self.conv(pixels)


def test_modules_of_ones_own_are_given_again(data, bank, picture, tmp_path):
    module = Patches()
    model = zsl.fit(data, bank, backbone=module, readout=DECODER, train=SMALL, out=tmp_path / "run")
    expected = model.scores(picture, WORDS)
    with pytest.raises(zsl.InputError, match=r"a backbone of your own .*zsl.load\(.*, backbone=MODULE\)"):
        zsl.load(tmp_path / "run")
    loaded = zsl.load(tmp_path / "run", backbone=Patches())
    np.testing.assert_array_equal(loaded.scores(picture, WORDS), expected)
    loaded.save_pretrained(tmp_path / "out")
    again = zsl.load(tmp_path / "out", backbone=Patches())
    np.testing.assert_array_equal(again.scores(picture, WORDS), expected)
    assert state_hash(again.backbone) == state_hash(model.backbone)


def test_a_model_of_tokens_scores_tokens_and_reads_no_picture(data, bank, picture, run, tmp_path):
    backbone = run[1].backbone
    train, test = (zsl.extract_tokens(backbone, part, zsl.Context.of("fp32")) for part in (data.train, data.test))
    tokens = zsl.MultiLabelData("own", data.seen, data.unseen, train, test, kind="tokens", fingerprint="0")
    zsl.fit(tokens, bank, readout=DECODER, train=SMALL, out=tmp_path / "run")
    model = zsl.load(tmp_path / "run")
    given = test.inputs.read([0, 1])
    assert model.scores(given, WORDS).shape == (2, 3)
    with pytest.raises(zsl.InputError, match="was trained on tokens and has no backbone"):
        model.predict(picture, WORDS)
    whole = zsl.load(tmp_path / "run", backbone=backbone)
    assert whole.facts.square is None
    with pytest.raises(zsl.InputError, match="tokens have 3 channels"):
        model.scores(given[:, :, :3], WORDS)


def test_a_model_trained_with_softmax_compares_pictures(data, bank, picture, photos, tmp_path):
    train = SMALL.model_copy(update={"loss": "softmax"})
    model = zsl.fit(data, bank, backbone=zsl.BackboneConfig(name="resnet10t"), readout=DECODER, train=train)
    names = (*model.seen, "a lake")
    found = model.scores(picture, names)
    assert np.exp(found[0, : len(model.seen)]).sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(model.scores(picture, ["a lake"]), found[:, -1:], atol=1e-6)
    best = model.predict(picture, names, top=1)[0].found[0]
    assert best.score == pytest.approx(np.exp(found.max()), abs=1e-6)


def test_a_changed_name_is_noticed(exported):
    path = exported / "model.json"
    path.write_text(path.read_text().replace("red square", "red squire"))
    with pytest.raises(zsl.InputError, match=r"model.json was changed after the model was exported"):
        zsl.load(exported)


def test_no_model_is_one_line(tmp_path, exported):
    with pytest.raises(zsl.InputError, match="there is no folder"):
        zsl.load(tmp_path / "none")
    with pytest.raises(zsl.InputError, match="is not a finished run"):
        zsl.load(tmp_path)
    record = json.loads((exported / "model.json").read_text())
    record["format"] = "zsl-model/9"
    (exported / "model.json").write_text(json.dumps(record))
    with pytest.raises(zsl.InputError, match=r"model.json"):
        zsl.load(exported)


def test_an_encoder_that_moved_is_said_where(data, picture, tmp_path):
    vectors = tmp_path / "vectors.txt"
    names = (*data.names, "a lake")
    lines = [f"{n.replace(' ', '_')} {' '.join(map(str, np.random.default_rng(i).standard_normal(4)))}"
             for i, n in enumerate(names)]  # fmt: skip
    vectors.write_text(f"{len(names)} 4\n" + "\n".join(lines) + "\n")
    bank = build_bank(data.names, f"gensim:{vectors}")
    backbone = zsl.BackboneConfig(name="resnet10t")
    model = zsl.fit(data, bank, backbone=backbone, readout=DECODER, train=SMALL, out=tmp_path / "run")
    expected = model.scores(picture, "a lake")
    moved = tmp_path / "moved.txt"
    vectors.rename(moved)
    with pytest.raises(
        zsl.InputError, match=r"vectors.txt, is not on this machine; say where it is: zsl predict --enc"
    ):
        zsl.load(tmp_path / "run").scores(picture, "a lake")
    found = zsl.load(tmp_path / "run", encoder=f"gensim:{moved}").scores(picture, "a lake")
    np.testing.assert_array_equal(found, expected)
    loaded = zsl.load(tmp_path / "run")  # a bank that was made with the moved file is taken as well
    there = build_bank([*data.names, "a lake"], f"gensim:{moved}")
    np.testing.assert_allclose(loaded.scores(picture, there)[:, -1:], expected, atol=1e-6)
    moved.write_text(moved.read_text().replace("1", "2", 400))
    with pytest.raises(zsl.InputError, match="but the bank was made with"):
        zsl.load(tmp_path / "run", encoder=f"gensim:{moved}").scores(picture, "a lake")
    with pytest.raises(zsl.InputError, match="the bank was made with encoder gensim:.*, not lexical:4"):
        zsl.load(tmp_path / "run", encoder="lexical:4").scores(picture, "a lake")
