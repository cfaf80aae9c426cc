"""The JSON lists of RAM (EricTan7/RAM): {"images": [[path, [label, ...]], ...], "classes": [label, ...]}."""

import json
from pathlib import Path
from typing import Literal

import numpy as np

from embeddings import InputError
from zsl.data.assembly import Annotated, ImagesConfig, assemble
from zsl.data.dataset import MultiLabelData
from zsl.data.targets import Targets

Listed = tuple[list[tuple[str, list[str]]], list[str]]


class RamConfig(ImagesConfig):
    """`root` holds the images. `train` and `test` are the JSON files; the test file's classes that training has not are
    unseen, so give the generalised one (test_1006_filtered.json) to measure both protocols. `prefix` is cut off the
    paths in the files, which are those of their authors' machine.
    """

    name: Literal["ram"]
    root: Path
    train: Path
    test: Path
    prefix: str = ""


def load_ram(config: RamConfig) -> MultiLabelData:
    """Seen labels are the classes of training, sorted; unseen those of the test alone, sorted, as RAM has them.

    Labels that stand several times with an image count once; those that are no class are passed over.

    Raises:
        InputError: a missing file, not the layout, a path without the prefix, images that are missing.
    """
    (train, classes), (test, tested) = _read(config.root / config.train), _read(config.root / config.test)
    seen, unseen = sorted(set(classes)), sorted(set(tested) - set(classes))
    column = {label: number for number, label in enumerate([*seen, *unseen])}

    def annotated(rows: list[tuple[str, list[str]]], path: Path) -> Annotated:
        strange = next((file for file, _ in rows if not file.startswith(config.prefix)), None)
        if strange is not None:
            raise InputError(f"{path}: {strange} does not begin with data.prefix = {config.prefix!r}")
        known = [(row, column[name]) for row, (_, names) in enumerate(rows) for name in names if name in column]
        places, columns = np.array(known, np.int64).reshape(-1, 2).T
        files = [file.removeprefix(config.prefix).lstrip("/") for file, _ in rows]
        return Annotated(files, Targets.of_entries(places, columns, (len(rows), len(column))))

    parts = annotated(train, config.train), annotated(test, config.test)
    return assemble(config, config.root.resolve().name, config.root, (seen, unseen), parts)


def _strings(values: object) -> list[str]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list of names")
    return [str(value) for value in values]


def _read(path: Path) -> Listed:
    if not path.is_file():
        raise InputError(f"no file {path}")
    try:
        content = json.loads(path.read_text("utf-8"))
        images = [(str(file), _strings(names)) for file, names in content["images"]]
        return images, _strings(content["classes"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        layout = '{"images": [[path, [label, ...]], ...], "classes": [...]}'
        raise InputError(f"{path} is not {layout} ({error!r})") from error
