"""Train on a folder of pictures, then find labels that none of its training pictures shows.

    python examples/folder_of_pictures.py PHOTOS

PHOTOS holds the pictures, `labels.csv` (one line a picture: `pictures/1.jpg,dog,polar bear`) and `unseen.txt` (names of
the unseen labels, one a line). Weights of the backbone and the text encoder come from their hubs on the first use.
Without network, give files or folders.
"""

import argparse

import zsl
from embeddings import build_bank


def main(arguments: list[str] | None = None) -> None:
    """Trains, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="folder of pictures, with labels.csv and unseen.txt")
    parser.add_argument("--encoder", default="sentence-transformers:all-MiniLM-L6-v2", help="of label names")
    parser.add_argument("--backbone", default="resnet50", help="a timm model")
    parser.add_argument("--weights", help="file of its weights; without it, timm's hub")
    parser.add_argument("--image-size", type=int, default=224, help="pixels")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", default="runs/mine", help="folder of the run")
    asked = parser.parse_args(arguments)

    data = zsl.load_data(name="folder", root=asked.photos, unseen="unseen.txt", image_size=asked.image_size)
    bank = build_bank(data.names, asked.encoder)
    model = zsl.fit(
        data,
        bank,
        backbone=zsl.BackboneConfig(name=asked.backbone, weights=asked.weights, pretrained=asked.weights is None),
        readout=zsl.LabelAttentionConfig(),
        train=zsl.TrainConfig(epochs=asked.epochs),
        out=asked.out,
    )
    found = zsl.evaluate(model, data, bank)
    for metric in ("zsl/map", "gzsl/map"):
        print(f"{metric}: {found.metrics[metric]:.3f}, by chance {found.metrics[metric + '_chance']:.3f}")
    print(f"more: zsl evaluate {asked.out}")


if __name__ == "__main__":
    main()
