"""Your own images: a folder, and one file of their labels."""

from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Literal

from embeddings.io.errors import InputError
from embeddings.io.names import brief, label_name
from embeddings.io.reading import read_rows, separator_notes, separator_of
from embeddings.texts import read_lines
from zsl.data.dataset import MultiLabelData
from zsl.data.layouts.assembly import AnnotatedFiles, ImagesConfig, assemble
from zsl.data.layouts.image_paths import forward
from zsl.data.layouts.label_lists import LabelListsConfig, chosen_for_test, targets_of
from zsl.data.layouts.split import without


class FolderConfig(LabelListsConfig, ImagesConfig):
    """`root` holds the images, and the files below unless they have other paths.

    `labels`: CSV without a header, one line per image: its path, then its labels, each in a field of its own. `unseen`:
    a file of unseen labels, one name per line; without it the set is closed. `test`: a file of test images' paths, one
    per line; without it, every image that shows an unseen label is a test image, and so is a share `test_share` of
    the others, chosen by their paths.
    """

    name: Literal["folder"] = "folder"
    root: Path
    labels: Path = Path("labels.csv")
    test: Path | None = None

    def load(self) -> MultiLabelData:
        """Seen labels are in alphabetical order, unseen ones in the order of their file.

        Raises:
            InputError: a missing or damaged file, an image that is listed twice, missing images that are not skipped, a
                part without an image.
        """
        table = self.root / self.labels
        rows, notes = read_label_file(table, self.root)
        unseen_file = None if self.unseen is None else self.root / self.unseen
        if unseen_file is not None and not unseen_file.is_file():
            raise InputError(
                f"no file {unseen_file}; list the unseen labels there, or set data.unseen=none: a closed set"
            )
        seen, unseen = without(sorted({label for row in rows.values() for label in row.labels}), unseen_file)
        if self.test is None:
            marked = chosen_for_test(list(rows), [row.labels for row in rows.values()], unseen, self.test_share)
            tested = set(compress(rows, marked))
        else:
            listed = {
                _path(line, self.root): number for number, line in read_lines(self.root / self.test, "image paths")
            }
            strange = next((path for path in listed if path not in rows), None)
            if strange is not None:
                raise InputError(f"{self.root / self.test}:{listed[strange]}: {strange} is not in {table.name}")
            tested = set(listed)

        def annotated(chosen: list[str]) -> AnnotatedFiles:
            targets = targets_of([rows[path].labels for path in chosen], seen + unseen)
            return AnnotatedFiles(chosen, targets, table, [rows[path].line for path in chosen])

        parts = annotated([p for p in rows if p not in tested]), annotated([p for p in rows if p in tested])
        data = assemble(self, self.root.resolve().name, self.root, (seen, unseen), parts)
        return replace(data, notes=(*data.notes, *notes))


@dataclass(frozen=True)
class Row:
    """A line of a label file: its number, and the labels of its image."""

    line: int
    labels: list[str]


def read_label_file(table: Path, root: Path) -> tuple[dict[str, Row], list[str]]:
    """Rows by image path, and notes for the user about how they were read.

    Fields are separated by commas; or by semicolons, tabs or bars, if one follows the path of the first image.

    Args:
        table: the file.
        root: the folder of the images.
    Returns:
        the row of each image by its path, and notes.
    Raises:
        InputError: same as for `read_rows` and `label_name`; a line without a path, an image that is listed twice, no
            label at all.
    """
    rows: dict[str, Row] = {}
    separator = separator_of(table, "labels", _begins_with_image, skipinitialspace=True)
    for line, fields in read_rows(table, "labels", skipinitialspace=True, delimiter=separator):
        stripped = [field.strip() for field in fields]
        if not any(stripped):
            continue
        path = _path(stripped[0], root)
        if not stripped[0] or path in rows:
            reason = "no image path" if not stripped[0] else f"image {brief(path)} is listed above too"
            raise InputError(f"{table}:{line}: {reason}; write path,label,label,... once per image")
        rows[path] = Row(line, [label_name(field, f"{table}:{line}") for field in stripped[1:] if field])
    if not rows:
        raise InputError(f"{table} names no image")
    if not any(row.labels for row in rows.values()):
        raise InputError(f"{table} has no label on any line; write path,label,label,... with commas between them")
    return rows, separator_notes(table, separator)


def _begins_with_image(fields: list[str]) -> bool:
    from PIL import Image

    return bool(fields) and Path(fields[0].strip()).suffix.lower() in Image.registered_extensions()


def _path(text: str, root: Path) -> str:
    return Path(forward(text, root)).as_posix()
