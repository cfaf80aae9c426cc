"""MS-COCO from its instance annotations: closed set, and the 48/17 and 65/15 zero-shot splits."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from embeddings import InputError
from zsl.data.assembly import Annotated, ImagesConfig, Protocol, assemble
from zsl.data.dataset import MultiLabelData
from zsl.data.index_cache import Arrays, cached, packed, unpacked
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
    validation images, or those "labelled" with one of the unseen labels (of a closed set: with any).
    """

    name: Literal["coco"]
    root: Path
    year: Literal["2014", "2017"] = "2014"
    split: Literal["closed", "48/17", "65/15"] = "closed"
    leaked: Literal["drop", "keep"] = "drop"
    test: Literal["all", "labelled"] = "all"


def load_coco(config: CocoConfig) -> MultiLabelData:
    """Labels are in COCO's order, those of 48/17 in the order of their lists.

    Raises:
        InputError: a missing or damaged file, images that are missing, where those are not skipped.
    """
    read = [_instances(config.root / f"annotations/instances_{part}{config.year}.json") for part in ("train", "val")]
    every = read[0][0]
    unseen = {"closed": [], "48/17": UNSEEN_17, "65/15": UNSEEN_15}[config.split]
    seen = SEEN_48 if config.split == "48/17" else [name for name in every if name not in unseen]
    lacking = next((name for name in (*seen, *unseen) if name not in every or name not in read[1][0]), None)
    if lacking is not None:
        raise InputError(
            f"the annotations in {config.root} have no category {lacking!r}, which split {config.split} needs"
        )

    def annotated(part: str, names: tuple[str, ...], files: tuple[str, ...], entries: np.ndarray) -> Annotated:
        place = {name: number for number, name in enumerate([*seen, *unseen])}
        columns = np.array([place.get(name, -1) for name in names])[entries[:, 1]]
        known = columns >= 0
        targets = Targets.of_entries(entries[known, 0], columns[known], (len(files), len(place)))
        return Annotated([f"{part}{config.year}/{file}" for file in files], targets)

    labelled = config.test == "labelled"
    counts = {"training images": TRAINING[config.year], "test images": TESTS[config.year][config.test]}
    protocol = Protocol(labelled, drop_leaked=config.leaked == "drop", expected={} if unseen else counts)
    parts = annotated("train", *read[0]), annotated("val", *read[1])
    return assemble(config, f"coco{config.year} {config.split}", config.root, (seen, unseen), parts, protocol)


def _instances(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Category names, image files, and the (image, category) of every object."""
    if not path.is_file():
        raise InputError(f"no file {path}")
    arrays = cached("coco/2", [path], None, lambda: _parse(path))
    return unpacked(arrays["categories"]), unpacked(arrays["files"]), arrays["entries"]


def _parse(path: Path) -> Arrays:
    def without_outline(value: dict[str, Any]) -> dict[str, Any]:
        value.pop("segmentation", None)  # nearly all of the file
        return value

    try:
        content = json.loads(path.read_bytes(), object_hook=without_outline)
        categories = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        files = {entry["id"]: str(entry["file_name"]) for entry in content["images"]}
        if len(set(categories.values())) < len(categories):
            raise ValueError("two categories of one name")
        column = {key: number for number, key in enumerate(categories)}
        row = {key: number for number, key in enumerate(files)}
        found = {(row[entry["image_id"]], column[entry["category_id"]]) for entry in content["annotations"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is not a file of COCO instances ({error!r}); fetch it again") from error
    entries = np.array(sorted(found), np.int32).reshape(-1, 2)
    return {"categories": packed(list(categories.values())), "files": packed(list(files.values())), "entries": entries}
