"""Readouts on the same tokens and word vectors, each with a 95 % interval over test images.

    python examples/compare_readouts.py

The pictures are drawn, so nothing is downloaded. A comparison over seeds, with a report, is
`zsl ablate examples/readouts.toml --out runs/readouts`.
"""

import argparse

import zsl
from embeddings import build_bank

READOUTS = {
    "label attention": zsl.LabelAttentionConfig(width=128, ffn=256, attention_heads=4, dropout=0),
    "groups of similar labels": zsl.MlDecoderConfig(
        width=128, ffn=256, attention_heads=4, dropout=0, group_size=4, grouping="similar"
    ),
    "pooled token": zsl.GapTextConfig(),
    "closed form": zsl.EszslConfig(),
}


def main(arguments: list[str] | None = None) -> None:
    """Trains one model for each readout and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000, help="training pictures to draw")
    parser.add_argument("--epochs", type=int, default=5)
    asked = parser.parse_args(arguments)

    data = zsl.load_data(name="scenes", train=asked.images, test=asked.images // 4, image_size=32, seen=120, unseen=12)
    bank = build_bank(data.names, "lexical", num_seen=len(data.seen), transforms="l2")
    backbone: zsl.BackboneConfig | zsl.BaseBackbone | None
    backbone = zsl.BackboneConfig(name="resnet10t", level=2, pretrain=zsl.PretrainConfig(epochs=asked.epochs))
    train = zsl.TrainConfig(epochs=2 * asked.epochs, batch_size=32, lr=1e-3, ema=0)
    for name, readout in READOUTS.items():
        model = zsl.fit(data, bank, backbone=backbone, readout=readout, train=train)
        backbone = model.backbone  # the first fit trains it on seen labels; all others read its tokens
        found = zsl.evaluate(model, data, bank)
        low, high = found.intervals["zsl/map"]
        print(f"{name}: unseen mAP {found.metrics['zsl/map']:.3f} [{low:.3f}, {high:.3f}]")
    print(f"chance: {found.metrics['zsl/map_chance']:.3f}")


if __name__ == "__main__":
    main()
