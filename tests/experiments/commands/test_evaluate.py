"""`zsl evaluate` as a user meets it."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from embeddings.banks.build import build_bank
from tests.experiments.command import refused, zsl
from tests.names import SEEN, UNSEEN
from zsl.tensor_file import dump_tensors

FILES = ("metrics.json", "labels.csv", "evaluation.md", "evaluation.tex", "ap.png", "precision_recall.png")


def test_a_run_is_measured_saved_and_measured_again(config, tmp_path, monkeypatch):
    run = tmp_path / "run"
    assert zsl("train", config, "--out", run).exit_code == 0
    trained = sorted(path.name for path in run.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr("experiments.tables.result_files.save_plots", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            zsl("evaluate", run)
    assert sorted(path.name for path in run.iterdir()) == trained  # nothing of it
    result = zsl("evaluate", run)
    assert result.exit_code == 0
    for word in (
        "95 % interval",
        "chance",
        "harmonic mean",
        "lost to seen",
        "20 test images (all)",
        "5 seen and 3 uns",
    ):
        assert word in result.stdout
    for name in (*FILES, "similarity.png", "trade_off.png"):
        assert (run / name).is_file(), name
        assert name in result.stdout
    with Image.open(run / "trade_off.png") as plot:
        assert plot.width > 500
    content = json.loads((run / "metrics.json").read_text())
    assert {"zsl/map", "gzsl/map_harmonic", "seen/map", "gzsl/ausuc@1"} <= content["metrics"].keys()
    assert {"zsl/map", "gzsl/f1@2"} <= content["intervals"].keys()
    assert content["protocol"]["test_set"] == "all"
    assert content["protocol"]["labels"]["gzsl"][0] == 8
    assert r"\begin{tabular}" in (run / "evaluation.tex").read_text()
    out = tmp_path / "again"
    rescored = zsl(
        "evaluate", "--from-scores", run / "scores", "--bank", run / "bank.safetensors", "--out", out,
        "--set", "evaluate.k=[1, 2]", "--set", "evaluate.bootstrap=20", "--curve", UNSEEN[0],
    )  # fmt: skip
    assert rescored.exit_code == 0
    again = json.loads((out / "metrics.json").read_text())
    assert again["metrics"] == content["metrics"]
    assert again["intervals"] == content["intervals"]
    assert all((out / name).is_file() for name in FILES)
    _changed_files_are_refused(run)


def _changed_files_are_refused(run):
    with (run / "other").open("wb") as file:
        dump_tensors(file, {name: value + 1 for name, value in load_file(run / "readout.safetensors").items()})
    build_bank(SEEN + UNSEEN, "lexical:16", prompts="a {}").save(run / "bank")
    for name, other, told in (
        ("readout.safetensors", run / "other", "is not the file that its run wrote; restore it, or train again"),
        ("bank.safetensors", run / "bank", "is not the bank that its run was trained with; restore it"),
        ("backbone.safetensors", None, "there is no file"),
    ):
        kept = (run / name).rename(run / "kept")
        if other is not None:
            other.rename(run / name)
        refused(zsl("evaluate", run), str(run / name), told)
        kept.rename(run / name)
    record = json.loads((run / "run.json").read_text())
    spoilt = {name: value * torch.nan for name, value in load_file(run / "readout.safetensors").items()}
    with (run / "readout.safetensors").open("wb") as file:
        record["weights_sha256"]["readout.safetensors"] = dump_tensors(file, spoilt)
    (run / "run.json").write_text(json.dumps(record))
    refused(zsl("evaluate", run), "scores of ", "images/40.jpg are not finite: the weights are spoilt")
    del record["weights_sha256"]["backbone.safetensors"]
    (run / "run.json").write_text(json.dumps(record))
    refused(zsl("evaluate", run), "run.json is damaged (it has no hash of backbone.safetensors)")
    del record["weights_sha256"]
    (run / "run.json").write_text(json.dumps(record))
    refused(zsl("evaluate", run), "run.json is of an earlier version", "train again")


def _csv(path, values, labels, images=None):
    images = images or [f"{n}.jpg" for n in range(len(values))]
    lines = [",".join(["image", *labels]), *(",".join([i, *map(str, v)]) for i, v in zip(images, values, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def others(tmp_path):
    """Scores of two other systems, targets, and unseen names, as files."""
    generator = np.random.default_rng(0)
    labels = ("sky", "polar bear", "ship", "tree")
    targets = (generator.random((31, 4)) < 0.4).astype(int)
    good = (targets + generator.normal(size=targets.shape)).round(3)
    np.savez(tmp_path / "bad.npz", scores=generator.normal(size=targets.shape), labels=np.array(labels))
    (tmp_path / "unseen.txt").write_text("tree\nship\n")
    return (
        _csv(tmp_path / "good.csv", good[:, ::-1].tolist(), labels[::-1]),
        tmp_path / "bad.npz",
        _csv(tmp_path / "targets.csv", targets.tolist(), labels),
        tmp_path / "unseen.txt",
    )


def test_scores_of_other_systems(others, tmp_path):
    good, bad, targets, unseen = others
    k = ("--set", "evaluate.k=[1]")
    given = ("--targets", targets, "--unseen", unseen, *k)
    one = zsl("evaluate", "--from-scores", good, *given, "--out", tmp_path / "one")
    assert one.exit_code == 0, one.output
    assert "2 seen and 2 unseen labels" in one.stdout
    assert "ap:zsl" in (tmp_path / "one" / "labels.csv").read_text()
    two = zsl("evaluate", "--from-scores", good, "--from-scores", bad, *given, "--out", tmp_path / "two")
    assert two.exit_code == 0
    assert "unseen mAP" in two.stdout
    assert " to -" in (tmp_path / "two" / "comparison.md").read_text()  # an interval of the difference
    assert r"\toprule" in (tmp_path / "two" / "comparison.tex").read_text()
    assert (tmp_path / "two" / "comparison.csv").read_text().count("\n") == 3
    closed = zsl("evaluate", "--from-scores", good, "--targets", targets, *k)
    assert "4 labels" in closed.stdout


def test_scores_of_other_labels_side_by_side(others, tmp_path):
    good, bad, targets, unseen = others
    values = np.load(bad)["scores"].round(3).tolist()
    labels = ("sky", "polar bear", "ship", "tree")
    seen = _csv(tmp_path / "seen.csv", [row[:2] for row in values], labels[:2])
    lacking = _csv(tmp_path / "lacking.csv", [row[1:] for row in values], ("Polar bear", "ship", "tree"))
    given = ("--targets", targets, "--unseen", unseen, "--set", "evaluate.k=[1]")
    one = zsl("evaluate", "--from-scores", seen, *given)
    assert "seen alone mAP" in one.stdout
    assert one.stderr == f"note: {seen} has no scores of 2 label(s): 'tree', 'ship'; not measured: ZSL, GZSL\n"
    both = ("--from-scores", good, "--from-scores", seen)
    for order in (both, both[2:] + both[:2]):
        out = tmp_path / order[1].stem
        assert zsl("evaluate", *order, *given, "--out", out).exit_code == 0
        table = {row[""]: row for row in csv.DictReader((out / "comparison.csv").read_text().splitlines())}
        assert all(table[str(good)].values())
        empty = {name for name, cell in table[str(seen)].items() if not cell}
        assert empty == set(table[str(seen)]) - {"", "seen alone mAP", "seen alone F1@1"}
    result = zsl("evaluate", "--from-scores", lacking, *given)
    assert "unseen mAP" in result.stdout
    first, second = result.stderr.splitlines()
    assert "no scores of 2 label(s): 'sky', 'polar bear' (nearest: 'Polar bear'); not measured: GZSL, seen" in first
    assert "columns that are no label of targets.csv, left out: 1 label(s): 'Polar bear'" in second
    shifted = zsl("evaluate", "--from-scores", seen, *given, "--shift", 1)
    assert shifted.exit_code == 2
    assert "error: --shift is for scores of seen and unseen labels together, which" in shifted.stderr


def test_curves_of_seen_and_unseen_labels(others, tmp_path):
    good, bad, targets, unseen = others
    given = ("evaluate", "--from-scores", good, "--targets", targets, "--unseen", unseen, "--set", "evaluate.k=[1]")
    out = ("--out", tmp_path / "out")
    drawn = zsl(*given, *out, "--curve", "sky", "--curve", "tree")
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "out/precision_recall.png").is_file()
    out = ("--out", tmp_path / "other")
    refused(zsl(*given, *out, "--curve", "skye"), "no curve in targets.csv for 1 label(s): 'skye' (nearest: 'sky')")
    refused(zsl(*given, *out, "--from-scores", bad, "--curve", "sky"), "--curve draws one run")
    rows = [[0, *map(int, line.split(",")[2:])] for line in targets.read_text().splitlines()[1:]]
    none = _csv(tmp_path / "none.csv", rows, ("sky", "polar bear", "ship", "tree"))
    absent = zsl(*given, "--targets", none, *out, "--curve", "sky")
    refused(absent, "--curve 'sky': no test image of none.csv has the label")
    for shift in ("nan", "inf"):
        refused(zsl(*given, *out, "--shift", shift), f"the shift of seen logits is {shift}")
    assert not (tmp_path / "other").exists()


def test_different_protocols_do_not_stand_side_by_side(config, others, tmp_path):
    good, _, targets, unseen = others
    run = tmp_path / "run"
    assert zsl("train", config, "--out", run).exit_code == 0
    both = ("evaluate", run, "--from-scores", good, "--targets", targets, "--unseen", unseen)
    k = ("--set", "evaluate.k=[1]")
    refused(zsl(*both, *k), "do not answer the same question", "images 20 against 31", "--mixed-protocols")
    mixed = zsl(*both, *k, "--mixed-protocols")
    assert mixed.exit_code == 0
    assert "test set" in mixed.stdout
    refused(zsl("evaluate", run, "--targets", targets), "are for --from-scores")
    assert zsl("evaluate", run, "--no-save-scores").exit_code == 0


def test_bad_input_is_one_line(others, tmp_path):
    good, bad, targets, unseen = others
    out = tmp_path / "out"

    def measured(*options, path=good):
        return zsl("evaluate", "--from-scores", path, *options, "--out", out)

    refused(zsl("evaluate"), "nothing to evaluate")
    refused(measured(), "either --targets FILE or --config CONFIG")
    refused(measured("--targets", targets, "--set", "evaluate.k=0"), "evaluate.k: Input should be greater than 0")
    refused(measured("--targets", targets, "--set", "train.lr=1"), "only evaluate.* can be set here")
    refused(measured("--targets", targets, "--curve", "moon", "--set", "evaluate.k=[1]"), "'moon'")
    (tmp_path / "names.txt").write_text("moon\n")
    refused(measured("--targets", targets, "--unseen", tmp_path / "names.txt"), "no column of targets", "'moon'")
    (tmp_path / "names.txt").write_text("polar bear\n")
    values = np.load(bad)["scores"]
    values[3, 1] = np.nan
    np.save(tmp_path / "nan.npy", values)
    refused(measured("--targets", targets, path=tmp_path / "nan.npy"), "image 3, label 'polar bear' has score nan")
    np.save(tmp_path / "few.npy", values[:, :3])
    refused(measured("--targets", targets, path=tmp_path / "few.npy"), "3 columns without names")
    twice = _csv(tmp_path / "twice.csv", values.tolist(), ("a", "b", "c", "d"), ["same.jpg"] * 31)
    refused(measured("--targets", targets, path=twice), "image 'same.jpg' appears 31 times")
    nothing = _csv(tmp_path / "nothing.csv", np.zeros((31, 4), int).tolist(), ("sky", "polar bear", "ship", "tree"))
    refused(measured("--targets", nothing), "holds no positive")
    refused(measured("--config", "corel5k", "--unseen", unseen), "--unseen is for --targets")
    refused(zsl("evaluate", "--from-scores", tmp_path, "--targets", targets), "holds its own targets")
    refused(zsl("evaluate", "--from-scores", tmp_path), "holds no saved scores")
    assert not out.exists()
