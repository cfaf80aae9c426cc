"""`predict` and `scores`: any words on any picture, and no word's score depends on the others."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import zsl
import zsl.prediction.asking
from embeddings import build_bank, extend_bank
from zsl.prediction.prediction import logits_of
from zsl.prediction.thresholds import Rule, Thresholds
from zsl.prediction.words import words_of
from zsl.readouts.normalisation import Normalisation

WORDS = ("green disc", "red dot", "a lake", "blue house", "snow")


@pytest.fixture(scope="module")
def model(run):
    return run[1]


@pytest.fixture(scope="module")
def pictures(photos):
    return sorted(photos.rglob("*.jpg"))[:5]


def _by_hand(model, path, word):
    """The logit of one word on one picture, from the parts."""
    bank = model.bank if word in model.bank.labels else extend_bank(model.bank, [word])
    vector, seen = (torch.from_numpy(bank.select(names)) for names in ([word], model.seen))
    square = np.array(model.facts.square.of(Image.open(path).convert("RGB")))
    with torch.no_grad():
        tokens = model.backbone(torch.from_numpy(square).permute(2, 0, 1)[None])
        return float(model.readout.bind_each(vector, "anchored", seen)(tokens))


def test_scores_are_those_of_the_parts(model, pictures):
    found = model.scores(pictures, WORDS)
    expected = [[_by_hand(model, path, word) for word in WORDS] for path in pictures]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("company", ["anchored", "alone"])
def test_order_and_company_of_the_words_do_not_matter(model, pictures, company):
    names = tuple(dict.fromkeys((*model.bank.labels, *WORDS)))
    words, expected = words_of(model.bank, model.seen, names), model.scores(pictures[:1], names, company=company)
    square = np.array(model.facts.square.of(Image.open(pictures[0]).convert("RGB")))
    with torch.inference_mode():
        tokens = model.tokens(torch.from_numpy(square).permute(2, 0, 1)[None])
    generator, context = np.random.default_rng(0), zsl.Context.of("fp32")
    for _ in range(100):
        chosen = generator.permutation(len(names))[: generator.integers(1, len(names) + 1)]
        some = zsl.Words(tuple(names[place] for place in chosen), words.vectors[chosen], words.seen[chosen])
        with torch.inference_mode():
            found = logits_of(model.asked(some, company, context), tokens)
        np.testing.assert_allclose(found, expected[:, chosen], atol=1e-5)


def test_blocks_of_words_give_what_the_whole_gives(model, pictures, monkeypatch):
    names = tuple(dict.fromkeys((*model.bank.labels, *WORDS)))
    whole, best = model.scores(pictures, names), model.predict(pictures, names, top=4)
    monkeypatch.setattr(zsl.prediction.asking, "BLOCK", 3)
    np.testing.assert_allclose(model.scores(pictures, names), whole, atol=1e-6)
    again = model.predict(pictures, names, top=4)
    assert [[one.label for one in p.found] for p in again] == [[one.label for one in p.found] for p in best]


def test_the_best_words_are_those_with_the_highest_scores(model, pictures):
    scores, found = model.scores(pictures, WORDS), model.predict(pictures, WORDS, top=3)
    for row, prediction, path in zip(scores, found, pictures, strict=True):
        order = np.argsort(-row)[:3]
        assert prediction.name == str(path)
        assert [one.label for one in prediction.found] == [WORDS[place] for place in order]
        np.testing.assert_allclose([one.logit for one in prediction.found], row[order], atol=1e-6)
        np.testing.assert_allclose([one.score for one in prediction.found], 1 / (1 + np.exp(-row[order])), atol=1e-6)
    assert not any(one.seen for one in found[0].found)
    assert all(one.seen for one in model.predict(pictures[0], model.seen)[0].found)


def test_a_picture_may_be_a_path_an_image_an_array_or_a_tensor(model, pictures):
    image = Image.open(pictures[0]).convert("RGB")
    array = np.array(image)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    expected = model.scores(pictures[0], WORDS)
    assert expected.shape == (1, len(WORDS))
    for given in (str(pictures[0]), image, array, tensor, array[None], tensor[None], [image], (array,)):
        np.testing.assert_array_equal(model.scores(given, WORDS), expected)
    both = model.scores([pictures[1], tensor], WORDS)
    np.testing.assert_allclose(both[1:], expected, atol=1e-6)


def test_words_may_be_a_text_a_file_or_a_bank(model, pictures, tmp_path):
    expected = model.scores(pictures[0], WORDS)
    (tmp_path / "words.txt").write_text("\n".join(WORDS))
    longer = extend_bank(model.bank, [word for word in WORDS if word not in model.bank.labels])
    longer.save(tmp_path / "longer.bank")
    for given in (", ".join(WORDS), tmp_path / "words.txt", str(tmp_path / "words.txt")):
        np.testing.assert_array_equal(model.scores(pictures[0], given), expected)
    columns = longer.rows(WORDS)
    for given in (longer, tmp_path / "longer.bank"):
        np.testing.assert_allclose(model.scores(pictures[0], given)[:, columns], expected, atol=1e-6)
    assert model.scores(pictures[0]).shape == (1, len(model.bank))


@pytest.mark.parametrize("company", ["anchored", "grouped"])
def test_scores_are_normalised_by_those_of_the_seen_labels(run, pictures, company, tmp_path):
    model = zsl.load(run[0])
    names = (*WORDS, *model.seen)
    plain, seen = (model.scores(pictures, words, company=company) for words in (names, model.seen))
    for chosen in (Normalisation("image"), Normalisation("softmax", 2.0)):
        model.normalisation = chosen
        expected = chosen.of(plain, seen, np.array([name in model.seen for name in names]))
        np.testing.assert_allclose(model.scores(pictures, names, company=company), expected, atol=1e-5)
    (best,) = model.predict(pictures[0], names, top=1, company=company)
    np.testing.assert_allclose(best.found[0].score, np.exp(expected[0].max()), rtol=1e-5)  # of log-probabilities
    with pytest.raises(zsl.InputError, match="'label' needs the scores of a whole test set, which single pictures do"):
        model.normalisation = Normalisation("label")
    model.save_pretrained(tmp_path / "exported")
    assert zsl.load(tmp_path / "exported").normalisation == Normalisation("softmax", 2.0)


def test_thresholds_scale_scores_and_choose_words(model, pictures):
    plain = model.scores(pictures, model.bank.labels)
    seen = np.array([label in model.seen for label in model.bank.labels])
    middle = float(np.median(plain))
    one, two = Rule(0.5, middle, 0.5), Rule(2.0, middle - 0.01, 0.4)
    thresholds = Thresholds(one, two, {model.seen[0]: 0.9}, "anchored")
    trained = zsl.TrainedModel(model.backbone, model.readout, False, model.facts, model.bank, thresholds).eval()
    trained.normalisation = Normalisation("none")
    with pytest.raises(zsl.InputError, match="thresholds of mine are for normalise = 'none', not 'image'"):
        trained.normalisation = Normalisation("image")
    found = trained.predict(pictures, threshold="auto", top=None)
    scaled = np.where(seen, (plain - middle) / 0.5, (plain - middle + 0.01) / 2)
    probabilities = 1 / (1 + np.exp(-scaled))
    least = np.where(seen, 0.5, 0.4)
    least[0] = 0.9
    assert model.bank.labels[0] == model.seen[0]
    for row, prediction in zip(probabilities, found, strict=True):
        expected = {label: p for label, p, t in zip(model.bank.labels, row, least, strict=True) if p > t}
        assert {one.label: one.score for one in prediction.found} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("", "there is no label"),
        ([], "there is no label"),
        ("sun,,moon", "a label name is empty"),
        ("x" * 10_000, "10,000 letters.* is too long"),
        ("sun, moon,sun", "label 'sun' appears twice"),
        ("missing.txt", "missing.txt"),
        ({"sun", "moon"}, "labels of type set; give names"),
    ],
)
def test_words_that_cannot_be_asked_are_one_line(model, pictures, labels, told):
    with pytest.raises(zsl.InputError, match=told):
        model.scores(pictures[0], labels)


def test_pictures_that_cannot_be_read_are_one_line(model, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    cases = [
        ([], "there is no picture"),
        (tmp_path / "none.jpg", "none.jpg does not decode"),
        (tmp_path / "text.jpg", "text.jpg does not decode"),
        (3, "int"),
        ([None], "picture 0 is of type NoneType"),
        (np.zeros((4, 4, 3)), "float64; give uint8"),
        (np.zeros((3, 4, 4), np.uint8), r"shape \(3, 4, 4\); give \(row, column, 3\)"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), r"give \(3, row, column\)"),
        (Image.new("F", (4, 4)), "image number 0 does not decode .pixels of 32 bits"),
        (Image.new("RGB", (4, 0)), "picture 0 has no pixels"),
    ]
    for given, told in cases:
        with pytest.raises(zsl.InputError, match=told):
            model.scores(given, WORDS)


def test_a_picture_in_memory_is_turned_upright_as_its_file_is(model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(
        tmp_path / "a.png", exif=exif
    )
    found = model.scores([tmp_path / "a.png", Image.open(tmp_path / "a.png")], np.array(["sun", "moon"]))
    np.testing.assert_array_equal(found[0], found[1])


def test_a_model_of_another_type_of_numbers(model, pictures):
    expected = model.scores(pictures, WORDS)
    for change, atol in ((nn.Module.double, 1e-5), (nn.Module.half, 0.02)):
        changed = change(copy.deepcopy(model))
        np.testing.assert_allclose(changed.scores(pictures, WORDS), expected, atol=atol)
        assert changed.attention(pictures[0], "sun").dtype == np.float32


def test_spoilt_weights_are_one_line(model, pictures):
    spoilt = copy.deepcopy(model)
    with torch.no_grad():
        next(spoilt.readout.parameters()).fill_(torch.nan)
    for ask in (spoilt.scores, spoilt.predict):
        with pytest.raises(zsl.InputError, match="scores are not finite"):
            ask(pictures[0], WORDS)


def test_a_bank_of_another_kind_is_refused(model, pictures):
    for other, told in (
        (build_bank(WORDS, "lexical:8"), "width 8, the model's 16"),
        (build_bank(WORDS, "random:16"), "encoder 'random:16', the model's 'lexical:16'"),
        (build_bank(WORDS, "lexical:16"), "prompts"),
        (build_bank(WORDS, "lexical:16", prompts=("a {}", "the {}")), "transforms"),
        (build_bank(WORDS, "lexical:16", prompts=("a {}", "the {}"), transforms=("center", "l2")), "fitted on other"),
    ):
        with pytest.raises(zsl.InputError, match=told):
            model.scores(pictures[0], other)


def test_choices_that_are_not_possible_are_one_line(model, pictures):
    for options, told in (
        ({"top": 0}, "top = 0"),
        ({"threshold": 2.0}, "threshold 2.0"),
        ({"threshold": "auto"}, "run zsl threshold"),
    ):
        with pytest.raises(zsl.InputError, match=told):
            model.predict(pictures[0], WORDS, **options)


def test_progress_counts_pictures_and_blocks_of_words(model, pictures, monkeypatch):
    told = []
    monkeypatch.setattr(zsl.prediction.asking, "BLOCK", 2)
    context = zsl.Context.of("fp32", 2, progress=lambda task, done, total, note="": told.append((task, done, total)))
    model.predict(pictures, model.bank.labels, context=context)
    assert [step for step in told if step[0] == "predict"] == [
        ("predict", done, 15) for done in (2, 4, 6, 8, 10, 12, 13, 14, 15)
    ]
