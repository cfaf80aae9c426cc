"""Hostile names in every medium: each shows them literally."""

import csv
import doctest
import io
import json
import re
import sys
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from matplotlib.text import Text

import embeddings.io.markup
from embeddings.io.markup import csv_text, drawn, from_csv, latex, latex_note, markdown, markdown_code, visible
from experiments.commands.main import app
from experiments.grids.folder import FORMAT, GridFile
from experiments.grids.variants import COST, Ablation, Record, Variant
from experiments.output.console import ConsoleProgress, PlainConsole, make_console
from experiments.output.plots import new_plot, plain_text
from experiments.report.page import render
from experiments.report.svg import as_svg, tip
from experiments.tables.metric_table import metric_table
from experiments.tables.table_folder import read_table_folder
from experiments.tables.table_page import save_table
from experiments.tables.text_table import TextTable
from tests.experiments.command import refused, zsl
from tests.experiments.report_folder import make_folder
from tests.started import ROOT
from zsl.runs.config import RunConfig

HOSTILE = (
    *("cat [/m/01yrx]", "a [bold]", "[base]", "p/[/z].jpg", "runs/x[/y]", "[link=x]y[/link]", r"\[x]", ":dog:"),
    *("Ba$$in", "$_$", r"$\frac$", r"\textbf{x}", r"a\\", "50% ~^{}", "--", "''", '"q"', "#1", "C#", "-1", "*"),
    *("=SUM(1)", "'=1", "''=1", "'tis", "+1+1", "-2*3", "@x", "\tx", "\rx", "a\rb", "a\nb", "＝1", "a,b", 'a"b', " x"),
    *("a|b", "<script>alert(1)</script>", "<b>", "&lt;", "&", "`x`", "``", "**x**", "_x_", "snake_case", "~~x~~"),
    *("http://x.y", "www.x.y", "![a](b)", "</script>", "]]>", "--><b>", "' onload='x", "{{ 7 * 7 }}", "{% raw %}"),
    *("# x #", "[2em]", "_legend", "tip:x", "#000001", "font-family: x; y", "url(#a)", ' transform="rotate(-0 "'),
    *("\x1b[31mred", "\x01", "\x7f", "\x9b1m", "a\u2028b", "\u202eabc", "मील", "猫", "🐕", "été", "±1–2", "x" * 300),
)
STEERING = tuple(text for text in HOSTILE if text != visible(text)) + HOSTILE[:3]


def test_the_terminal_shows_names():
    for terminal in (False, True):
        console = PlainConsole(2000)
        console.file, console._force_terminal = io.StringIO(), terminal
        for text in HOSTILE:
            console.print(TextTable(text, ["", text], [[text, text]]).console())
            console.print(text)
            shown = console.file.getvalue()
            assert shown.count(visible(text)) >= 5, text
            plain = re.sub(r"\x1b\[[\d;]*m", "", shown)  # rich's own bold titles
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", plain)
            console.file = io.StringIO()
        console.print("3.14 'a'")
        assert console.file.getvalue() == "3.14 'a'\n"  # no colours


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_names(terminal):
    console = make_console()
    console.file, console._force_terminal, console.width = io.StringIO(), terminal, 3000
    with ConsoleProgress(console) as progress:
        for text in STEERING:
            progress(text, 1, 1, text)
    assert all(console.file.getvalue().count(visible(text)) >= 2 for text in STEERING)


def test_errors_are_one_line_and_letters_that_a_terminal_lacks_are_numbers(tmp_path, monkeypatch):
    for text in STEERING:
        refused(zsl("evaluate", tmp_path / text), f"{visible(text)} is not a finished run")
    refused(zsl("evaluate", f"{tmp_path}/\udcff"), r"/\udcff is not a finished run")
    terminal = io.TextIOWrapper(io.BytesIO(), "latin-1", write_through=True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(SystemExit):
        app(["evaluate", "猫"])
    assert terminal.buffer.getvalue().startswith(rb"error: \u732b is not")


def test_help_keeps_its_brackets():
    assert "[default: (all)]" in zsl("bench", "heads", "--help").stdout


def test_figures_draw_names(tmp_path):
    with new_plot(tmp_path / "x.png", (5, 5)) as (figure, axes):
        names = [drawn(text) for text in HOSTILE]
        places = np.arange(len(names))
        axes.set_yticks(places[::5], names[::5], fontsize=3)
        axes.set_title(names[8])
        for place, name in zip(places, names, strict=True):
            axes.annotate(name, (place, place), fontsize=3)
            axes.plot([], [], label=f"1.0  {name}" if place < 20 else None)
        axes.legend(fontsize=2, ncols=3)
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert set(names) < set(texts)
    assert {f"1.0  {name}" for name in names[:20]} < set(texts)
    assert not any(text.get_parse_math() for text in figure.findobj(Text))
    assert max(map(len, names)) == 50


def test_charts_of_the_report_hold_names():
    with plain_text():
        figure = Figure()
        for place, text in enumerate(HOSTILE):
            figure.text(0.1, place / len(HOSTILE), drawn(text), gid=tip(text))
        page = as_svg(figure, "name", " ".join(HOSTILE))
    seen = Page(page)
    assert seen.tags.keys() <= {"svg", "defs", "g", "path", "title", "text"}
    for text in HOSTILE:
        assert drawn(text) in seen.texts["text"], text
        assert visible(text) in seen.texts["title"], text
    assert 'style="' in page
    assert "var(--" not in " ".join(seen.texts["text"])


class Page(HTMLParser):
    """How often a page has each tag, the texts inside each, and the attributes' values."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.values, self.open = {}, {}, [], [""]
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.values += [value for _, value in attributes]
        self.texts.setdefault(tag, []).append("")
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open[-1]:
            self.texts[self.open[-1]][-1] += data


def test_the_page_of_a_report_holds_names(tmp_path):
    kept = [text for text in HOSTILE if len(text) < 100]
    value, folder = " ".join(text for text in kept if "/" not in text), tmp_path / "x [`$(ls)`]"
    make_folder(folder, [{"query": value}], seeds=1, labels=kept)
    about = json.loads((folder / "table.json").read_text()) | {"caption": value, "command": value}
    (folder / "table.json").write_text(json.dumps(about))
    seen = Page(render([read_table_folder(folder)]))
    assert seen.tags["script"] == 3
    assert value in seen.texts["th"]
    assert seen.texts["h1"] == seen.texts["title"][:1] == [value]
    assert {value, "x [`$(ls)`]"} < set(seen.texts["code"])
    assert "zsl train 'x [`$(ls)`]/runs/0-seed0/config.json'" in " ".join(seen.texts["code"])
    data = [json.loads(text) for text in seen.texts["script"] if text.startswith("{")]
    assert [value["labels"] for value in data] == [kept, kept]
    assert [row.label for row in read_table_folder(folder).runs[0].labels] == kept


def test_markdown_shows_names():
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for text in HOSTILE:
        line = visible(text).strip()
        table = Page(reader.render(TextTable("", [text, "b"], [[text, text], ["c", "d"]]).markdown()))
        assert table.texts["th"] == [line, "b"]
        assert table.texts["td"] == [line, line, "c", "d"]
        assert table.tags.keys() == {"table", "thead", "tbody", "tr", "th", "td"}
        assert Page(reader.render(f"# {markdown(text)}")).texts == {"h1": [line]}
        code = Page(reader.render(f"Repeat with {markdown_code(text)}."))
        assert code.texts["code"] == [visible(text)], text


# every way in which `latex` may write a letter, and the letter
WRITTEN = re.compile(
    r"\\text(backslash|asciitilde|asciicircum|asciigrave|less|greater|bar)\{\}|\\char34\{\}|\\([&%$#_{}])"
    r"|\{([\[\]*])\}|\$(\\pm|\^\\circ|-)\$|([-',])\{\}|--(?!-)|[^\\{}$&%#_~^\[\]*`\"<>|\n]"
)
LETTERS = {"backslash": "\\", "asciitilde": "~", "asciicircum": "^", "asciigrave": "`", "less": "<", "greater": ">"}
LETTERS |= {"bar": "|", r"\pm": "±", r"^\circ": "°", "-": "−"}


def test_latex_prints_names():
    for text in HOSTILE:
        written, found = latex(text), ""
        place = 0
        while place < len(written):
            sign = WRITTEN.match(written, place)
            assert sign, (text, written[place:])
            name, escaped, braced, mathematics, broken = sign.groups()
            dash = "–" if sign[0] == "--" else '"' if "char34" in sign[0] else sign[0]
            found += LETTERS.get(name or mathematics, "") or escaped or braced or broken or dash
            place = sign.end()
        assert found == visible(text)
        first, *lines = TextTable(text, [text, "b"], [[text, "1"], [text, "2"]]).latex().splitlines()
        assert first == f"% {visible(text)}"
        assert sum(line.endswith(r"\\") for line in lines) == 3
    assert latex_note(latex("été –")) == ""
    assert "LuaLaTeX" in TextTable("", ["猫"], []).latex()


def test_cells_of_csv_are_no_formulas_and_come_back():
    text = csv_text([[name, "1", "-0.5"] for name in HOSTILE])
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert [from_csv(first) for first, *_ in rows] == list(HOSTILE)
    assert {tuple(rest) for _, *rest in rows} == {("1", "-0.5")}
    formulas = [first for first, *_ in rows if first.startswith(tuple("=+-@\t\r\n＝＋－＠"))]
    assert formulas == ["-1"]  # a number
    assert from_csv("'=SUM(1)") == "=SUM(1)"


def test_a_table_of_hostile_values_is_drawn_and_reported(tmp_path):
    variants = tuple(Variant({"bank.file": text, "bank.encoder": text}) for text in HOSTILE[::7])
    metrics = {"zsl/map": 0.5, "zsl/map_chance": 0.1, COST: 1.0}
    records = [asdict(Record(variant.axes, 0, metrics, f"runs/{place}")) for place, variant in enumerate(variants)]
    plan = GridFile(FORMAT, "0" * 32, "a\nb $_$ <b>", RunConfig().model_dump(mode="json"), (0,), ())
    (tmp_path / "results.json").write_text(json.dumps(records))
    (tmp_path / "grid.json").write_text(json.dumps(asdict(plan)))
    folder = replace(read_table_folder(tmp_path), command="zsl ablate `x`\n")
    save_table(folder, metric_table(folder), Ablation(plan.caption, variants, "scenes", published="$_$"))
    page = (tmp_path / "report.md").read_text()
    assert page.startswith(r"# a\\nb \$\_\$ \<b\>" + "\n")
    assert r"Repeat with `` zsl ablate `x`\n ``;" in page
    assert (tmp_path / "table.tex").read_text().startswith("% a\\nb $_$ <b>\n")
    assert (tmp_path / "plot.png").is_file()


SCORES = """image,dog,cat [/m/01yrx],Ba$$in,a [bold],=SUM(1),_sun
0.jpg,0.596,0.385,0.576,0.29,0.189,0.187
1.jpg,0.613,0.657,0.477,0.09,0.758,0.877
2.jpg,0.923,0.842,0.898,0.923,0.541,0.391
"""
TARGETS = """image,dog,cat [/m/01yrx],Ba$$in,a [bold],=SUM(1),_sun
0.jpg,1,1,0,1,0,1
1.jpg,0,0,1,0,1,0
2.jpg,0,1,0,0,0,0
"""


def test_scores_of_hostile_labels_are_measured(tmp_path):
    scores, targets, unseen = tmp_path / "[x].csv", tmp_path / "targets.csv", tmp_path / "unseen.txt"
    scores.write_text(SCORES)
    targets.write_text(TARGETS)
    unseen.write_text("Ba$$in\na [bold]\n_sun\n")
    out = tmp_path / "runs[/y]"
    k = ("--set", "evaluate.k=[1]", "--set", "evaluate.bootstrap=0")
    result = zsl("evaluate", "--from-scores", scores, "--targets", targets, "--unseen", unseen, "--out", out, *k)
    assert result.exit_code == 0, result.output
    assert "[x].csv" in result.stdout
    assert "runs[/y]/: metrics.json" in result.stdout
    rows = list(csv.reader(io.StringIO((out / "labels.csv").read_text(), newline=""), strict=True))
    labels = ["dog", "cat [/m/01yrx]", "=SUM(1)", "Ba$$in", "a [bold]", "_sun"]
    assert [from_csv(first) for first, *_ in rows[1:]] == labels
    assert rows[3][0] == "'=SUM(1)"


def test_a_name_that_cannot_be_written_is_named(tmp_path):
    for key in ("scores", "targets"):
        np.savez(tmp_path / f"{key}.npz", **{key: np.eye(2)}, labels=np.array(["sky", "sea\ud800"]))
    measured = zsl("evaluate", "--from-scores", tmp_path / "scores.npz", "--targets", tmp_path / "targets.npz", "--out",
                   tmp_path / "out", "--set", "evaluate.k=[1]", "--set", "evaluate.bootstrap=0")  # fmt: skip
    refused(measured, r"sea\ud800", "is not Unicode text; rename it")
    assert not (tmp_path / "out").exists()


# what may stand in one place alone, and where
PLACES = {
    r"(?<!Plain)Console\((?!Console\))": set(),
    r"typer\.echo\((?!json\.dumps|context\.get_help)": {
        "experiments/output/console.py",
        "experiments/commands/predict.py",
    },
    r"\bTextColumn\((?!.*markup=False)": set(),
    r"csv\.(w|DictW)riter\(": set(),
    r"\bfrom_markup\b|rich\.markup": set(),
    r"\.savefig\(": {"experiments/output/plots.py", "experiments/report/svg.py"},
    r"pyplot": set(),
    r"autoescape=(?!True)": set(),
    r"\| safe": {"experiments/report/page.html"},  # charts
}


@pytest.mark.parametrize("written", PLACES)
def test_a_medium_is_written_in_one_place(written):
    paths = [path for package in ("embeddings", "zsl", "experiments") for path in (ROOT / package).rglob("*.*")]
    sources = {path: path.read_text("utf-8") for path in paths if path.suffix in (".py", ".html")}
    found = {str(path.relative_to(ROOT)) for path, text in sources.items() if re.search(written, text)}
    assert found == PLACES[written]


def test_examples():
    assert doctest.testmod(embeddings.io.markup).failed == 0
    assert Path(embeddings.io.markup.__file__).is_relative_to(ROOT)
