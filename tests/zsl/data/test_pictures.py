"""Image files: what is decoded, and what is wrong with a user's pictures."""

from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from embeddings.io.errors import InputError
from tests.zsl.album import SIDE
from tests.zsl.photos import write_photos
from tests.zsl.toy import toy_data
from zsl.data.layouts.csv_layout import CsvConfig
from zsl.data.loading import Samples, ScoringOrder, batches_of, opened
from zsl.data.pictures import ImageFiles
from zsl.data.squares import Square
from zsl.data.table import load_data


def test_pictures_are_turned_as_exif_says_and_animations_show_their_first(tmp_path):
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[: SIDE // 2] = 255  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    (tmp_path / "pictures").mkdir()
    Image.fromarray(pixels).save(tmp_path / "pictures/turned.jpg", exif=exif)
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    frames[0].save(tmp_path / "pictures/moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "labels.csv").write_text("pictures/turned.jpg,a\npictures/moving.gif,a,b\n")
    (tmp_path / "test.txt").write_text("pictures/moving.gif\n")
    data = load_data(name="folder", root=tmp_path, test="test.txt", image_size=SIDE)
    turned, moving = data.train.inputs.read([0])[0].float(), data.test.inputs.read([0])[0].float()
    assert turned[:, :, -SIDE // 3 :].mean() > 240  # white is on the right now
    assert turned[:, :, : SIDE // 3].mean() < 15
    assert moving[:, : SIDE // 3].mean() > 240
    assert moving[:, -SIDE // 3 :].mean() < 15


@pytest.mark.parametrize("fault", ["cut", "exif", "text", "zeros"])
def test_a_picture_with_any_fault_is_named(tmp_path, fault):
    path = tmp_path / "x.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(path, exif=exif)
    whole = path.read_bytes()
    place = whole.index(b"Exif") + 6
    damaged = {
        "cut": whole[: len(whole) // 2],
        "exif": whole[:place] + bytes(b ^ 0x55 for b in whole[place : place + 30]) + whole[place + 30 :],
        "text": b"not a picture",
        "zeros": bytes(500),
    }[fault]
    path.write_bytes(damaged)
    inputs = ImageFiles(tmp_path, ["x.jpg"], Square(16))
    refused = pytest.raises(InputError, match=r"^image .*x.jpg does not decode")
    with refused if fault != "exif" else suppress(InputError):  # Pillow may pass over it
        assert inputs.read([0]).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_does_not_decode_is_named(photographs, workers):
    path = photographs / "images" / "3.jpg"
    path.write_bytes(path.read_bytes()[:300])
    data = load_data(CsvConfig(name="csv", root=photographs))
    loader = batches_of(Samples(data.train), ScoringOrder(40, 8), workers)
    with pytest.raises(InputError, match=r"^image .*3\.jpg does not decode"):
        list(map(opened, loader))


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


def test_pictures_are_read_as_asked(tmp_path):
    data = load_data(name="folder", root=write_photos(tmp_path / "photos"), unseen="unseen.txt")
    assert data.config.name == "folder"
    other = data.read_as(Square(16, "bicubic", 0.5, False))
    assert data.train.inputs.read([0]).shape == (1, 3, 224, 224)
    for part in (other.train, other.test):
        assert part.inputs.read([0]).shape == (1, 3, 16, 16)
    assert other.train.targets is data.train.targets
    assert (other.fingerprint, other.config) == (data.fingerprint, data.config)


def test_tokens_are_no_pictures():
    data = toy_data()
    assert data.read_as(Square(16)).train == data.train
