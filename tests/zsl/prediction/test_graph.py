"""Graphs of torch.export and ONNX give the logits of prediction, for any number of pictures and labels."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from embeddings import build_bank
from embeddings.io.errors import InputError
from zsl.prediction.facts import Facts
from zsl.prediction.graph import Graph
from zsl.prediction.graph_files import export_onnx, export_torch
from zsl.prediction.model import TrainedModel
from zsl.prediction.words import words_of
from zsl.readouts.normalisation import Normalisation
from zsl.readouts.table import READOUTS, make_readout

onnxruntime = pytest.importorskip("onnxruntime")
SEEN, WORDS = ("red cat", "blue dog", "old harbour", "snow", "green lake"), ("a lake", "snow", "two cats")
CHANNELS, EMBED = 13, 7
SIZES = {"width": 28, "ffn": 17, "group_size": 2, "attention_heads": 4, "dropout": 0, "top": 3}
SIZES["members"] = ({"kind": "eszsl"}, {"kind": "conse", "top": 3}, {"kind": "gap-text", "columns": (2, 7)})


def _model(kind, loss="bce", **keys):
    """A model of tokens with random weights."""
    torch.manual_seed(0)
    known = READOUTS[kind].model_fields
    config = READOUTS[kind](**{key: value for key, value in (SIZES | keys).items() if key in known})
    bank = build_bank(SEEN, f"lexical:{EMBED}")
    channels = EMBED if config.aligned else CHANNELS
    readout = make_readout(config, channels, EMBED, len(SEEN))
    readout.remember(torch.from_numpy(bank.select(SEEN)))
    for parameter in readout.parameters():  # closed forms have NaN until they are solved
        if parameter.isnan().any():
            nn.init.normal_(parameter)
    facts = Facts("small", "data", "fingerprint", SEEN, channels, EMBED, loss)
    return TrainedModel(None, readout, loss == "softmax", facts, bank).eval()


class Every(nn.Module):
    """Several graphs as one: an export costs a second and more. Each reads as many channels as it knows."""

    def __init__(self, graphs):
        super().__init__()
        self.graphs = nn.ModuleList(graphs)

    def forward(self, tokens, vectors):
        return tuple(graph(tokens[..., : graph.facts.channels], vectors) for graph in self.graphs)


# the decoder with groups is exported with a backbone, below
CASES = {kind: _model(kind) for kind in READOUTS if kind != "ml-decoder"}
CASES["cosine"] = _model("gap-text", cosine=True)
CASES["shared queries"] = _model(
    "label-attention", queries=3, weighting="sigmoid", answers=2, combined="logsumexp", cosine=True
)
CASES["best patches"] = _model("pair", reading="top")
CASES["weighted patches"] = _model("pair", reading="softmax")
CASES["residual"] = _model("gap-text", residual="eszsl")
CASES["softmax"] = _model("gap-text", loss="softmax")
for how in ("image", "softmax"):
    CASES[f"normalised by {how}"] = _model("gap-text")
    CASES[f"normalised by {how}"].normalisation = Normalisation(how, 2.0)


@pytest.fixture(scope="module")
def every():
    """The logits of onnxruntime and of torch.export, by case, for tokens and vectors."""
    graphs = [Graph(model) for model in CASES.values()]
    shapes = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("token")}, {0: torch.export.Dim("label")})
    program = torch.export.export(Every(graphs), graphs[0].example(), dynamic_shapes=shapes)
    exported = torch.onnx.export(program, input_names=("tokens", "vectors"), dynamo=True, verbose=False)
    session, module = onnxruntime.InferenceSession(exported.model_proto.SerializeToString()), program.module()

    def logits(tokens, vectors):
        found = session.run(None, {"tokens": tokens.numpy(), "vectors": vectors.numpy()})
        return dict(zip(CASES, zip(found, module(tokens, vectors), strict=True), strict=True))

    return logits


@pytest.mark.parametrize(("pictures", "tokens", "names"), [(1, 1, 1), (1, 11, 3), (5, 3, 2), (2, 300, 8)])
def test_every_readout_gives_the_logits_of_prediction(every, pictures, tokens, names):
    words = ("a lake", *SEEN, "dogs", "red")[:names]
    inputs = torch.randn(pictures, tokens, CHANNELS, generator=torch.Generator().manual_seed(names))
    vectors = words_of(CASES["gap"].bank, SEEN, words).vectors
    found = every(inputs, torch.from_numpy(vectors))
    for case, model in CASES.items():
        expected = model.scores(inputs[..., : model.facts.channels], words)
        for logits in found[case]:
            assert logits.shape == (pictures, names)
            np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4, err_msg=case)


@pytest.mark.parametrize(
    ("company", "keys"),
    [
        ("grouped", {"grouping": "similar"}),
        ("anchored", {"grouping": "similar"}),
        ("grouped", {"grouping": "redrawn", "groupings": 3}),
    ],
)
def test_a_fixed_vocabulary_needs_no_vectors(company, keys):
    model = _model("ml-decoder", **keys)
    graph = Graph(model, words_of(model.bank, SEEN, WORDS), company)
    tokens = torch.randn(2, 11, CHANNELS)
    assert graph.input_names == ("tokens",)
    logits = graph.exported().module()(tokens)
    np.testing.assert_allclose(logits, model.scores(tokens, WORDS, company=company), rtol=0, atol=1e-5)


def test_an_onnx_file_reads_pictures_and_says_how(run, photos, tmp_path):
    model, path, paths = run[1], tmp_path / "model.onnx", sorted(photos.rglob("*.jpg"))[:3]
    assert export_onnx(model, path) < 1e-4
    session = onnxruntime.InferenceSession(path)
    known = session.get_modelmeta().custom_metadata_map
    assert json.loads(known["square"])["size"] == 32
    assert (known["company"], known["scores"], known["encoder"]) == ("anchored", "logits", "lexical:16")
    assert known["bank_sha256"] == model.bank.sha256
    assert "labels" not in known
    pixels = next(model.pictures(paths).batches(3))[1].numpy()
    for words in (("snow",), (*model.seen, "a lake", "a lake with a red dot")):
        vectors = words_of(model.bank, model.seen, words).vectors
        for chosen in (slice(3), slice(1)):
            (logits,) = session.run(["logits"], {"pictures": pixels[chosen], "vectors": vectors})
            np.testing.assert_allclose(logits, model.scores(paths[chosen], words), rtol=0, atol=1e-4)


def test_groups_need_a_vocabulary():
    with pytest.raises(InputError, match="company 'grouped' needs a vocabulary"):
        Graph(_model("ml-decoder"), company="grouped")


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("zsl.prediction.graph_files.find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"ONNX needs onnx, onnxscript, onnxruntime: pip install 'zero-shot-toolkit\[onnx\]'"
    ):
        export_onnx(_model("gap-text"), tmp_path / "model.onnx")


def test_a_graph_that_differs_is_not_written(monkeypatch, tmp_path):
    monkeypatch.setattr("zsl.prediction.graph.Graph.exported", lambda graph: Wrong())
    with pytest.raises(InputError, match="is not written: its logits differ from those of prediction by 1.0e"):
        export_torch(_model("gap-text"), tmp_path / "model.pt2")
    assert not any(tmp_path.iterdir())


class Wrong:
    """A program whose logits are 1 too high."""

    def module(self):
        graph = Graph(_model("gap-text"))
        return lambda *inputs: graph(*inputs) + 1
