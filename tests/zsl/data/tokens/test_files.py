"""A folder of tokens whose files were damaged: each is one line with its name."""

import json
import shutil

import numpy as np
import pytest
import torch

from embeddings.io.errors import InputError
from zsl.context import Context
from zsl.data.dataset import MultiLabelData, Part, Tensors
from zsl.data.targets import Targets
from zsl.data.tokens.extraction import extract
from zsl.data.tokens.files import hash_of, load_tokens, map_shard
from zsl.data.tokens.writing import Extraction

IMAGES, TESTED, LABELS, SEEN = 7, 5, ("sky", "sea", "cat"), 2


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    parts = []
    for rows, labels in ((IMAGES, SEEN), (TESTED, len(LABELS))):
        values = torch.from_numpy(generator.normal(size=(rows, 3, 11)).astype(np.float32)).half()
        parts.append(Part(Tensors(values), Targets.of(generator.random((rows, labels)) < 0.5)))
    return MultiLabelData("made", LABELS[:SEEN], LABELS[SEEN:], *parts, "tokens", "x", renamed={"other": ("dog",)})


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "tokens"
    extract(None, data, folder, SETTINGS, Context.of("fp32", batch_size=2))
    return folder


@pytest.fixture
def root(made, tmp_path):
    shutil.copytree(made, tmp_path / "tokens")
    return tmp_path / "tokens"


SETTINGS = Extraction(dtype="fp16", rows=4, made_with={"weights": None})


def _load(root, verify="full"):
    return load_tokens(root, full=verify == "full")


def test_tokens_come_back(root, data):
    found = _load(root)
    for part in ("train", "test"):
        one, two = getattr(found, part), getattr(data, part)
        torch.testing.assert_close(one.inputs.read(range(5)), two.inputs.read(range(5)), rtol=0, atol=0)
        np.testing.assert_array_equal(one.targets, two.targets)
    assert (found.seen, found.unseen, dict(found.renamed)) == (data.seen, data.unseen, data.renamed)


def _changed(**values):
    return lambda manifest: manifest.update(values)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_changed(format="zsl-tokens/1"), "format: Input should be 'zsl-tokens/2'"),
        (_changed(rows_per_shard=0), "rows_per_shard: Input should be greater than 0"),
        (_changed(rows_per_shard=5), "parts.train do not fit"),
        (_changed(parts={}), "parts.train: Field required"),
        (lambda m: m["parts"]["test"].update(images=10**12), "parts.test do not fit"),
        (lambda m: m["parts"]["train"].update(unreadable=[7]), "parts.train do not fit"),
        (lambda m: m["parts"]["train"].update(unreadable=[-1]), "parts.train.unreadable.0: "),
        (lambda m: m["parts"]["train"].update(views=3), "parts.train do not fit"),
        (lambda m: m["parts"]["train"]["shards"].pop(), "parts.train do not fit"),
        (lambda m: m["parts"]["train"]["shards"][0].update(file="../a.safetensors"), "parts.train.shards.0.file: "),
        (lambda m: m["parts"]["train"]["shards"][0].update(shape=[4, 1, 3]), "parts.train.shards.0.shape"),
    ],
)
def test_manifests_that_do_not_fit_give_one_line_errors(root, change, told):
    path = root / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=rf"manifest.json is damaged \({told}.*\); .*run zsl data extract again"):
        _load(root)


def _tokens(dtype, shape, size):
    return _shard({"tokens": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}, bytes(size))


def _shard(head, content=b"", size=None):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "Expecting value"),
        (_shard(b"{", size=2**63), "Expecting property name"),
        (_shard(b"[" * 10_000), "nested too deeply"),
        (
            _shard({"tokens": {"dtype": "F32", "shape": [1, 1, 1, 1], "data_offsets": [0, 4]}}, bytes(4)),
            "tokens.dtype: ",
        ),
        (_tokens("F16", [2, 2], 8), "tokens.shape.2: "),
        (_tokens("F16", [2**40, 2**40, 1, 1], 8), "its size is not that of its tokens"),
    ],
)
def test_shards_that_declare_more_than_they_hold_give_one_line_errors(tmp_path, content, told):
    path = tmp_path / "train-00000.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{path.name} is damaged \({told}.*\); remove it and run zsl data"):
        map_shard(path)


def test_another_shard_of_the_same_size_is_noticed_without_its_hash(root):
    path = root / "train-00000.safetensors"
    path.write_bytes(path.read_bytes().replace(b"[4,1,3,11]", b"[4,3,1,11]"))
    with pytest.raises(InputError, match=r"is damaged \(it holds \(4, 3, 1, 11\), the manifest has"):
        _load(root, verify="size")


@pytest.mark.parametrize("content", [b"", b"no tensors", _shard({}), _shard({"names": 3})])
def test_damaged_label_files_give_one_line_errors(root, content):
    labels, path = root / "labels.safetensors", root / "manifest.json"
    labels.write_bytes(content)
    with pytest.raises(InputError, match="labels.safetensors is missing, or is not the file of the extraction"):
        _load(root)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels_sha256": hash_of(labels)}))
    with pytest.raises(InputError, match="labels.safetensors is damaged .*; remove it and run zsl data extract again"):
        _load(root)


@pytest.mark.parametrize(
    ("name", "told"), [("plan.json", "choose another --out"), ("train-00001.json", "remove it and")]
)
def test_damaged_unfinished_extractions_give_one_line_errors(root, data, name, told):
    (root / "manifest.json").unlink()
    (root / name).write_bytes(b"[" * 10_000)
    with pytest.raises(InputError, match=rf"{name} is damaged \(nested too deeply\); {told}"):
        extract(None, data, root, SETTINGS, Context.of("fp32", batch_size=2))
