"""Every readout of the table: small, with its shapes, in training, and saved."""

import pytest
import torch

from embeddings.io.errors import InputError
from zsl.acceleration import make_accelerator
from zsl.context import Context
from zsl.data.dataset import Part, Tensors
from zsl.data.loading import Samples, SeenSamples
from zsl.data.targets import Targets
from zsl.model import ZeroShotModel
from zsl.readouts.closed_form import ClosedFormReadout
from zsl.readouts.group_decoder import MlDecoderConfig
from zsl.readouts.kernel_eszsl import KernelEszslConfig
from zsl.readouts.max_pooled import MaxPooledReadout
from zsl.readouts.table import READOUTS, check_readout, make_readout
from zsl.scoring import score
from zsl.training.config import TrainConfig
from zsl.training.fitting import fit_model
from zsl.training.loop import Training
from zsl.training.plan import Plan

IMAGES, TOKENS, EMBED, LABELS = 61, 3, 7, 5
# of the keys that a readout may have, values that are small; the sizes are prime or odd where they can be
SMALL = {"width": 28, "ffn": 17, "group_size": 2, "attention_heads": 4, "dropout": 0, "top": LABELS, "landmarks": 64}
SMALL["normalise"] = "none"  # standardised scores rank the labels of an image, not always the images of a label
SMALL["members"] = (
    {"kind": "eszsl"},
    {"kind": "label-attention", "width": 28, "ffn": 17, "attention_heads": 4, "dropout": 0},
)


def _config(kind):
    known = READOUTS[kind].model_fields
    return READOUTS[kind](**{key: value for key, value in SMALL.items() if key in known})


def _channels(kind, channels=13):
    """The size of a token; that of a word vector where both are of one space."""
    return EMBED if READOUTS[kind].aligned else channels


def _make(kind, channels=13):
    return make_readout(_config(kind), _channels(kind, channels), EMBED, LABELS)


@pytest.mark.parametrize("kind", READOUTS)
def test_shapes_and_binding(kind):
    torch.manual_seed(0)
    readout = _make(kind)
    features, vectors = torch.randn(IMAGES, TOKENS, _channels(kind)), torch.randn(11, EMBED)
    readout.remember(vectors[:LABELS])
    readout.eval()
    assert isinstance(readout, ClosedFormReadout) == READOUTS[kind].solved
    assert readout.fixed == READOUTS[kind].fixed
    logits = readout(features, vectors)
    assert logits.shape == (IMAGES, 11)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(readout.bind(vectors)(features), logits, equal_nan=True)
    maps = features.transpose(1, 2)[..., None]
    torch.testing.assert_close(readout(maps, vectors), logits, equal_nan=True)
    assert next(readout.parameters()).dtype == torch.float32  # what tokens kept in half the bits are made to


def _toy(channels=LABELS):
    """Samples whose labels are channels: each token has its own label strongly, and the image's other labels weakly.

    Without the weak part, a readout that takes one token per label cannot learn. The token of an absent label is then
    zero; a label whose weight starts negative scores its own token below that, never takes it, and so its weight gets
    no gradient.
    """
    generator = torch.Generator().manual_seed(0)
    present = torch.rand(IMAGES, LABELS, generator=generator) < 0.4
    present[~present.any(1), 0] = True
    tokens = present.float()[:, None] + 2 * torch.diag_embed(present.float())
    tokens = torch.nn.functional.pad(tokens, (0, channels - LABELS))
    return Samples(Part(Tensors(tokens), Targets.of(present.numpy())))


@pytest.mark.parametrize("kind", READOUTS)
def test_a_toy_of_plain_labels_is_learnt_whole(kind):
    """Any readout finds the labels of every image, with the loop or the solution of a run."""
    scores, order = _learn_the_toy(lambda: _make(kind, LABELS), _config(kind))
    if _config(kind).reads_vectors and "group_size" not in READOUTS[kind].model_fields:  # groups depend on the order
        torch.testing.assert_close(scores["turned"], scores["as trained"][:, order], rtol=0, atol=1e-5)


def test_the_readout_of_pretraining_learns_the_toy():
    """No config names it, and it chooses one token per label."""
    scores, order = _learn_the_toy(lambda: MaxPooledReadout(LABELS, EMBED))
    torch.testing.assert_close(scores["turned"], scores["as trained"][:, order], rtol=0, atol=1e-5)


def _learn_the_toy(make, decoder=None):
    """Trains at one of two rates; gives the scores of the saved model with labels as trained and in another order."""
    samples = _toy(LABELS if decoder is None else _channels(decoder.kind, LABELS))
    vectors = torch.eye(LABELS, EMBED)
    context, seen = Context.of("fp32", batch_size=16), SeenSamples(samples, samples, vectors)
    # what it standardises by image ranks the labels of an image, not always the images of a label
    enough = 0.99 if isinstance(decoder, KernelEszslConfig) else 1.0
    for lr in (5e-3, 0.3):  # linear maps need the larger step
        torch.manual_seed(0)
        model = ZeroShotModel(None, make())
        config = TrainConfig(epochs=30, batch_size=16, lr=lr, ema=0, precision="fp32", loss="bce")
        plan = Plan(config, (lr,), () if decoder is None else Plan.of(decoder, config).members)
        history = fit_model(model, plan, seen, context)
        if history.best >= enough and (len(history.loss) == 1 or history.loss[-1] < history.loss[0] / 3):
            break
    else:
        pytest.fail(f"seen validation mAP {history.best}, loss {history.loss[0]} to {history.loss[-1]}")

    other = ZeroShotModel(None, make())
    other.load_state_dict(model.state_dict())
    order = torch.tensor([3, 1, 4, 0, 2])
    return score(other, samples, {"as trained": vectors, "turned": vectors[order]}, context), order


def test_a_solved_readout_is_not_trained():
    samples = Samples(Part(Tensors(torch.ones(4, TOKENS, 13)), Targets.of(torch.ones(4, LABELS).numpy())))
    seen, model = SeenSamples(samples, samples, torch.ones(LABELS, EMBED)), ZeroShotModel(None, _make("eszsl"))
    with pytest.raises(InputError, match="EszslReadout has nothing to train"):
        Training(TrainConfig(), model, seen, Context.of("fp32"))


@pytest.mark.parametrize("kind", READOUTS)
def test_a_readout_that_fits_the_memory_passes(kind):
    check_readout(_config(kind), _channels(kind), EMBED, LABELS, torch.device("cpu"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"width": 10**6, "ffn": 10**6},
            r"decoder.width = 1000000, decoder.ffn = 1000000, .* GB of memory, and",
        ),
        ({"width": 10**12}, "decoder.width = 1000000000000, .* more than 10.9 GB"),
        ({"width": 10**30}, "decoder.width = 10{30}, "),
        ({"layers": 10**9}, "decoder.layers = 1000000000: training needs"),
        ({"width": 4, "attention_heads": 1, "num_groups": 1}, "decoder.width = 4 is less than the 5 labels of a group"),
        ({"group_size": 6}, "decoder.group_size = 6 is not between 1 and the 5 labels"),
        ({"num_groups": 6}, "decoder.num_groups = 6 is not between 1 and the 5 labels"),
        ({"attention_heads": 5}, "decoder.attention_heads = 5 does not divide width = 768"),
        ({"query": "random", "query_noise": 0.1}, "decoder.query_noise = 0.1 is added to word vectors"),
        ({"query": "random", "official_queries": True}, "decoder.official_queries are made from word vectors"),
    ],
)
def test_sizes_that_do_not_fit_the_memory_are_named_before_anything_is_made(options, message):
    with pytest.raises(InputError, match=message):
        check_readout(MlDecoderConfig(**options), 13, EMBED, LABELS, torch.device("cpu"))


@pytest.mark.parametrize("kind", READOUTS)
def test_parameters_are_counted_without_being_drawn(kind):
    state = torch.get_rng_state()
    counted = _config(kind).count_parameters(_channels(kind), EMBED, LABELS)
    assert torch.equal(torch.get_rng_state(), state)
    assert counted == sum(parameter.numel() for parameter in _make(kind).parameters())


def test_parameters_of_many_layers_are_counted_from_two():
    config = MlDecoderConfig(width=28, ffn=17, layers=5, attention_heads=4)
    whole = sum(p.numel() for p in make_readout(config, 13, EMBED, LABELS).parameters())
    assert config.count_parameters(13, EMBED, LABELS) == whole


def test_by_default_there_are_100_groups_or_one_per_label():
    assert make_readout(MlDecoderConfig(), 13, EMBED, LABELS).num_groups == LABELS
    assert make_readout(MlDecoderConfig(), 13, EMBED, 211).num_groups == 71  # ceil(211 / ceil(211 / 100))


def test_half_precision_of_a_gpu_needs_one():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="train.precision = 'fp16' needs a GPU, and there is none; set"):
        make_accelerator("fp16")


def test_trackers_that_are_not_installed_are_named():
    with pytest.raises(InputError, match="train.trackers: 'nothing' is not installed; installed: .*tensorboard"):
        make_accelerator("fp32", ("tensorboard", "nothing"))
