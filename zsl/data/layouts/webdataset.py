"""WebDataset: tar shards of pictures, each with a JSON file that holds its labels."""

from collections.abc import Iterator, Sequence
from functools import partial
from glob import has_magic
from pathlib import Path
from typing import Any, Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.names import brief, label_name
from embeddings.io.reading import parse_model, reason_of
from zsl.data.dataset import MultiLabelData
from zsl.data.in_order import InOrder
from zsl.data.layouts.assembly import AnnotatedPictures, Selection
from zsl.data.layouts.index_cache import Arrays, cached, packed, unpacked
from zsl.data.layouts.label_lists import Labelled, LabelListsConfig, labelled_data
from zsl.data.layouts.tar_shards import Member, Sample, Shards, is_compressed, read_samples
from zsl.data.pictures import LARGEST, Pictures, StoredPictures, StreamedPictures

PICTURES = frozenset(["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"])
JSON = "json"


class WebDatasetConfig(LabelListsConfig):
    """`train` and `test` are shards below `root`, which may be named by a brace range, `train-{000..122}.tar`, or by
    wildcards, `train-*.tar`.

    `labels`: the key of the labels in each sample's JSON file: a list of names, or one name. `image`: which file of a
    sample is the picture ("jpg", "left.png"), if it has several. `unseen`: a file of unseen labels, below `root`, one
    name per line; without it the set is closed. Without `test`, test images are chosen as in `folder`.
    """

    name: Literal["webdataset"] = "webdataset"
    root: Path = Path()
    train: str
    test: str | None = None
    image: str | None = None
    labels: str = "labels"

    def load(self) -> MultiLabelData:
        """Seen labels are in alphabetical order, unseen ones in the order of their file.

        Raises:
            InputError: the library is not installed; a missing, damaged or compressed shard, a sample without a
                picture or labels, a key that appears twice, a part without an image.
        """
        train = self._part("train", self.train)
        test = None if self.test is None else self._part("test", self.test)
        unseen = None if self.unseen is None else self.root / self.unseen
        return labelled_data(self, self.root.resolve().name, self.root, (train, test), unseen, Selection())

    def _part(self, part: str, pattern: str) -> Labelled:
        shards = _shards(self.root, pattern, f"data.{part}")
        options = (self.image, self.labels)
        arrays = cached("webdataset/1", shards, options, partial(_parse, shards, *options))
        names, every = unpacked(arrays["names"]), unpacked(arrays["labels"])
        labels: list[list[str]] = [[] for _ in names]
        for row, column in arrays["entries"].tolist():
            labels[row].append(every[column])
        places = arrays["places"]
        beginnings = [
            str(shard.relative_to(self.root) if shard.is_relative_to(self.root) else shard) for shard in shards
        ]
        files = [f"{beginnings[shard]}/{name}" for name, shard in zip(names, places[:, 0].tolist(), strict=True)]
        source: Pictures
        if any(map(is_compressed, shards)):
            stream = InOrder(partial(_stream, shards, self.image), f"data.{part}")
            source = StreamedPictures(self.root, files, self.square(), stream, np.arange(len(names)))
        else:
            source = StoredPictures(self.root, files, self.square(), Shards(tuple(shards)), places)
        return Labelled(names, labels, lambda rows, targets: AnnotatedPictures.of(source, rows, targets))


def _shards(root: Path, pattern: str, key: str) -> list[Path]:
    """The shards that a pattern names, in order; those of wildcards are sorted."""
    try:
        from webdataset.shardlists import expand_urls
    except ImportError as error:
        raise InputError("WebDataset shards need webdataset: pip install 'zero-shot-toolkit[webdataset]'") from error
    try:
        expanded: list[str] = expand_urls(pattern)
    except Exception as error:  # of braces that do not match, or of a variable that is not set
        raise InputError(f"{key} = {brief(pattern)} is no list of shards ({reason_of(error)})") from error
    shards: list[Path] = []
    for text in expanded:
        if "://" in text or text.startswith("pipe:"):
            raise InputError(f"{key} names {brief(text)}; shards are files of this machine, so download them first")
        path = root / text
        wild = has_magic(text) and not path.is_file()
        base = Path(path.anchor) if Path(text).is_absolute() else root
        found = sorted(base.glob(str(path.relative_to(base)))) if wild else [path]
        lost = next((shard for shard in found or [path] if not shard.is_file()), None)
        if lost is not None:
            raise InputError(f"no file {lost}; correct {key}")
        shards += found
    return shards


def _parse(shards: Sequence[Path], image: str | None, labels: str) -> Arrays:
    """The names and places of all pictures, the names of labels, and the (image, label) of every positive."""
    names: list[str] = []
    places: list[tuple[int, int, int]] = []
    entries: list[tuple[int, int]] = []
    columns: dict[str, int] = {}
    keys: dict[str, Path] = {}
    for number, shard in enumerate(shards):
        for sample in read_samples(shard, _is_json):
            if sample.key in keys:
                told = "twice" if keys[sample.key] == shard else f"which {keys[sample.key]} has too"
                raise InputError(f"{shard} has key {brief(sample.key)} {told}; give each sample a key of its own")
            keys[sample.key] = shard
            picture = _picture(sample, image, shard)
            if picture.size > LARGEST:
                raise InputError(f"{shard}: {picture.name} has {picture.size:,} bytes; at most {LARGEST:,} are read")
            found = _labels(sample, labels, shard)
            entries += [(len(names), columns.setdefault(label, len(columns))) for label in found]
            places.append((number, picture.offset, picture.size))
            names.append(picture.name)
    if not names:
        raise InputError(f"{shards[0]} holds no sample; its files are named KEY.jpg and KEY.json")
    return {
        "names": packed(names),
        "places": np.array(places, np.int64),
        "labels": packed(list(columns)),
        "entries": np.array(entries, np.int64).reshape(-1, 2),
    }


def _is_json(name: str) -> bool:
    return name.lower().endswith(f".{JSON}")


def _picture(sample: Sample, image: str | None, shard: Path) -> Member:
    """The file of a sample that is its picture."""
    if image is not None:
        found = [image.lower()] if image.lower() in sample.members else []
    else:
        found = [suffix for suffix in sample.members if suffix.rpartition(".")[2] in PICTURES]
    if len(found) == 1:
        return sample.members[found[0]]
    has = f"it has {', '.join(sorted(sample.members))}"
    told = "several pictures" if found else f"no file {image!r}" if image else "no picture"
    raise InputError(f"{shard}: sample {brief(sample.key)} has {told}; {has}; say which one by data.image")


def _labels(sample: Sample, key: str, shard: Path) -> list[str]:
    if JSON not in sample.members:
        told = f"it has {', '.join(sorted(sample.members))}"
        raise InputError(f"{shard}: sample {brief(sample.key)} has no file {JSON!r} with its labels; {told}")
    member = sample.members[JSON]
    place = f"{shard}: {member.name}"
    content = parse_model(member.content or b"", dict[str, Any], place, 'write {"labels": ["dog", "polar bear"]}')
    if key not in content:
        has = ", ".join(map(brief, content)) or "nothing"
        raise InputError(f"{place} has no {key!r}; it has {has}; say which key it is by data.labels")
    value = content[key]
    if not isinstance(value, str | list):
        raise InputError(f"{place}: {key!r} is {brief(value)}, not a list of names")
    return [label_name(one, place) for one in ([value] if isinstance(value, str) else value)]


def _stream(shards: Sequence[Path], image: str | None) -> Iterator[bytes]:
    """The bytes of every picture of compressed shards, in order."""
    for shard in shards:
        for sample in read_samples(shard, lambda name: not _is_json(name)):
            yield _picture(sample, image, shard).content or b""
