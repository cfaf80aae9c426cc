"""Makes a table's folder from random numbers, with any variants, seeds and labels."""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from embeddings.io.markup import csv_text

PROTOCOLS = ("zsl", "gzsl", "seen")


def make_folder(
    folder: Path, variants: list[dict], seeds: int = 3, seen: int = 23, unseen: int = 7, images: int = 3, labels=None
):
    """Writes the folder; variants differ in skill, the last being the best."""
    labels = labels or [f"seen {i}" for i in range(seen)] + [f"unseen {i}" for i in range(unseen)]
    unseen = len(labels) - seen
    records = []
    for place, variant in enumerate(variants):
        for seed in range(seeds):
            generator = np.random.default_rng([place, seed])
            run = f"runs/{place}-seed{seed}"
            (folder / run).mkdir(parents=True)
            ap = generator.beta(1 + place, 9, seen + unseen)
            metrics = {
                "zsl/map": float(ap[seen:].mean()),
                "zsl/map_chance": 0.01,
                "zsl/f1@3": float(generator.random()),
                "gzsl/map": float(ap.mean()),
                "gzsl/map_seen": float(ap[:seen].mean()),
                "gzsl/map_chance": 0.01,
                "gzsl/map_seen_chance": 0.02,
                "gzsl/coverage": 12.5 + place,
            }
            records.append({"variant": variant, "seed": seed, "metrics": metrics, "run": run})
            write_run(folder / run, variant, seed, metrics, labels, ap, seen, images)
    (folder / "results.json").write_text(json.dumps(records))
    (folder / "baseline.json").write_text(json.dumps({"zsl/map": 0.05, "gzsl/map": 0.04}))
    paper = [{"variant": variants[0], "metrics": {"zsl/map": 0.024}}]
    about = {"caption": "Query <type> & head", "command": "zsl ablate table8 --seeds 3", "paper": paper}
    (folder / "table.json").write_text(json.dumps(about))


def write_run(run: Path, variant, seed, metrics, labels, ap, seen, images):
    """Writes every file of a run that a report reads."""
    intervals = {name: [0.9 * value, 1.1 * value] for name, value in metrics.items() if "chance" not in name}
    protocol = {"data": "drawn", "images": 59, "labels": {"zsl": len(labels) - seen}}
    write(run / "metrics.json", {"metrics": metrics, "intervals": intervals, "protocol": protocol})
    write(run / "config.json", {"decoder": variant | {"width": 8}, "train": {"seed": seed, "lr": 0.1}})
    about = {"channels": 8, "bank_sha256": "0", "bank": {}, "backbone_weights_sha256": None, "git": None}
    data = {"name": "drawn", "fingerprint": "x", "seen": seen, "unseen": len(labels) - seen}
    done = {"seen": labels[:seen], "best_epoch": 2, "parameters": 1234, "multiply_accumulates": 10**9}
    write(run / "run.json", about | {"data": data, "versions": {"torch": "2"}} | done)
    write(
        run / "history.json", {"loss": [3.0, 2.0 - 0.1 * seed, 1.5], "validation_map": [0.1, 0.3, 0.2], "best_epoch": 1}
    )
    write(run / "bootstrap.json", {})
    write(run / "errors.json", errors(labels, seen, images, seed))
    write(run / "samples.json", samples(labels, seen, images))
    head = ("label", "part", "train_images", "test_images", "nearest_seen", "similarity", "note", "chance_ap")
    rows = [[*head, *(f"ap:{name}" for name in PROTOCOLS)]]
    for i, label in enumerate(labels):
        part = "seen" if i < seen else "unseen"
        own = ["" if part == "seen" else ap[i], ap[i], ap[i] if part == "seen" else ""]
        rows.append([label, part, i, 3, labels[0], 1 / (2 + i), "fallback" if i % 5 == 0 else "", 0.01, *own])
    (run / "labels.csv").write_text(csv_text(rows), newline="")


def errors(labels, seen, images, seed):
    """Every image has a right, an unannotated and a wrong label, and misses an unseen one."""

    def listed(index, first, ap):
        there = [label for label in (index, index + 1, index + 2) if first <= label < len(labels)]
        top = [[label, rank, 2.5 - rank, (True, None, False)[rank % 3 - 1]] for rank, label in enumerate(there, 1)]
        return {"image": index + seed, "ap": ap, "true": [*top[:1], [len(labels) - 1, 9, -1.25, True]], "top": top}

    shown = range(images)
    parts = {
        "zsl": [listed(seen + index, seen, 0.1 + index / 100) | {"image": index} for index in shown],
        "gzsl": [listed(index, 0, 0.05 + index / 100) for index in shown],
    }
    instead = [[label, images] for label, images in ((seen, 4), (seen + 1, 2)) if label < len(labels)]
    confused = [[len(labels) - 1, 9, 7, instead], [seen, 3, 1, []]]
    found = {name: {"ranked": 47, "images": part, "confused": confused} for name, part in parts.items()}
    names = {row: f"photo {row}" for row in range(images + seed)}
    pictures = {row: jpeg(row) for row in list(names)[:2]}
    about = {"test_images": 59, "best": 3, "labels": labels, "seen": seen}
    return about | {"protocols": found, "names": names, "pictures": pictures}


def samples(labels, seen, images):
    """Drawn pictures; the best label is right, the next not annotated, the others wrong."""

    def found(column, rank, right):
        return {"label": labels[column], "unseen": column >= seen, "right": right, "rank": rank}

    drawn = [
        {
            "name": f"image {index}",
            "picture": jpeg(index),
            "true": [found(index, 1, True), found(seen, 9, True)],
            "top": [found(index, 1, True), found(index + 1, 2, None), found(seen, 3, False)],
            "top_unseen": [found(seen, 3, False)],
        }
        for index in range(images)
    ]
    return {"seed": 0, "test_images": 59, "protocol": "gzsl", "images": drawn}


def jpeg(seed):
    """A picture in base64."""
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode()


def write(path, value):
    path.write_text(json.dumps(value))
