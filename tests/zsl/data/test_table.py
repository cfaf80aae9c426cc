"""Datasets: the drawn pictures, the CSV layout, region tokens; and what is wrong with a user's files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from embeddings.io.errors import InputError
from tests.names import SEEN, UNSEEN
from tests.zsl.layouts import CHANNELS, write_hdf5, write_tfrecords
from zsl.acceleration import make_accelerator
from zsl.backbones.backbone import Backbone, BackboneConfig
from zsl.data.buffers import GOOD_FOR
from zsl.data.dataset import ImageFiles
from zsl.data.layouts.corel5k import Corel5kConfig
from zsl.data.layouts.csv_layout import CsvConfig
from zsl.data.layouts.drawing import SHAPES, TEXTURES, draw, vocabulary
from zsl.data.layouts.scenes import ScenesConfig
from zsl.data.loading import Samples, ScoringOrder, batches_of, opened
from zsl.data.squares import Square
from zsl.data.table import DATASETS, load_data
from zsl.data.tokens.extraction import Extraction, extract


@pytest.fixture
def regions(tmp_path):
    generator = np.random.default_rng(0)
    present = generator.random((30, 11)) < 0.3
    present[:, 0] = True
    targets = generator.random((30, 6)) < 0.4
    targets[:, 0] |= ~targets.any(1)
    labels = np.array(["sky", "sea", "cat", "dog", "rare", "sun"])
    packed = np.packbits(present, axis=1), np.packbits(targets, axis=1)
    # packbits pads to whole bytes: 11 clusters become 16
    np.savez(tmp_path / "regions.npz", X=packed[0], Y=packed[1], labels=labels, n_train=np.int64(20))
    (tmp_path / "split.json").write_text(json.dumps({"test class": ["dog", "sun", "elk"]}))
    (tmp_path / "seen.txt").write_text("sky\nsea\ncat\nhouse\n")
    return tmp_path, present, targets


def _corel5k(folder, **options):
    return Corel5kConfig(name="corel5k", file=folder / "regions.npz", split=folder / "split.json", **options)


@pytest.fixture
def token_folder(photographs, tmp_path):
    """Tokens of the photographs through a small backbone."""
    data = load_data(CsvConfig(name="csv", root=photographs, image_size=32))
    settings = Extraction(rows=16, batch_size=8)
    backbone = Backbone(BackboneConfig(name="resnet10t", level=2))
    extract(backbone, data, tmp_path / "tokens", settings, {}, make_accelerator("fp32"))
    return tmp_path / "tokens"


@pytest.fixture
def every(request, photographs, regions, raw, token_folder, open_images):
    """A small config of every dataset."""
    of = request.getfixturevalue
    root, *arrays = of("features")
    write_hdf5(root, *arrays)
    write_tfrecords(root, *arrays)
    values = {
        "scenes": {"train": 4, "test": 200, "image_size": 32},
        "csv": {"root": photographs},
        "folder": of("album").as_folder(),
        "ram": of("album").as_ram(),
        "class_folders": {"root": of("classes")},
        "nus_wide": {"root": raw.root},
        "hdf5": {"root": root},
        "tfrecords": {"root": root, "channels": CHANNELS},
        "open_images": {k: v for k, v in open_images.model_dump().items() if k != "name"},
        "coco": {"root": of("coco")[0]},
        "voc": {"root": of("voc")},
        "cifar100": {"root": of("cifar")[0]},
        "stanford_cars": {"root": of("cars")},
        "corel5k": _corel5k(regions[0]).model_dump(),
        "tokens": {"root": token_folder},
    }
    return {name: DATASETS[name](**v) for name, v in values.items()}


@pytest.mark.parametrize("open_images", ["v4"], indirect=True)
def test_every_dataset_has_its_entry(every):
    assert every.keys() == DATASETS.keys()
    for config in every.values():
        data = load_data(config)
        assert data.train.targets.shape == (len(data.train.inputs), len(data.seen))
        assert data.test.targets.shape == (len(data.test.inputs), len(data.seen) + len(data.unseen))
        assert data.train.targets.image_counts().all()
        assert not set(data.seen) & set(data.unseen)
        rows = [min(1, len(data.test.inputs) - 1), 0]
        inputs = data.test.inputs.read(rows)
        assert (inputs.ndim, inputs.dtype == torch.uint8) == ((4, True) if data.kind == "images" else (3, False))
        torch.testing.assert_close(data.test.inputs.read(rows[:1])[0], inputs[0])
        shown = np.flatnonzero(data.train.targets.dense()[0] > 0)
        assert next(data.tag_lists()) == [data.seen[column] for column in shown]


def test_scenes_have_the_shape_of_nus_wide():
    seen, unseen, synonyms = vocabulary()
    assert (len(seen), len(unseen), len(synonyms)) == (925, 81, 81)
    assert len({*seen, *unseen, *synonyms}) == 925 + 81 + 81
    data = load_data(ScenesConfig(train=50, test=300, image_size=32))
    assert data.train.targets.image_counts().min() >= 1
    assert data.train.targets.image_counts().max() <= 5
    assert data.test.targets.label_counts()[925:].any()
    assert data.renamed["synonyms"] == tuple(synonyms)


def test_scenes_of_fewer_labels_closed_and_of_one_label_a_picture():
    data = load_data(ScenesConfig(train=40, test=30, image_size=32, seen=13, unseen=0, objects=1))
    assert (len(data.seen), data.unseen, data.renamed) == (13, (), {})
    assert data.test.targets.shape == (30, 13)
    assert (data.train.targets.image_counts() == 1).all()
    larger = load_data(ScenesConfig(train=40, test=30, image_size=48, seen=13, unseen=0, objects=1))
    np.testing.assert_array_equal(data.test.targets, larger.test.targets)  # the size of pictures changes no label
    for wrong, told in (({"seen": 1000, "unseen": 9}, "is 1009, but there are 1,008"), ({"seen": 3}, "objects is 5")):
        with pytest.raises(ValidationError, match=told):
            ScenesConfig(**wrong)


def test_scenes_are_drawn_the_same_for_a_seed_and_differently_for_another():
    first, again, other = (load_data(ScenesConfig(train=5, test=2, image_size=32, seed=s)) for s in (3, 3, 4))
    assert torch.equal(first.train.inputs.values, again.train.inputs.values)
    assert not torch.equal(first.train.inputs.values, other.train.inputs.values)
    longer = load_data(ScenesConfig(train=9, test=2, image_size=32, seed=3))
    assert torch.equal(first.train.inputs.values, longer.train.inputs.values[:5])


def test_every_texture_and_shape_looks_different():
    for kinds in ([f"{t} red circle" for t in TEXTURES], [f"solid red {s}" for s in SHAPES]):
        pictures = [draw([name], np.random.default_rng(0), 64).astype(float) for name in kinds]
        for i, first in enumerate(pictures):
            assert all(abs(first - second).mean() > 0.5 for second in pictures[:i])


def test_csv_layout_is_read_as_written(photographs):
    data = load_data(CsvConfig(name="csv", root=photographs, image_size=24))
    assert (data.seen, data.unseen) == (SEEN, UNSEEN)
    line = (photographs / "data.csv").read_text().splitlines()[1 + 40]  # the first test row
    names = line.split("[")[1].split("]")[0].split(", ")
    assert [(SEEN + UNSEEN)[i] for i in np.flatnonzero(data.test.targets.dense()[0])] == sorted(
        names, key=(SEEN + UNSEEN).index
    )
    with Image.open(photographs / "images" / "40.jpg") as image:
        expected = np.asarray(image.convert("RGB").resize((24, 24), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(data.test.inputs.read([0])[0].permute(1, 2, 0).numpy(), expected)


def test_training_ignores_unseen_labels_and_rows_without_a_seen_one(photographs):
    rows = (photographs / "data.csv").read_text().splitlines()
    rows[1] = f'images/0.jpg,"[{UNSEEN[0]}]",train'
    rows[2] = f"images/1.jpg,\"['{SEEN[1]}', '{UNSEEN[0]}']\",train"
    (photographs / "data.csv").write_text("\n".join(rows))
    data = load_data(CsvConfig(name="csv", root=photographs))
    assert len(data.train.targets) == 39
    np.testing.assert_array_equal(data.train.targets.dense()[0], [0, 1, 0, 0, 0])


def test_a_split_without_seen_names_takes_the_others(photographs):
    (photographs / "split.json").write_text(json.dumps({"test class": list(UNSEEN)}))
    assert load_data(CsvConfig(name="csv", root=photographs)).seen == tuple(sorted(SEEN))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('images/0.jpg,"[red sqare]",train', r"data.csv:2: unknown label 'red sqare' \(nearest: 'red square'\)"),
        ('images/0.jpg,"[red square]",test', r"data.csv:2: split_name 'test' is neither 'train' nor 'val'"),
        (
            'images/none.jpg,"[red square]",train',
            r"1 of 60 images .* are missing .*none.jpg; restore",
        ),
        ("images/0.jpg", r"data.csv:2: fewer than 3 fields"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(photographs, line, message):
    rows = (photographs / "data.csv").read_text().splitlines()
    rows[1] = line
    (photographs / "data.csv").write_text("\n".join(rows))
    with pytest.raises(InputError, match=message):
        load_data(CsvConfig(name="csv", root=photographs))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.csv", "path,labels\n", "data.csv:1: no column 'filepath'"),
        ("data.csv", "filepath,classes,split_name\n", "no usable row"),
        ("split.json", "{", "split.json is not JSON of the split"),
        ("split.json", '{"train class": ["a"]}', "not a split file"),
        ("split.json", '{"train class": ["a", "b"], "test class": ["b"]}', "names 'b' twice"),
        (
            "split.json",
            '{"train class": ["a", ""], "test class": ["b"]}',
            'split.json: "train class": a label name is empty',
        ),
        ("split.json", '{"train class": [], "test class": ["b"]}', "leaves no seen label"),
    ],
)
def test_wrong_files_are_named(photographs, name, content, message):
    (photographs / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_data(CsvConfig(name="csv", root=photographs))
    (photographs / name).unlink()
    with pytest.raises(InputError, match="no file of (labels|the split) "):
        load_data(CsvConfig(name="csv", root=photographs))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_does_not_decode_is_named(photographs, workers):
    path = photographs / "images" / "3.jpg"
    path.write_bytes(path.read_bytes()[:300])
    data = load_data(CsvConfig(name="csv", root=photographs))
    loader = batches_of(Samples(data.train), ScoringOrder(40, 8), workers)
    with pytest.raises(InputError, match=r"^image .*3\.jpg does not decode"):
        list(map(opened, loader))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loaders_batches_are_good_for_a_while(photographs, workers):
    data = load_data(CsvConfig(name="csv", root=photographs, image_size=24))
    samples = Samples(data.train)
    loader = batches_of(samples, ScoringOrder(40, 3), workers)
    for _ in range(2):  # the processes stay
        taken = []
        for number, batch in enumerate(loader):
            taken.append(opened(batch)[0])
            oldest = max(0, number - GOOD_FOR)
            assert torch.equal(taken[oldest], data.train.inputs.read(samples.rows[3 * oldest : 3 * oldest + 3]))
        assert len(taken) == 14
    flipped = Samples(data.train, augment=lambda image: image.flip(-1))
    batch = next(iter(batches_of(flipped, ScoringOrder(40, 3), workers)))
    assert torch.equal(opened(batch)[0], data.train.inputs.read(range(3)).flip(-1))


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "CMYK", "P", "1", "I;16"])
def test_images_of_any_mode_are_read(tmp_path, mode):
    grey = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(np.stack([grey] * 3, -1)).convert(mode)
    path = tmp_path / f"image.{'tif' if mode == 'CMYK' else 'png'}"
    image.save(path)
    pixels = ImageFiles(tmp_path, [path.name], Square(32)).read([0])[0].float()
    assert pixels.shape == (3, 32, 32)
    assert abs(pixels.mean() - 124) < 12
    assert (pixels[:, :, -4:].mean() - pixels[:, :, :4].mean()) > 200


def test_images_of_32_bits_are_refused(tmp_path):
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(InputError, match=r"x.tif does not decode \(pixels of 32 bits"):
        ImageFiles(tmp_path, ["x.tif"], Square(8)).read([0])


@pytest.mark.parametrize(("side", "told"), [(9_500, "90250000 pixels"), (60_000, "3600000000 pixels")])
def test_images_of_more_pixels_than_memory_are_refused(tmp_path, side, told):
    (tmp_path / "x.ppm").write_bytes(f"P6 {side} {side} 255\n".encode())
    with pytest.raises(InputError, match=rf"image .*x.ppm does not decode \(Image size \({told}\) exceeds limit"):
        ImageFiles(tmp_path, ["x.ppm"], Square(8)).read([0])


def test_region_tokens_are_one_hot_and_lose_nothing(regions):
    folder, present, targets = regions
    data = load_data(_corel5k(folder))
    assert data.seen == ("sky", "sea", "cat", "rare")
    assert data.unseen == ("dog", "sun")
    assert load_data(_corel5k(folder, seen=folder / "seen.txt")).seen == ("sky", "sea", "cat")
    tokens = data.test.inputs.read(range(10)).float()
    np.testing.assert_array_equal(tokens.sum(1)[:, :11] > 0, present[20:])
    assert set(tokens.count_nonzero(-1).unique().tolist()) <= {0, 1}
    np.testing.assert_array_equal(data.test.targets, targets[20:][:, [0, 1, 2, 4, 3, 5]])
    path = folder / "regions.npz"
    whole = path.read_bytes()
    for broken in (b"PK", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="regions.npz cannot be read as Corel5k"):
            load_data(_corel5k(folder))
