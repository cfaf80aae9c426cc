"""Backbones of every output layout, and weights from local files."""

import pickle

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from embeddings import InputError
from zsl.acceleration import make_accelerator
from zsl.backbone import Backbone, BackboneConfig
from zsl.data import Part, Samples
from zsl.data.dataset import Tensors
from zsl.data.targets import Targets
from zsl.eszsl import EszslReadout
from zsl.model import ZeroShotModel
from zsl.scoring import extract_tokens
from zsl.solving import solve
from zsl.training import TrainConfig

IMAGES = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("name", "arguments", "level", "tokens"),
    [
        ("resnet10t", {}, None, 4),
        ("resnet10t", {}, 2, 64),
        ("mobilenet_edgetpu_100", {"pad_type": "same"}, None, 4),
        ("vit_tiny_patch16_224", {"img_size": 64}, None, 16),
        ("vit_tiny_patch16_224", {"img_size": 64}, 5, 16),
        ("swin_tiny_patch4_window7_224", {"img_size": 64}, None, 4),
        ("convnext_atto", {}, 1, 64),
        ("convnext_tiny", {}, None, 4),
        ("resnet50", {}, None, 4),
        ("tresnet_m", {}, None, 4),
        ("tresnet_l", {}, None, 4),
        ("tresnet_v2_l", {}, None, 4),
    ],
)
def test_any_timm_model_reads_tokens(name, arguments, level, tokens):
    backbone = Backbone(BackboneConfig(name=name, arguments=arguments, level=level)).eval()
    features = backbone(IMAGES)
    assert features.shape == (2, tokens, backbone.channels(64))
    reference = backbone.model
    if level is None and name == "resnet10t":
        expected = reference.forward_features(IMAGES / 255).flatten(2).transpose(1, 2)
        torch.testing.assert_close(features, expected)


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224", "tresnet_m"])
def test_gradient_checkpointing_changes_no_gradient(name):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        arguments = {"img_size": 64} if name.startswith("vit") else {}
        backbone = Backbone(BackboneConfig(name=name, arguments=arguments, checkpointing=checkpointing)).train()
        backbone(IMAGES).square().sum().backward()
        gradients.append([p.grad for p in backbone.parameters()])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_a_model_without_gradient_checkpointing_is_named():
    with pytest.raises(InputError, match="'dla34' cannot checkpoint its gradients; set backbone.checkpointing=false"):
        Backbone(BackboneConfig(name="dla34", checkpointing=True))


def test_swin_tokens_are_its_positions_in_order():
    backbone = Backbone(BackboneConfig(name="swin_tiny_patch4_window7_224", arguments={"img_size": 64})).eval()
    maps = backbone.model.forward_features(IMAGES / 255)
    torch.testing.assert_close(backbone(IMAGES)[:, 1], maps[:, 0, 1])


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_from_a_file(tmp_path, suffix):
    torch.manual_seed(1)
    state = timm.create_model("resnet10t").state_dict()
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    else:
        save_file(state, path)
    first, second = (Backbone(BackboneConfig(name="resnet10t", weights=path, level=1)).eval() for _ in range(2))
    torch.testing.assert_close(first(IMAGES), second(IMAGES))
    torch.testing.assert_close(first.model.conv1[0].weight, state["conv1.0.weight"])


def test_weights_from_a_folder_as_hubs_keep_them(tmp_path):
    torch.manual_seed(1)
    state = timm.create_model("resnet10t").state_dict()
    with pytest.raises(InputError, match=f"no weights file {tmp_path}"):
        Backbone(BackboneConfig(name="resnet10t", weights=tmp_path))
    save_file(state, tmp_path / "model.safetensors")
    backbone = Backbone(BackboneConfig(name="resnet10t", weights=tmp_path))
    torch.testing.assert_close(backbone.model.conv1[0].weight, state["conv1.0.weight"])


def test_files_that_are_not_these_weights_are_named(tmp_path):
    def load(path, **options):
        return Backbone(BackboneConfig(name="resnet10t", weights=path, **options))

    state = timm.create_model("resnet10t").state_dict()
    whole = tmp_path / "whole.safetensors"
    save_file(state, whole)
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:1000])
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps(print))
    save_file(timm.create_model("resnet14t").state_dict(), tmp_path / "other.safetensors")
    save_file({k: v for k, v in state.items() if k != "bn1.weight"}, tmp_path / "less.safetensors")
    for name, message in [
        ("none.pth", "no weights file"),
        ("cut.safetensors", "cannot be read as tensors"),
        ("pickle.pth", "cannot be read as tensors"),
        ("other.safetensors", "is it another model's"),
        ("less.safetensors", "lacks 'bn1.weight'"),
    ]:
        with pytest.raises(InputError, match=message):
            load(tmp_path / name)
    with pytest.raises(InputError, match="no module 'blocks"):
        load(whole, identity=("blocks.0",))
    with pytest.raises(InputError, match="no feature level 9"):
        load(whole, level=9)
    with pytest.raises(InputError, match="does not take images of 32 px.*img_size"):
        Backbone(BackboneConfig(name="vit_tiny_patch16_224")).channels(32)
    with pytest.raises(InputError, match="timm cannot make 'resnet10t'"):
        Backbone(BackboneConfig(name="resnet10t", arguments={"no_such": 1}))
    with pytest.raises(InputError, match="unknown backbone 'resnt10'"):
        Backbone(BackboneConfig(name="resnt10"))


def test_parameters_that_tokens_do_not_depend_on_are_not_trained():
    backbone = Backbone(BackboneConfig(name="convnext_atto")).train()
    backbone.leave_out_unused(64)
    left_out = [name for name, p in backbone.named_parameters() if not p.requires_grad]
    assert left_out
    assert all("head" in name for name in left_out)
    backbone(IMAGES).sum().backward()
    assert all(p.grad is not None for p in backbone.parameters() if p.requires_grad)
    assert backbone.training


def test_a_spoilt_backbone_is_told_of_with_the_image():
    backbone = Backbone(BackboneConfig(name="resnet10t"))
    with torch.no_grad():
        next(backbone.parameters()).fill_(torch.nan)
    part, accelerator = Part(Tensors(IMAGES), Targets.of(np.eye(2))), make_accelerator("fp32")
    told = "tokens of image 0 are not finite: the weights are spoilt, or train.precision"
    with pytest.raises(InputError, match=told):
        extract_tokens(backbone, part, accelerator, 2)
    model, samples = ZeroShotModel(backbone, EszslReadout(512, 3)), Samples(part)
    with pytest.raises(InputError, match=told):
        solve(TrainConfig(), model, samples, samples, torch.ones(2, 3), accelerator)
