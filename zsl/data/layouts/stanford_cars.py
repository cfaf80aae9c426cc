"""Stanford Cars from its folders and Matlab files: one label per image."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from embeddings.io.errors import InputError
from embeddings.io.names import label_name
from embeddings.io.reading import reason_of
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import AnnotatedFiles, ImagesConfig, Selection, assemble
from zsl.data.layouts.matlab import read_matlab
from zsl.data.layouts.split import without
from zsl.data.targets import Targets

EXPECTED = {"training images": 8_144, "test images": 8_041, "seen labels": 196, "unseen labels": 0}


class StanfordCarsConfig(ImagesConfig):
    """`root` holds devkit/, cars_train/, cars_test/, and cars_test_annos_withlabels.mat there or in devkit/.

    `unseen`: a file of unseen labels, one name per line; their training images are left out. Without it the set is
    closed.
    """

    name: Literal["stanford_cars"] = "stanford_cars"
    root: Path
    unseen: Path | None = None

    def load(self) -> MultiLabelData:
        """Seen labels are in the order of cars_meta.mat, unseen ones in the order of their file.

        Raises:
            InputError: a missing or damaged file, missing images that are not skipped.
        """
        root = self.root
        meta = root / "devkit/cars_meta.mat"
        names = [label_name(str(name), str(meta)) for name in _matlab(meta, "class_names")]
        if len(set(names)) < len(names):
            raise InputError(f"{meta} names a class twice; fetch it again")
        seen, unseen = without(names, self.unseen)
        place = {name: number for number, name in enumerate(seen + unseen)}
        tested = root / "cars_test_annos_withlabels.mat"
        tested = tested if tested.is_file() else root / "devkit/cars_test_annos_withlabels.mat"

        def annotated(path: Path, folder: str) -> AnnotatedFiles:
            annotations = _matlab(path, "annotations")
            try:
                classes = np.array([int(value) for value in annotations["class"]])
                names_of_files = [str(file) for file in annotations["fname"]]
            except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
                raise InputError(f"{path} has no classes ({error}); give the file with labels") from error
            if not len(classes) or not ((classes >= 1) & (classes <= len(names))).all():
                raise InputError(f"{path} holds classes that cars_meta.mat does not name; fetch it again")
            columns = np.array([place[names[number - 1]] for number in classes])
            targets = Targets.of_entries(np.arange(len(columns)), columns, (len(columns), len(place)))
            return AnnotatedFiles([f"{folder}/{file}" for file in names_of_files], targets, path)

        parts = annotated(root / "devkit/cars_train_annos.mat", "cars_train"), annotated(tested, "cars_test")
        return assemble(
            self, "stanford_cars", root, (seen, unseen), parts, Selection(expected={} if unseen else EXPECTED)
        )


def _matlab(path: Path, variable: str) -> Any:
    if not path.is_file():
        raise InputError(f"no file {path}")
    try:
        return read_matlab(path, variable)
    except ValueError as error:
        raise InputError(f"{path} is no Matlab file with {variable!r} ({reason_of(error)}); fetch it again") from error
