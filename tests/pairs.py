"""Small image-text pairs of open_clip with random weights, of each design, in folders that have the layout of a hub."""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

TEXT = {"context_length": 14, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "patch_size": 8, "width": 12, "head_width": 6, "layers": 1}
WORDS = ("a", "photo", "of", "the", "dog", "polar", "bear", "sky", "red", "striped", "circle", "cat")
# SigLIP's are of the hub in truth: here a folder holds the tokenizer
SIGLIP_TEXT = {
    "context_length": 7,
    "vocab_size": len(WORDS) + 3,
    "hf_tokenizer_name": "small/words",
    "tokenizer_kwargs": {"clean": "canonicalize"},
    "width": 8,
    "heads": 2,
    "layers": 1,
    "no_causal_mask": True,
    "proj_bias": True,
    "pool_type": "last",
}
SQUASH = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "squash"}
MODELS: dict[str, dict[str, Any]] = {
    "vit": {"embed_dim": 7, "vision_cfg": VIT, "text_cfg": TEXT, "quick_gelu": True},
    "vit-average": {
        "embed_dim": 7,
        "vision_cfg": VIT | {"pool_type": "avg", "final_ln_after_pool": True},
        "text_cfg": TEXT,
    },
    "resnet": {
        "embed_dim": 7,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 4, "head_width": 32},
        "text_cfg": TEXT,
    },
    "timm": {
        "embed_dim": 7,
        "vision_cfg": {"image_size": 64, "timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "linear"},
        "text_cfg": TEXT,
    },
    "siglip": {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"},
        "text_cfg": SIGLIP_TEXT,
    },
    "coca": {
        "embed_dim": 8,
        "custom_text": True,
        "vision_cfg": VIT
        | {"attentional_pool": True, "attn_pooler_queries": 5, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": TEXT | {"embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {"context_length": 14, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
    },
}


def small_pair(folder: Path, design: str, **preprocess: Any) -> Path:
    """Writes a pair of a design into a folder, made if it does not exist."""
    import open_clip

    folder.mkdir(parents=True, exist_ok=True)
    model = MODELS[design]
    how = (SQUASH if design == "siglip" else {}) | preprocess
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": how}))
    if design == "siglip":
        _save_tokenizer(folder)
    values = copy.deepcopy(model)
    kind = open_clip.CLIP
    if values.pop("custom_text", False):
        kind = open_clip.CoCa if "multimodal_cfg" in values else open_clip.CustomTextCLIP
    with torch.random.fork_rng():
        torch.manual_seed(7)
        made = kind(**values)
        for weight in made.parameters():  # those that begin at 0 or 1 must count too
            weight.data.add_(0.1 * torch.randn_like(weight))
    save_file(made.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def _save_tokenizer(folder: Path) -> None:
    """A tokenizer of whole words, padded with 0, as transformers saves it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(("<pad>", "<unk>", "</s>", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="</s>")
    fast.save_pretrained(folder)
