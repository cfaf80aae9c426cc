"""A model trained and measured from Python, in one process or, by torch's launcher, in two."""

import json
import sys
from pathlib import Path

import zsl
from embeddings import build_bank

READOUT = zsl.LabelAttentionConfig(width=16, ffn=16, attention_heads=2, dropout=0.0)
TRAIN = zsl.TrainConfig(epochs=1, batch_size=8, lr=1e-2, validation=0.2, precision="fp32")


def trained_and_measured(root, out):
    """The metrics of a small model, by normalisation of its scores."""
    data = zsl.load_data(name="folder", root=root, unseen="unseen.txt", image_size=32)
    bank = build_bank(data.names, "lexical:16")
    model = zsl.fit(data, bank, backbone=zsl.BackboneConfig(name="resnet10t"), readout=READOUT, train=TRAIN, out=out)
    found = {how: zsl.EvaluateConfig(bootstrap=0, normalise=how) for how in ("none", "label")}
    measured = {how: zsl.evaluate(model, data, bank, config).metrics for how, config in found.items()}
    return {f"{how}/{name}": value for how, metrics in measured.items() for name, value in metrics.items()}


if __name__ == "__main__":
    photos, folder = map(Path, sys.argv[1:])
    metrics = trained_and_measured(photos, folder)
    context = zsl.Context.of("fp32")
    if context.is_main:
        content = {"processes": context.accelerator.num_processes, "metrics": metrics}
        (folder / "measured.json").write_text(json.dumps(content))
