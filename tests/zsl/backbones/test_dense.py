"""Dense readings of a pair's last block, against their equations written out head by head and token by token."""

import pytest
import torch
from timm.models.vision_transformer import Block
from torch import nn

from embeddings.io.errors import InputError
from tests.pairs import MODELS, VIT, small_pair
from zsl.backbones.config import OpenClipConfig
from zsl.backbones.dense import DenseBlock, can_be_read

SIDES = {"vit": 32, "vit-average": 32, "coca": 32, "siglip": 160, "scaled": 32, "registers": 160, "resnet": 64}
SCALED = MODELS["vit"] | {"vision_cfg": VIT | {"layers": 2, "ls_init_value": 0.7}}
TRUNK = {"image_size": 160, "timm_model_name": "test_vit4", "timm_pool": "avg", "timm_proj": "linear"}


@pytest.fixture
def folder_of(pair_folder, tmp_path, monkeypatch):
    """`pair_folder`, for designs of this file too: scaled branches; a trunk with a register token and no last norm."""
    monkeypatch.setitem(MODELS, "scaled", SCALED)
    monkeypatch.setitem(MODELS, "registers", MODELS["timm"] | {"vision_cfg": TRUNK})
    return lambda design: small_pair(tmp_path, design) if design in ("scaled", "registers") else pair_folder(design)


def _images(design):
    side = SIDES[design]
    made = torch.Generator().manual_seed(5)  # one image where there are many patches, since loops are slow
    return torch.randint(0, 256, (2 if side < 160 else 1, 3, side, side), generator=made, dtype=torch.uint8)


def _config(folder, dense="plain", **keys):
    return OpenClipConfig(name=f"local-dir:{folder}", dense=dense, **keys)


def _block(model):
    return model.trunk.blocks[-1] if hasattr(model, "trunk") else model.transformer.resblocks[-1]


def _parts(block):
    """Weights and modules of a block, by the names in the papers."""
    attention = block.attn
    if isinstance(attention, nn.MultiheadAttention):
        joined = (attention.in_proj_weight, attention.in_proj_bias)
        return (
            joined,
            nn.Identity(),
            nn.Identity(),
            attention.out_proj,
            (block.ln_1, block.ls_1, block.ln_2, block.ls_2),
        )
    joined = (attention.qkv.weight, attention.qkv.bias)
    norms = (block.norm1, block.ls1, block.norm2, block.ls2)
    return joined, attention.q_norm, attention.k_norm, attention.proj, norms


def _by_hand(block, tokens, dense):
    """What the block gives one image's tokens (token, embed)."""
    (weight, bias), q_norm, k_norm, out, (norm1, scale1, norm2, scale2) = _parts(block)
    width, heads = tokens.shape[1], block.attn.num_heads
    d, given = width // heads, norm1(tokens)
    rows = []
    for i in range(len(tokens)):
        whole = torch.zeros(width)
        for head in range(heads):
            own = slice(head * d, (head + 1) * d)
            q, k, v = (given @ weight[part * width :][own].T + bias[part * width :][own] for part in range(3))
            if dense == "value":
                whole[own] = v[i]
                continue
            q, k = q_norm(q), k_norm(k)
            for x in (q, k):
                likeness = (x @ x[i] / d**0.5).exp()
                whole[own] += likeness / likeness.sum() @ v
        branch = scale1(out(whole))
        if dense == "value":
            rows.append(branch)
        else:
            x = tokens[i] + branch
            rows.append(x + scale2(block.mlp(norm2(x))))
    return torch.stack(rows)


@pytest.mark.parametrize("dense", ["value", "self"])
@pytest.mark.parametrize("design", ["vit", "vit-average", "coca", "siglip", "scaled", "registers"])
@torch.no_grad()
def test_patches_are_by_the_equation_and_the_whole_image_is_as_it_was(design, dense, folder_of):
    folder, images = folder_of(design), _images(design)
    plain, other = _config(folder).make().eval(), _config(folder, dense).make().eval()
    tokens, block = other(images), _block(plain.model)
    assert torch.equal(tokens[:, 0], plain(images)[:, 0])
    assert other.shape(SIDES[design]) == plain.shape(SIDES[design])
    # the plain tower, its last block replaced by the equation
    block.forward = lambda x, **_: torch.stack([_by_hand(block, image, dense) for image in x])
    expected = plain(images)[:, 1:]
    torch.testing.assert_close(tokens[:, 1:], expected, rtol=0, atol=1e-5)
    del block.forward
    assert (plain(images)[:, 1:] - expected).abs().max() > 0.01


@pytest.mark.parametrize("dense", ["value", "self"])
@torch.no_grad()
def test_a_block_that_norms_queries_and_keys_does_so_here(dense):
    torch.manual_seed(3)
    block = Block(10, 2, qkv_bias=True, qk_norm=True, init_values=0.5, norm_layer=nn.LayerNorm).eval()
    for weight in block.parameters():  # those that begin at 0 or 1 must count too
        weight.add_(0.3 * torch.randn_like(weight))
    tokens = torch.randn(2, 7, 10)
    assert can_be_read(block)
    expected = torch.stack([_by_hand(block, image, dense) for image in tokens])
    torch.testing.assert_close(DenseBlock(block, dense)(tokens), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_value_path_of_an_attention_pool_is_plain(pair_folder):
    folder, images = pair_folder("resnet"), _images("resnet")
    assert torch.equal(_config(folder, "value").make().eval()(images), _config(folder).make().eval()(images))


@pytest.mark.parametrize(
    ("design", "dense", "told"),
    [("resnet", "self", "ModifiedResNet"), ("timm", "self", "ResNet"), ("timm", "value", "ResNet")],
)
def test_a_tower_without_such_a_block_names_the_remedy(design, dense, told, pair_folder):
    message = rf'^backbone.dense = "{dense}" needs .* \({told}\) does not; set backbone.dense = "plain"$'
    with pytest.raises(InputError, match=message):
        _config(pair_folder(design), dense).make()


def test_a_block_with_further_parts_is_refused(tmp_path, monkeypatch):
    vision = VIT | {"scale_heads": True}
    monkeypatch.setitem(MODELS, "further", MODELS["vit"] | {"vision_cfg": vision})
    with pytest.raises(InputError, match=r'VisionTransformer\) does not; set backbone.dense = "plain"$'):
        _config(small_pair(tmp_path, "further"), "self").make()


def test_a_dense_reading_of_no_patches_is_refused():
    with pytest.raises(ValueError, match=r'tokens = "class" leaves out the patches that backbone.dense is about'):
        OpenClipConfig(name="ViT-B-16", tokens="class", dense="value")
    with pytest.raises(ValueError, match="'plain', 'value' or 'self'"):
        OpenClipConfig(name="ViT-B-16", dense="mask")


def test_gradients_reach_what_the_patches_depend_on(pair_folder):
    backbone = _config(pair_folder("vit"), "value", tokens="patches", mode="tuned", checkpointing=True).make()
    backbone.leave_out_unused(32)
    block = _block(backbone.model)
    assert block.attn.in_proj_weight.requires_grad
    assert backbone.model.conv1.weight.requires_grad
    assert not block.mlp.c_fc.weight.requires_grad
