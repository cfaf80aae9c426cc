"""Notes for users: word vectors that they did not choose, and results no better than chance."""

import json

import numpy as np
import pytest

from experiments.config.advice import (
    FIRST,
    SPELLING,
    WORDLESS,
    chance_notes,
    encoder_notes,
    parts_at_chance,
    remedies,
    training_notes,
)
from experiments.config.reading import load_config
from experiments.config.recipes import recipes
from experiments.grids.grid import table_grid
from experiments.grids.grid_file import spec_grid
from experiments.grids.paper_tables import ABLATIONS
from tests.experiments.command import zsl
from zsl.training.history import History

# whose recipes choose word vectors
CHOSEN = ("demo", "scenes", "scenes_closed", "scenes_many", "scenes_single", "photographs", "photographs_groups")
CHOSEN += ("corel5k_photos",)
# no part of their readouts is made from vectors
WITHOUT = ("cifar100", "coco", "imagenet_sigmoid", "imagenet_softmax", "open_images", "stanford_cars", "voc")


@pytest.mark.parametrize("name", recipes())
def test_recipes_choose_word_vectors_or_note_the_default(name):
    chosen = name in CHOSEN + WITHOUT or name.startswith("nus_wide")
    assert encoder_notes(load_config(name, [])) == (() if chosen else (SPELLING,))
    assert encoder_notes(load_config(name, ["bank.encoder=lexical"])) == ()
    assert encoder_notes(load_config(name, ["bank.file=x.bank"])) == ()


def test_a_readout_without_word_vectors_needs_none():
    for setting, notes in (("decoder.kind=gap", ()), ("decoder.kind=conse", (SPELLING,)), ("bank.seed=1", (SPELLING,))):
        assert encoder_notes(load_config("corel5k", [setting])) == notes
    assert encoder_notes(load_config("coco", ["decoder.query=text"])) == (SPELLING,)


def test_tables_and_grids_note_the_default_too(tmp_path):
    config = load_config("corel5k", [])
    assert table_grid(ABLATIONS["table8"], config, 1).notes == (SPELLING,)
    assert table_grid(ABLATIONS["encoders"], config, 1).notes == ()  # each row has an encoder
    path = tmp_path / "grid.toml"
    path.write_text('config = "corel5k"\n[axes]\nbank.encoder = ["lexical", "random"]\n[[include]]\ntrain.epochs = 3\n')
    assert spec_grid(path, None, [], None).notes == (SPELLING,)  # of the included run
    assert spec_grid(path, None, ["bank.encoder=random"], None).notes == ()


def test_a_users_config_without_an_encoder_gets_one_note(regions, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f'[data]\nname = "corel5k"\nfile = "{tmp_path}/r.npz"\nsplit = "{tmp_path}/split.json"\n')
    options = ["--set", "decoder.kind=eszsl", "--set", "evaluate.k=[1]"]
    result = zsl("train", path, "--out", tmp_path / "run", *options)
    assert result.exit_code == 0
    assert result.stdout.count(f"note: {SPELLING}") == 1
    assert "at chance" not in result.stdout  # each label has a region of its own
    path.write_text(path.read_text() + '[bank]\nencoder = "lexical"\n')
    assert SPELLING not in zsl("train", path, "--out", tmp_path / "other", *options).stdout


def test_a_run_at_chance_says_so_when_it_is_trained_and_measured(regions, tmp_path):
    content = dict(np.load(tmp_path / "r.npz"))
    content["Y"] = np.random.default_rng(1).permutation(content["Y"])  # images show what others are said to show
    np.savez(tmp_path / "r.npz", **content)
    result = zsl("train", "corel5k", "--out", tmp_path / "run", *regions, "--set", "decoder.kind=eszsl")
    assert result.exit_code == 0
    history = json.loads((tmp_path / "run/history.json").read_text())
    assert (
        f"note: the run ended at chance (seen validation mAP {100 * history['validation_map'][0]:.1f} %"
        in result.stdout
    )
    result = zsl("evaluate", tmp_path / "run")
    assert "At chance: the mAP of unseen labels" in result.stdout
    assert f"note: {FIRST}" in result.stdout
    assert "At chance" in (tmp_path / "run/evaluation.md").read_text()


def test_what_to_try_follows_from_what_is_at_chance():
    history = History(validation_map=[0.01, 0.02], best_epoch=1, chance=0.02)
    assert FIRST in training_notes(history, solved=False)[0]
    assert FIRST not in training_notes(history, solved=True)[0]
    assert training_notes(History(validation_map=[0.5], best_epoch=0, chance=0.02), solved=False) == ()
    chance = {"zsl/map_chance": 0.1, "gzsl/map_seen_chance": 0.05, "closed/map_chance": 0.3}
    found = {"zsl/map": 0.12, "gzsl/map_seen": 0.4}
    # with an interval it is what counts: 0.12 is above chance if it begins above 0.1
    assert parts_at_chance(found | chance, {"zsl/map": (0.11, 0.13)}) == ()
    parts = parts_at_chance(found | chance, {"zsl/map": (0.09, 0.15)})
    assert parts == parts_at_chance(found | chance, {}) == ("unseen labels",)
    assert WORDLESS in remedies(parts)[0]
    both = parts_at_chance({"zsl/map": 0.1, "gzsl/map_seen": 0.05} | chance, {})
    assert "mAP of unseen labels and seen labels" in chance_notes(both)[0]
    assert "more train.epochs" in remedies(both)[0]
    # seen labels alone at chance: what unseen ones show says that the model has learnt
    assert parts_at_chance({"zsl/map": 0.6, "gzsl/map_seen": 0.05} | chance, {}) == ()
    assert parts_at_chance({"closed/map": 0.3} | chance, {}) == ("labels",)
    assert chance_notes(()) == remedies(()) == ()
