"""`zsl export` to ONNX and torch.export, and `zsl import-official`, as a user meets them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import zsl as library
from embeddings import build_bank
from tests.experiments.command import refused, zsl
from tests.zsl.backbones.test_official_tresnet import official_state
from zsl.data.dataset import Part, Tensors
from zsl.data.targets import Targets

NAMES = ("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a solved run on tokens, which takes no time."""
    bank = build_bank(NAMES, "lexical:16")
    shown = np.arange(70) % 7
    tokens, seen = torch.from_numpy(bank.vectors[shown])[:, None], shown < 5
    part = Part(Tensors(tokens[seen]), Targets.of(np.eye(7, dtype=bool)[shown[seen], :5]))
    whole = Part(Tensors(tokens), Targets.of(np.eye(7, dtype=bool)[shown]))
    data = library.MultiLabelData("toy", NAMES[:5], NAMES[5:], part, whole, kind="tokens", fingerprint="toy")
    folder = tmp_path_factory.mktemp("export") / "run"
    library.fit(data, bank, readout=library.EszslConfig(image_ridge=0.01, label_ridge=0.01), out=folder)
    return folder


def test_both_files_of_fixed_words_are_made_and_compared(run, tmp_path):
    onnx, pt2 = tmp_path / "model.onnx", tmp_path / "model.pt2"
    done = zsl("export", run, "--onnx", onnx, "--torch", pt2, "--labels", "truck, car")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("its logits differ from those of zsl predict by at most") == 2
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(onnx)
    assert json.loads(session.get_modelmeta().custom_metadata_map["labels"]) == ["truck", "car"]
    tokens = torch.randn(4, 2, 16)
    expected = library.load(run).scores(tokens, "truck, car")
    np.testing.assert_allclose(session.run(None, {"tokens": tokens.numpy()})[0], expected, rtol=0, atol=1e-4)
    files = {"metadata.json": ""}
    program = torch.export.load(pt2, extra_files=files)
    np.testing.assert_allclose(program.module()(tokens), expected, rtol=0, atol=1e-5)
    assert json.loads(json.loads(files["metadata.json"])["labels"]) == ["truck", "car"]
    refused(zsl("export", run, "--onnx", onnx), f"output file {onnx} exists")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give --out FOLDER, --onnx FILE or --torch FILE"),
        (("--out", "model", "--labels", "car"), "--labels and --company are for --onnx and --torch"),
        (("--torch", "{}/model.pt2", "--company", "alone"), "it scores each label by itself"),
        (("--torch", "{}/nowhere/model.pt2"), "cannot be made: its folder is missing"),
    ],
)
def test_wrong_options_are_one_clear_line(run, tmp_path, options, message):
    refused(zsl("export", run, *(option.format(tmp_path) for option in options)), message)
    assert not any(tmp_path.iterdir())


def test_an_official_checkpoint_becomes_a_folder_that_predicts(tmp_path):
    file, folder, names = tmp_path / "coco.pth", tmp_path / "coco", tmp_path / "names.txt"
    torch.save({"model": official_state("basic")}, file)
    Image.fromarray(np.zeros((40, 30, 3), dtype=np.uint8)).save(tmp_path / "a.jpg")
    refused(zsl("import-official", file, "--out", folder), "does not name its labels; give --labels FILE")
    assert not folder.exists()
    names.write_text("\n".join(NAMES))
    done = zsl("import-official", file, "--out", folder, "--labels", names, "--image-size", 64)
    assert done.exit_code == 0, done.stderr
    assert "tresnet_m, group head, 7 labels, 64 px" in done.stdout
    found = json.loads(zsl("predict", folder, tmp_path / "a.jpg", "--json", "--top", 7).stdout)
    assert {word["label"] for word in found["found"]} == set(NAMES)
