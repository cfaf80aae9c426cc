"""Image towers of pairs: open_clip's own vectors and transform; each design's patches by their definition."""

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from embeddings.encoders.open_clip_models import Pair
from embeddings.io.errors import InputError
from tests.pairs import MODELS, small_pair
from zsl.backbones.config import OpenClipConfig
from zsl.backbones.open_clip_pair import reading_of_pair
from zsl.data.squares import Square

GRIDS = {"vit": 4, "vit-average": 4, "resnet": 2, "timm": 2, "siglip": 10, "coca": 4}


def _config(folder, **keys):
    return OpenClipConfig(name=f"local-dir:{folder}", **keys)


def _pictures(side, count=2):
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)


def _pixels(images, reading):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (reading.mean, reading.std))
    return (images / 255 - mean) / std


def _patches(visual, pixels, design):
    """Each patch's vector, place by place, from what reaches the tower's last parts."""
    seen = {}
    last = {"resnet": "layer4", "timm": "trunk.layer4", "siglip": "trunk.norm"}.get(design, "transformer")
    hook = visual.get_submodule(last).register_forward_hook(lambda _, __, out: seen.update(out=out))
    visual(pixels)
    hook.remove()
    out = seen["out"]
    if design == "resnet":
        pool = visual.attnpool
        places = out.flatten(2).unbind(2)  # row by row
        found = [pool.c_proj(pool.v_proj(p + pool.positional_embedding[1 + n])) for n, p in enumerate(places)]
    elif design == "timm":
        found = [visual.head.proj(place) for place in out.flatten(2).unbind(2)]
    elif design == "siglip":
        pool = visual.trunk.attn_pool
        values = [pool.proj(pool.kv(place).chunk(2, -1)[1]) for place in out[:, 1:].unbind(1)]
        found = [value + pool.mlp(pool.norm(value)) for value in values]
    elif design == "coca":
        pooled = [visual.attn_pool(place[:, None])[:, 0] for place in out[:, 1:].unbind(1)]
        found = [visual.ln_post(value) @ visual.proj for value in pooled]
    else:
        norm = visual.ln_post
        found = [F.layer_norm(p, p.shape[1:], norm.weight, norm.bias) @ visual.proj for p in out[:, 1:].unbind(1)]
    return torch.stack(found, 1)


@pytest.mark.parametrize("design", MODELS)
@torch.no_grad()
def test_the_first_token_is_open_clips_and_patches_are_as_defined(design, pair_folder):
    config = _config(pair_folder(design))
    backbone, reading = config.make().eval(), config.reading()
    model = open_clip.create_model(config.name).eval()
    images = _pictures(reading.image_size)
    pixels = _pixels(images, reading)
    tokens, grid = backbone(images), (GRIDS[design], GRIDS[design])
    assert (backbone.leading, backbone.grid(reading.image_size)) == (1, grid)
    assert backbone.shape(reading.image_size) == (1 + GRIDS[design] ** 2, MODELS[design]["embed_dim"])
    torch.testing.assert_close(tokens[:, 0], model.encode_image(pixels, normalize=False), rtol=0, atol=1e-5)
    torch.testing.assert_close(tokens[:, 1:], _patches(model.visual, pixels, design), rtol=0, atol=1e-5)
    if design == "timm":  # a mean of linear maps
        torch.testing.assert_close(tokens[:, 1:].mean(1), tokens[:, 0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_tokens_chooses_the_whole_image_or_its_patches(pair_folder):
    whole, patches, both = (_config(pair_folder("vit"), tokens=t).make().eval() for t in ("class", "patches", "all"))
    images = _pictures(32)
    assert (whole.leading, patches.leading) == (1, 0)
    assert torch.equal(torch.cat([whole(images), patches(images)], 1), both(images))
    with pytest.raises(
        InputError, match='the token of the whole image alone; for heat maps set backbone.tokens = "all"'
    ):
        whole.grid(32)


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(53, 37), (40, 71), (32, 32), (500, 333)])
def test_pictures_are_read_as_open_clips_transform_reads_them(mode, interpolation, size, tmp_path, pair_folder):
    pair = Pair(f"local-dir:{pair_folder('vit')}")
    pair.known.preprocess.update(resize_mode=mode, interpolation=interpolation)
    reading = reading_of_pair(pair)
    how = open_clip.transform.PreprocessCfg(**{**pair.known.preprocess, "size": pair.image_size})
    transform = open_clip.transform.image_transform_v2(how, is_train=False)
    pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    square = Square(reading.image_size, reading.interpolation, reading.crop, reading.squash).of(picture)
    cropped = picture
    for step in transform.transforms[:-2]:  # before tensors and normalisation
        cropped = step(cropped)
    np.testing.assert_array_equal(square, cropped)
    images = torch.from_numpy(np.array(square)).permute(2, 0, 1)
    torch.testing.assert_close(_pixels(images, reading), transform(picture), rtol=0, atol=1e-6)


def test_a_transform_that_pads_is_refused(pair_folder):
    pair = Pair(f"local-dir:{pair_folder('vit')}")
    pair.known.preprocess.update(resize_mode="longest")
    assert reading_of_pair(pair).squash is None


def test_a_pair_opens_without_its_folder(tmp_path):
    config = _config(small_pair(tmp_path / "gone", "siglip"), keep=False)
    made, resolved = config.make(), config.resolved()
    assert resolved.has_weights
    assert resolved.file == tmp_path / "gone" / "open_clip_model.safetensors"
    for path in (tmp_path / "gone").iterdir():
        path.unlink()
    bare = resolved.without_weights()
    assert (bare.name, bare.has_weights, bare.file) == ("gone", False, None)
    bare.make().load_state_dict(made.state_dict())


def test_gradients_reach_what_the_tokens_depend_on(pair_folder):
    backbone = _config(pair_folder("vit"), tokens="class", mode="tuned", checkpointing=True).make()
    backbone.leave_out_unused(32)
    assert backbone.model.transformer.grad_checkpointing
    assert all(parameter.requires_grad for parameter in backbone.parameters())
    with pytest.raises(InputError, match="cannot checkpoint its gradients; set backbone.checkpointing=false"):
        _config(pair_folder("resnet"), checkpointing=True).make()


def test_a_design_without_patches_names_the_remedy(tmp_path, monkeypatch):
    vision = {"image_size": 160, "timm_model_name": "test_byobnet", "timm_pool": "abs_attn", "timm_proj": ""}
    monkeypatch.setitem(MODELS, "attention", MODELS["timm"] | {"vision_cfg": vision})
    config = _config(small_pair(tmp_path, "attention"))
    with pytest.raises(InputError, match=r'no tokens of patches \(its pooling .*; set backbone.tokens = "class"'):
        config.make().shape(160)
    assert config.model_copy(update={"tokens": "class"}).make().shape(160) == (1, 7)


def test_another_size_of_pictures_is_refused_in_one_line(pair_folder):
    with pytest.raises(InputError, match=r"does not take images of 64 px .*; set data.image_size$"):
        _config(pair_folder("vit")).make().shape(64)
