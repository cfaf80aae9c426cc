"""The report of tables' folders: figures against plain arithmetic, and what is missing or damaged."""

import html
import json
import re
import shutil

import pytest

from embeddings.io.errors import InputError
from experiments.report.differences import config_differences, disagreeing
from experiments.report.labels import label_data, over_seeds
from experiments.report.page import render, write_report
from experiments.tables.table_folder import read_table_folder
from tests.experiments.command import refused, zsl
from tests.experiments.report_folder import make_folder

VARIANTS = [{"query": query, "head": head} for query, head in (("text", "text"), ("none", "text"), ("text", "shared"))]


@pytest.fixture
def folder(tmp_path):
    """Three variants, three seeds, 23 seen and 7 unseen labels."""
    made = tmp_path / "table8"
    make_folder(made, VARIANTS)
    return made


def page_of(folder):
    """The page of one table."""
    return render([read_table_folder(folder)])


def change(path, edit):
    """Rewrites a JSON file with an edited value."""
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def test_the_page_says_that_there_is_one_seed(tmp_path):
    make_folder(tmp_path / "one", VARIANTS, seeds=1)
    assert "One seed: differences may be luck" in page_of(tmp_path / "one")


def test_the_page_holds_everything_and_needs_nothing(folder, tmp_path):
    write_report([folder], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    write_report([folder], tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == page
    assert not re.search(r"https?://", page)
    assert set(re.findall(r'(?:src|href)="([^"#]{5})', page)) == {"data:"}
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(ids)
    assert "Query &lt;type&gt; &amp; head" in page
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    for phrase in ("zsl ablate table8 --seeds 3", "3 variants, 3 seeds, 9 runs on drawn", "torch 2", "decoder.width"):
        assert phrase in text
    assert page.count("<img ") == 3 + 2  # sample pictures, pictured errors
    assert page.count("<svg ") == 3 + 1 + 3 + 3  # bars, scatter, curves, AP against what is known of labels
    assert "Missing" not in page


def test_names_cannot_break_out_of_the_page(folder):
    evil = "</script><script>alert(1)</script>"
    for path in folder.glob("runs/*/labels.csv"):
        path.write_text(path.read_text().replace("unseen 3", evil))
    for path in (*folder.glob("runs/*/samples.json"), *folder.glob("runs/*/errors.json")):
        path.write_text(path.read_text().replace("unseen 0", evil).replace("seen 1", "<b>").replace("photo 1", evil))
    page = page_of(folder)
    assert evil not in page
    assert page.count("</script>") == 3
    assert "&lt;b&gt;" in page


PARTS = {
    "history.json": "training curves",
    "labels.csv": "results by label",
    "samples.json": "sample pictures",
    "errors.json": "the errors",
    "bootstrap.json": "bootstrap draws of the test images",
    "metrics.json": "the protocol",
    "config.json": "the config",
    "run.json": "versions",
}


def test_files_that_some_runs_lack_are_reported_as_missing(folder):
    for place, name in enumerate(PARTS):
        (folder / f"runs/{place % 3}-seed{place % 2}" / name).unlink()
    page = re.sub(r"\s+", " ", page_of(folder))
    for name, phrase in PARTS.items():
        assert f"<b>Missing:</b> {phrase} of 1 of 9 runs, which lack <code>{name}</code>" in page


def test_a_folder_of_results_alone_is_a_report(folder, tmp_path):
    (tmp_path / "alone").mkdir()
    shutil.copy(folder / "results.json", tmp_path / "alone")
    page = re.sub(r"\s+", " ", page_of(tmp_path / "alone"))
    assert page.count("<b>Missing:</b>") == 9  # and the command
    for name, phrase in PARTS.items():
        assert f"<b>Missing:</b> {phrase} of 9 of 9 runs, which lack <code>{name}</code>" in page
    assert "<h1>alone</h1>" in page


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("results.json", "[", ("results.json", "damaged")),
        ("results.json", "[]", ("holds no finished run",)),
        ("results.json", '[{"variant": {}}]', ("0.seed", "damaged")),
        ("results.json", None, ("is not the folder of a table", "zsl ablate")),
        ("table.json", '{"caption": 3}', ("table.json", "caption")),
        ("grid.json", "{}", ("grid.json", "format")),
        ("grid.json", "[" * 10_000, ("grid.json", "nested too deeply")),
        ("baseline.json", '{"zsl/map": NaN}', ("baseline.json", "zsl/map", "finite")),
        ("runs/0-seed0/metrics.json", "{}", ("0-seed0", "metrics")),
        ("runs/0-seed0/history.json", '{"loss": "x"}', ("history.json", "loss")),
        ("runs/0-seed0/labels.csv", "label,ap:zsl\na,x\n", ("labels.csv", "'part'", "zsl evaluate")),
        ("runs/0-seed0/labels.csv", "label,part,ap:zsl\na,seen\n", ("labels.csv:2", "fields")),
        ("runs/0-seed0/labels.csv", "label,part,ap:zsl\na,seen,x\n", ("labels.csv:2", "'x'")),
        ("runs/0-seed0/labels.csv", "label,part,ap:zsl\na,seen,nan\n", ("labels.csv:2", "'nan'")),
        ("runs/0-seed0/labels.csv", "label,part,ap:zsl\na,seen," + "9" * 5000, ("labels.csv:2", "'999")),
        ("runs/0-seed0/labels.csv", f"label,part,ap:zsl\n{'a' * 200_000},seen,1", ("labels.csv:2", "field limit")),
        ("runs/0-seed0/labels.csv", "label,part,similarity\na,seen,x\n", ("labels.csv:2", "'x' is not a number")),
        ("runs/0-seed0/run.json", "{", ("run.json", "damaged")),
        (
            "runs/0-seed0/history.json",
            '{"loss": [1], "validation_map": [1], "best_epoch": 1}',
            ("history.json", "epoch 1 is not one of 1 and 1"),
        ),
        ("runs/0-seed0/samples.json", "[1]", ("samples.json", "damaged")),
        ("runs/0-seed0/errors.json", "{}", ("errors.json", "damaged")),
        ("runs/0-seed0/bootstrap.json", '{"zsl/map": ["x"]}', ("bootstrap.json", "zsl/map")),
        ("runs/0-seed0/config.json", "\x00", ("config.json", "damaged")),
    ],
)
def test_damage_is_one_clear_line(folder, tmp_path, name, content, words):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    refused(zsl("report", folder, "--out", tmp_path / "report.html"), *words)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("run", ["../secret", "/etc", "runs/../../secret", "runs/link", "runs/a\0b"])
def test_runs_outside_the_folder_are_not_embedded(folder, tmp_path, run):
    make_folder(tmp_path / "secret", VARIANTS[:1])
    (folder / "runs/link").symlink_to(tmp_path / "secret/runs/0-seed0")
    change(folder / "results.json", lambda records: records[0].update(run=run))
    refused(zsl("report", folder, "--out", tmp_path / "report.html"), "results.json", "outside", "again")
    assert not (tmp_path / "report.html").exists()


def test_runs_that_do_not_belong_together_are_refused(folder):
    change(folder / "results.json", lambda records: records.append(records[0]))
    with pytest.raises(InputError, match="1 duplicate runs"):
        page_of(folder)
    change(folder / "results.json", lambda records: records[-1].update(variant={"loss": "bce"}))
    with pytest.raises(InputError, match=r"has the axes \['loss'\]"):
        page_of(folder)


def test_several_tables_join_in_one_file(folder, tmp_path):
    make_folder(tmp_path / "other", VARIANTS[:1])
    result = zsl("report", folder, tmp_path / "other", "--out", tmp_path / "both.html")
    assert result.exit_code == 0
    assert "both.html" in result.stdout
    page = (tmp_path / "both.html").read_text()
    assert "<h1>2 tables</h1>" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    refused(zsl("report", folder, folder, "--out", tmp_path / "both.html"), "given twice")
    refused(zsl("report", folder, "--out", tmp_path / "none" / "a.html"), "none/a.html")
    refused(zsl("report", tmp_path / "nothing"), "nothing", "results.json")


def test_unfinished_failed_and_missing_runs_are_reported(folder):
    records = json.loads((folder / "results.json").read_text())
    runs = [{k: record[k] for k in ("run", "seed", "variant")} | {"changes": {}, "paper": {}} for record in records]
    grid = {"format": "zsl-grid/2", "id": "0" * 32, "caption": "mine", "config": {}, "seeds": [0, 1, 2]}
    (folder / "grid.json").write_text(json.dumps(grid | {"runs": [*runs, runs[0] | {"run": "runs/new"}]}))
    change(folder / "results.json", lambda records: records.pop(4))
    (folder / "failed").mkdir()
    (folder / "failed" / "1-seed1.log").write_text("the loss is not finite\nTraceback\n")
    page = re.sub(r"\s+", " ", page_of(folder))
    assert "2 of 10 runs are not finished" in page
    assert "<code>runs/1-seed1</code>: the loss is not finite" in page
    assert "2 lacks 1" in page


def test_runs_that_disagree_are_reported(folder):
    change(folder / "runs/0-seed0/metrics.json", lambda value: value["protocol"].update(images=61))
    change(folder / "runs/1-seed0/run.json", lambda value: value["versions"].update(torch="3"))
    change(folder / "runs/2-seed0/metrics.json", lambda value: value["metrics"].update({"zsl/map": 0.5}))
    page = re.sub(r"\s+", " ", page_of(folder))
    assert "<b>The runs differ in protocol; their figures are not comparable.</b>" in page
    assert "<code>images</code>: <code>61</code> in 1 (runs/0-seed0); <code>59</code> in 8" in page
    assert "<code>versions.torch</code>" in page
    assert "the <code>metrics.json</code> of runs/2-seed0 differs" in page


def test_config_differences_leave_out_seeds_and_mark_keys_that_are_no_axis(folder):
    change(folder / "runs/0-seed0/config.json", lambda value: value["train"].update(lr=0.2))
    differences, shared = config_differences(read_table_folder(folder))
    assert [(d.key, d.values, d.axis) for d in differences] == [
        ("decoder.query", ("text", "none", "text"), True),
        ("decoder.head", ("text", "text", "shared"), True),
        ("train.lr", ("0.2", "0.1", "0.1"), False),
    ]
    assert shared == {"decoder.width": "8"}
    assert disagreeing(read_table_folder(folder).runs[:2], [{"a": 1}, None]) == {}


def test_labels_are_means_over_seeds_and_shared_facts_are_stored_once(folder):
    table = read_table_folder(folder)
    merged = [over_seeds(table.of(axes)) for axes in table.variants]
    data = label_data(["a", "b", "c"], merged, 2)
    assert (len(data["labels"]), data["parts"].count("unseen")) == (30, 7)
    assert (len(data["facts"]), data["facts_of"]) == (1, [0, 0, 0])
    assert data["facts"][0]["train_images"] == list(range(30))
    place, label = 1, 27
    lines = [(run.labels[label].ap["zsl"]) for run in table.of(table.variants[place])]
    assert data["ap"]["zsl"][place][label] == round(1000 * sum(lines) / 3)
    assert data["ap"]["zsl"][place][3] is None
    assert json.loads(json.dumps(data)) == data


def test_variants_of_files_with_one_name_stay_apart(tmp_path):
    make_folder(tmp_path / "t", [{"encoder": "matrix:a/v.npz"}, {"encoder": "matrix:b/v.npz"}], seeds=2)
    assert [v["encoder"] for v in read_table_folder(tmp_path / "t").variants] == ["matrix:a/v.npz", "matrix:b/v.npz"]
    make_folder(tmp_path / "u", [{"encoder": "matrix:a/v.npz"}, {"encoder": "matrix:b/w.npz"}], seeds=2)
    assert [v["encoder"] for v in read_table_folder(tmp_path / "u").variants] == ["matrix:v.npz", "matrix:w.npz"]


def test_closed_sets_speeds_and_tokens(tmp_path):
    folder = tmp_path / "t"
    make_folder(folder, [{"head": "gap", "classes": 100}, {"head": "gap", "classes": 1000}], seeds=1, unseen=1)

    def speeds(records):
        for record in records:
            record["metrics"] = {"images per second": 706.25, "closed/map": 0.5, "closed/map_chance": 0.1}

    change(folder / "results.json", speeds)
    for path in folder.glob("runs/*/samples.json"):
        change(path, lambda value: [image.update(picture=None) for image in value["images"]])
    for path in folder.glob("runs/*/errors.json"):
        change(path, lambda value: value.update(pictures={}))
    page = page_of(folder)
    assert "706.2" in page
    assert "No pictures:" in page
    assert "<img " not in page
