"""What is known of a pair, and its weights: faults are one line, nothing is unpickled, nothing waits for a network."""

import json
import sys

import huggingface_hub
import open_clip
import pytest
import torch

from embeddings.encoders.open_clip_models import Pair, file_in
from embeddings.io.errors import InputError


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (Pair("ViT-B-61"), "open_clip has no model 'ViT-B-61'; the nearest is 'ViT-B-16'"),
        (Pair("ViT-B-16", "laion3b"), "no weights 'laion3b' of ViT-B-16; it has: .*laion2b_s34b_b88k"),
        (Pair("ViT-B-32", "openai"), "another GELU; the name is 'ViT-B-32-quickgelu'"),
        (Pair("ViT-B-16"), "ViT-B-16 has no weights; give pretrained = TAG or weights = FILE"),
        (Pair("local-dir:/nowhere"), "no a config of open_clip|/nowhere/open_clip_config.json"),
        (Pair("local-dir:/nowhere", "openai"), "has weights of its own; remove pretrained = 'openai'"),
    ],
)
def test_faults_are_named(pair, message):
    with pytest.raises(InputError, match=message):
        _ = pair.known, pair.load()


def test_the_tag_says_how_pictures_are_read():
    known = Pair("ViT-B-16-SigLIP", "webli").known.preprocess
    assert (tuple(known["mean"]), known["resize_mode"]) == ((0.5, 0.5, 0.5), "squash")
    assert Pair("ViT-B-16", "laion2b_s34b_b88k").known.preprocess["resize_mode"] == "shortest"
    assert Pair("ViT-B-16").image_size == 224


@pytest.mark.parametrize(
    ("pair", "remedy"),
    [
        (Pair("ViT-B-16", "laion2b_s34b_b88k"), "hf download laion/CLIP-ViT-B-16-laion2B-s34B-b88K --local-dir"),
        (Pair("hf-hub:owner/model"), "hf download owner/model --local-dir FOLDER, and give weights = FOLDER"),
    ],
)
def test_without_a_network_one_line_says_what_to_fetch(pair, remedy, monkeypatch):
    def unreachable():
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "get_session", unreachable)
    with pytest.raises(InputError, match=rf"cannot be fetched \(no network\).*{remedy}"):
        pair.load()


def test_without_the_extra_one_line_names_it(monkeypatch, pair_folder):
    name = f"local-dir:{pair_folder('vit')}"
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(InputError, match=r"need open_clip: pip install 'zero-shot-toolkit\[clip\]'"):
        _ = Pair(name).known


def test_the_file_of_weights_in_a_folder(pair_folder, tmp_path):
    model = Pair(f"local-dir:{pair_folder('vit')}").load()
    folder = tmp_path / "model"
    folder.mkdir()
    config = (pair_folder("vit") / "open_clip_config.json").read_text()
    (folder / "open_clip_config.json").write_text(config)
    torch.save(model.state_dict(), folder / "epoch_9.pt")
    other = Pair(f"local-dir:{folder}").load()
    assert all(torch.equal(other.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    (folder / "epoch_8.pt").write_bytes(b"")
    with pytest.raises(InputError, match="has 2 files that may be weights; give the file"):
        file_in(folder)
    with pytest.raises(InputError, match="no weights file"):
        file_in(folder / "epoch_7.pt")


def test_nothing_is_unpickled(pair_folder, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (exec, ("raise SystemExit('it ran')",))

    path = tmp_path / "weights.pt"
    torch.save({"visual.proj": Harmful()}, path)
    name = f"local-dir:{pair_folder('vit')}"
    with pytest.raises(InputError, match="cannot be read as weights of"):
        Pair(name, weights=path).load()
    with pytest.raises(InputError, match=r"cannot be read as weights of .*size mismatch|Missing key"):
        Pair(name, weights=file_in(pair_folder("resnet"))).load()


def test_a_config_cannot_ask_for_code_to_be_run(pair_folder, monkeypatch):
    given = {}
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda name, **options: given.update(options))
    Pair(f"local-dir:{pair_folder('siglip')}").tokenizer()
    assert given == {"trust_remote_code": False}  # it replaces what the config says


def test_a_config_that_is_none_is_named(tmp_path):
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"vision_cfg": {}}}))
    with pytest.raises(InputError, match="is no config of open_clip: it has no model_cfg with a vision_cfg and a text"):
        _ = Pair(f"local-dir:{tmp_path}").known
    values = {"model_cfg": {"embed_dim": 3, "vision_cfg": {"depth": 2}, "text_cfg": {}}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(values))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="open_clip cannot make local-dir:.*depth"):
        Pair(f"local-dir:{tmp_path}").load()
