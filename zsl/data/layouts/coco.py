"""MS-COCO from its instance annotations: closed set, and the 48/17 and 65/15 zero-shot splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.names import brief, label_name
from embeddings.io.reading import read_json
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import AnnotatedFiles, ImagesConfig, Selection, assemble
from zsl.data.layouts.index_cache import Arrays, cached, packed, unpacked
from zsl.data.layouts.test_lists import Division, TestImages
from zsl.data.targets import Targets


def _words(text: str) -> list[str]:
    return text.split()


# Bansal et al. 2018; fifteen of the 80 labels are on neither side
SEEN_48 = _words(
    "person bicycle car motorcycle train truck boat bench bird horse sheep bear zebra giraffe backpack handbag "
    "suitcase frisbee skis kite surfboard bottle fork spoon bowl banana apple sandwich orange broccoli carrot pizza "
    "donut chair bed toilet tv laptop mouse remote microwave oven toaster refrigerator book clock vase toothbrush"
)
UNSEEN_17 = _words(
    "airplane bus cat dog cow elephant umbrella tie snowboard skateboard cup knife cake couch keyboard sink scissors"
)
# Rahman et al. 2020; the other 65 labels are seen
UNSEEN_15 = [
    *("airplane", "train", "parking meter", "cat", "bear", "suitcase", "frisbee", "snowboard", "fork", "sandwich"),
    *("hot dog", "toilet", "mouse", "toaster", "hair drier"),
]
TRAINING = {"2014": 82_081, "2017": 117_266}
TESTS = {"2014": {"all": 40_504, "labelled": 40_137}, "2017": {"all": 5_000, "labelled": 4_952}}


class CocoConfig(ImagesConfig):
    """`root` holds annotations/instances_{train,val}YEAR.json and the folders trainYEAR and valYEAR.

    `split`: "closed" has 80 seen labels; "48/17" and "65/15" are zero-shot. `leaked`: "drop" leaves out training images
    that show an unseen label, as the lists of 48/17 do; "keep" keeps them without that annotation. `test`: "all"
    validation images, or only those "labelled" with an unseen label (in a closed set: with any label). Otherwise it is
    a file below `root` that lists the test images, `COCO_val2014_000000000042` on each line; training images among them
    are not trained on.
    """

    name: Literal["coco"] = "coco"
    root: Path
    year: Literal["2014", "2017"] = "2014"
    split: Literal["closed", "48/17", "65/15"] = "closed"
    leaked: Literal["drop", "keep"] = "drop"
    test: TestImages = "all"

    def load(self) -> MultiLabelData:
        """Labels are in COCO's order, those of 48/17 in the order of their lists.

        Raises:
            InputError: a missing or damaged file, missing images that are not skipped, a file of test images as for
                `Division.tested_on`.
        """
        read = [_instances(self.root / f"annotations/instances_{part}{self.year}.json") for part in ("train", "val")]
        every = read[0].categories
        unseen = {"closed": [], "48/17": UNSEEN_17, "65/15": UNSEEN_15}[self.split]
        seen = SEEN_48 if self.split == "48/17" else [name for name in every if name not in unseen]
        lacking = next((name for name in (*seen, *unseen) if name not in every or name not in read[1].categories), None)
        if lacking is not None:
            raise InputError(
                f"the annotations in {self.root} have no category {lacking!r}, which split {self.split} needs"
            )
        used = {read[1].categories[column] for column in set(read[1].entries[:, 1].tolist())}
        strange = sorted(used.difference(every))
        if strange:
            raise InputError(
                f"{read[1].path} annotates category {strange[0]!r}, which {read[0].path.name} lacks; list it there "
                "too, or remove its annotations here"
            )

        place = {name: number for number, name in enumerate([*seen, *unseen])}
        files, targets = _joined(read, place, self.year)
        rows = np.arange(len(files))
        parts, title = Division(rows[: len(read[0].files)], rows[len(read[0].files) :]), f"coco{self.year} {self.split}"
        selection = Selection(drop_leaked=self.leaked == "drop")
        lists = [found.path for found in read]
        if isinstance(self.test, Path):
            lists[1] = self.root / self.test
            parts, title = parts.tested_on(lists[1], files), f"{title} (test images of {self.test.name})"
        else:
            counts = {"training images": TRAINING[self.year], "test images": TESTS[self.year][self.test]}
            selection = replace(selection, labelled=self.test == "labelled", expected={} if unseen else counts)
        train, test = (
            AnnotatedFiles([files[row] for row in chosen], targets[chosen], source)
            for source, chosen in zip(lists, (parts.train, parts.test), strict=True)
        )
        data = assemble(self, title, self.root, (seen, unseen), (train, test), selection)
        return replace(data, notes=(*parts.notes, *data.notes))


@dataclass(frozen=True)
class Instances:
    """Category names, image files, and the (image, category) of every object, of one file."""

    path: Path
    categories: tuple[str, ...]
    files: tuple[str, ...]
    entries: np.ndarray


def _joined(read: Sequence[Instances], place: Mapping[str, int], year: str) -> tuple[list[str], Targets]:
    """The files of training and validation images with their folders, and their targets.

    Args:
        read: training and validation.
        place: the column of each label that is used.
        year: of the folders.
    """
    files = [f"{part}{year}/{file}" for part, found in zip(("train", "val"), read, strict=True) for file in found.files]
    rows = np.concatenate([read[0].entries[:, 0], read[1].entries[:, 0] + len(read[0].files)])
    columns = np.concatenate(
        [np.array([place.get(name, -1) for name in found.categories])[found.entries[:, 1]] for found in read]
    )
    used = columns >= 0
    return files, Targets.of_entries(rows[used], columns[used], (len(files), len(place)))


def _instances(path: Path) -> Instances:
    if not path.is_file():
        raise InputError(f"no file {path}; check the path")
    arrays = cached("coco/3", [path], None, lambda: _parse(path))
    return Instances(path, unpacked(arrays["categories"]), unpacked(arrays["files"]), arrays["entries"])


def _parse(path: Path) -> Arrays:
    def without_outline(value: dict[str, Any]) -> dict[str, Any]:
        value.pop("segmentation", None)  # nearly all of the file
        return value

    content = read_json(path, "COCO instances", without_outline)
    categories = _by_id(content, "categories", "name", path)
    names = [label_name(name, f"{path}: category {key!r}") for key, name in categories.items()]
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InputError(f"{path} has two categories named {twice!r}; rename one")
    files = _by_id(content, "images", "file_name", path)
    wrong = next((key for key, file in files.items() if not isinstance(file, str)), None)
    if wrong is not None:
        raise InputError(f"{path}: image {wrong!r} has file_name {brief(files[wrong])}, which is not text; correct it")
    found = set()
    row, column = ({key: number for number, key in enumerate(listed)} for listed in (files, categories))
    for number, entry in enumerate(_listed(content, "annotations", path), 1):
        try:
            found.add((row[entry["image_id"]], column[entry["category_id"]]))
        except (KeyError, TypeError) as error:
            place = f"{path}: annotation {brief(entry.get('id', f'number {number}'))}"
            told = _unlisted(entry, "image_id", row, "images") or _unlisted(entry, "category_id", column, "categories")
            raise InputError(f"{place} {told}") from error
    entries = np.array(sorted(found), np.int32).reshape(-1, 2)
    return {"categories": packed(names), "files": packed(list(files.values())), "entries": entries}


def _listed(content: object, key: str, path: Path) -> list[dict[str, Any]]:
    values = content.get(key) if isinstance(content, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise InputError(f'{path} has no list "{key}"; give a file of COCO instances')
    return values


def _by_id(content: object, key: str, value: str, path: Path) -> dict[Any, Any]:
    """What each entry of a list has under a key, by the entry's id.

    Raises:
        InputError: an entry without id or without this key; an id that appears twice.
    """
    found: dict[Any, Any] = {}
    for number, entry in enumerate(_listed(content, key, path), 1):
        if not isinstance(entry.get("id"), int | float | str) or value not in entry:
            raise InputError(f'{path}: entry {number} of "{key}" has no id or no {value}; add it')
        if entry["id"] in found:
            raise InputError(f'{path}: id {brief(entry["id"])} appears twice in "{key}"; give each entry its own id')
        found[entry["id"]] = entry[value]
    return found


def _unlisted(entry: dict[str, Any], key: str, known: Mapping[Any, int], listed: str) -> str:
    """What is wrong with the id that an annotation names; "" if the id is listed."""
    given = entry.get(key)
    if isinstance(given, int | float | str) and given in known:
        return ""
    told = f'has {key} {brief(given)}, but no entry of "{listed}" has this id'
    other = next((own for own in known if str(own) == str(given)), None)
    if other is not None:
        return f"{told}: it is {brief(other)} there; write ids as numbers in both, or as text in both"
    return f"{told}; add the entry or remove the annotation"
