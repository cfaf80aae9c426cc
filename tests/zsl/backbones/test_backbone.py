"""Backbones of every output layout, and weights from local files."""

import math
import pickle
import zipfile

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from embeddings.io.errors import InputError
from zsl.backbones import pretrained
from zsl.backbones.backbone import Backbone
from zsl.backbones.config import BackboneConfig
from zsl.context import Context
from zsl.data.dataset import Part, Tensors
from zsl.data.loading import Samples, SeenSamples
from zsl.data.targets import Targets
from zsl.model import ZeroShotModel
from zsl.readouts.eszsl import EszslReadout
from zsl.scoring import extract_tokens
from zsl.training.solving import solve

PLAIN = {"mean": (0, 0, 0), "std": (1, 1, 1)}
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
        ("lambda_resnet26t", {}, None, 4),  # has a 3D convolution
        ("tresnet_m", {}, None, 4),
        ("tresnet_l", {}, None, 4),
        ("tresnet_v2_l", {}, None, 4),
    ],
)
def test_any_timm_model_reads_tokens(name, arguments, level, tokens):
    backbone = Backbone(BackboneConfig(name=name, arguments=arguments, level=level, **PLAIN)).eval()
    features = backbone(IMAGES)
    assert features.shape == (2, tokens, backbone.channels(64))
    rows, columns = backbone.grid(64)
    assert rows * columns == tokens
    reference = backbone.model
    if level is None and name == "resnet10t":
        expected = reference.forward_features(IMAGES / 255).flatten(2).transpose(1, 2)
        torch.testing.assert_close(features, expected)


@pytest.mark.parametrize(
    ("name", "arguments", "level", "grid"),
    [
        ("resnet10t", {}, 2, (8, 4)),
        ("resnet10t", {}, None, (2, 1)),
        ("swin_tiny_patch4_window7_224", {"img_size": (64, 32)}, None, (2, 1)),
        ("vit_tiny_patch16_224", {"img_size": (64, 32), "depth": 1}, None, (4, 2)),
    ],
)
def test_the_grid_of_tokens_has_rows_and_columns(name, arguments, level, grid):
    backbone = Backbone(BackboneConfig(name=name, arguments=arguments, level=level, **PLAIN)).eval()
    images = IMAGES[..., :32].clone()
    assert backbone.grid_of(images) == grid
    # a token is of the place that its grid says: a change in the last columns of the first rows changes it most
    images[:, :, : 64 // grid[0], -(32 // grid[1]) :] = 255
    change = (backbone(images) - backbone(IMAGES[..., :32])).norm(dim=2).mean(0).unflatten(0, grid)
    assert int(change.argmax()) == grid[1] - 1


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
    backbone = Backbone(BackboneConfig(name="swin_tiny_patch4_window7_224", arguments={"img_size": 64}, **PLAIN)).eval()
    maps = backbone.model.forward_features(IMAGES / 255)
    torch.testing.assert_close(backbone(IMAGES)[:, 1], maps[:, 0, 1])


@pytest.mark.parametrize(
    ("name", "arguments", "before"),
    [
        ("coat_lite_tiny", {"img_size": 64}, 1),  # timm does not say that it has a class token
        ("deit_tiny_distilled_patch16_224", {"img_size": 64, "depth": 1}, 2),
        ("vit_small_patch16_dinov3", {"img_size": 64, "depth": 1}, 5),
    ],
)
def test_tokens_before_those_of_the_image_are_left_out(name, arguments, before):
    backbone = Backbone(BackboneConfig(name=name, arguments=arguments, **PLAIN)).eval()
    every = backbone.model.forward_features(IMAGES / 255)
    torch.testing.assert_close(backbone(IMAGES), every[:, before:])
    assert backbone.shape(64) == (every.shape[1] - before, every.shape[2])


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("pit_ti_224", 224, "'pit_ti_224' gives 0 image tokens for its grid of 7 x 7; set backbone.level, or choose"),
        ("crossvit_tiny_240", 240, "'crossvit_tiny_240' gives a list of features instead of one map; set backbone.lev"),
    ],
)
def test_a_model_without_one_token_per_place_is_refused_except_its_levels(name, size, message):
    with pytest.raises(InputError, match=message):
        Backbone(BackboneConfig(name=name)).shape(size)
    tokens, _ = Backbone(BackboneConfig(name=name, level=0)).shape(size)
    assert tokens == math.isqrt(tokens) ** 2 > 1


def test_arguments_that_have_a_config_key_are_refused():
    for name, key in (("features_only", "backbone.level"), ("checkpoint_path", "backbone.weights"), ("in_chans", "")):
        with pytest.raises(InputError, match=f"backbone.arguments takes no {name}; use {key}"):
            BackboneConfig(name="resnet10t", arguments={name: 1})


def test_pixels_are_shifted_and_scaled_as_timm_says_unless_given():
    own = Backbone(BackboneConfig(name="resnet10t"))
    np.testing.assert_allclose(own.mean.flatten() / 255, [0.485, 0.456, 0.406], rtol=1e-6)
    np.testing.assert_allclose(own.std.flatten() / 255, [0.229, 0.224, 0.225], rtol=1e-6)
    given = Backbone(BackboneConfig(name="resnet10t", std=(0.5, 0.25, 1)))
    np.testing.assert_allclose(given.mean, own.mean)
    np.testing.assert_allclose(given.std.flatten() / 255, [0.5, 0.25, 1])


class Unreachable:
    """A client of the hub on a machine without network."""

    def head(self, address, timeout):
        raise OSError(f"no way to {address} within {timeout} s")


def test_weights_that_cannot_be_fetched_give_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(pretrained, "_cached", lambda known: False)
    monkeypatch.setattr(pretrained, "get_session", Unreachable)
    for name, message in [
        ("tf_efficientnet_lite0", "no way to .*within 5 s.* hf download timm/tf_efficientnet_lite0.in1k .*weights="),
        ("gcvit_xxtiny", r"fetch https://github.com/\S+pth; then set backbone.weights=FILE"),
        ("mobilenet_edgetpu_100", "no pretrained weights of .*; timm has: mobilenet_edgetpu_v2_m.ra4_e3600_r224"),
        ("resnet10t.c4_in1k", "timm has no tag 'c4_in1k' of backbone 'resnet10t'; timm has: resnet10t.c3_in1k"),
        ("convnext_tiny_in22ft1k", "is now 'convnext_tiny.fb_in22k_ft_in1k'; set backbone.name=convnext_tiny.fb_in22k"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            Backbone(BackboneConfig(name=name, pretrained=True))
        assert "\n" not in str(caught.value)


def test_weights_of_a_file_come_before_the_hubs(tmp_path):
    save_file(timm.create_model("resnet10t").state_dict(), tmp_path / "model.safetensors")
    Backbone(BackboneConfig(name="resnet10t.c3_in1k", pretrained=True, weights=tmp_path))


def test_a_file_without_any_of_several_classifiers_fits(tmp_path):
    name, arguments = "deit_tiny_distilled_patch16_224", {"img_size": 64, "depth": 1}
    state = timm.create_model(name, **arguments).state_dict()
    save_file({k: v for k, v in state.items() if not k.startswith("head")}, tmp_path / "model.safetensors")
    Backbone(BackboneConfig(name=name, arguments=arguments, weights=tmp_path))


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
    with zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("weights/data/0", bytes(100_000))
    save_file(timm.create_model("resnet14t").state_dict(), tmp_path / "other.safetensors")
    save_file({k: v for k, v in state.items() if k != "bn1.weight"}, tmp_path / "less.safetensors")
    for name, message in [
        ("none.pth", "no weights file"),
        ("cut.safetensors", "cannot be read as tensors"),
        ("pickle.pth", "cannot be read as tensors"),
        ("packed.pth", "its members are compressed and unpack to 100,000 bytes"),
        ("other.safetensors", "is it a file of another model"),
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


def test_tokens_that_are_not_finite_name_the_image():
    backbone = Backbone(BackboneConfig(name="resnet10t"))
    with torch.no_grad():
        next(backbone.parameters()).fill_(torch.nan)
    part, context = Part(Tensors(IMAGES), Targets.of(np.eye(2))), Context.of("fp32", batch_size=2)
    told = "tokens of image 0 are not finite: the weights are spoilt, or train.precision"
    with pytest.raises(InputError, match=told):
        extract_tokens(backbone, part, context)
    model, samples = ZeroShotModel(backbone, EszslReadout(512, 3)), Samples(part)
    with pytest.raises(InputError, match=told):
        solve(model, SeenSamples(samples, samples, torch.ones(2, 3)), context)
