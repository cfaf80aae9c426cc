"""What is drawn beside predictions: words and heat maps on pictures, a contact sheet, pages that say why."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.io import atomic
from embeddings.io.errors import InputError
from embeddings.io.output_folders import make_folder
from experiments.prediction.drawing import annotated, file_stem
from experiments.prediction.why_page import Explained, why_page
from zsl.data.table import load_data
from zsl.prediction.asking import Asked
from zsl.prediction.heat_maps import ContactSheet, HeatMap, with_legend
from zsl.prediction.looking import Looking, pooled_of, tokens_of
from zsl.prediction.pictures import Pictures
from zsl.prediction.prediction import Prediction
from zsl.prediction.reasons import Neighbour, Reasons
from zsl.readouts.looks import Look
from zsl.runs.saved import CONFIG, read_config

if TYPE_CHECKING:
    import PIL.Image

Near = tuple[tuple[Neighbour, ...], ...]  # what is near each word of a picture
SHEET = "contact_sheet.jpg"


@dataclass(frozen=True)
class Drawings:
    """What is wanted.

    Args:
        pictures: a folder for pictures with their words beside them; None makes none.
        heat_maps: a folder for a heat map of each picture and word, and a contact sheet; None makes none.
        why: a folder for a page per picture; None makes none.
        look: what heat maps show; None takes the readout's default.
    """

    pictures: Path | None = None
    heat_maps: Path | None = None
    why: Path | None = None
    look: Look | None = None

    @property
    def folders(self) -> dict[str, Path]:
        """The folders that are wanted, by option."""
        given = {"--pictures": self.pictures, "--heat-maps": self.heat_maps, "--why": self.why}
        return {option: folder for option, folder in given.items() if folder is not None}

    def check(self, run: str) -> None:
        """Checks what can be checked before any work.

        Args:
            run: the folder of the model's run.
        Raises:
            InputError: pages of a model whose folder does not say where its training data are; a file in the place of
                a folder; `look` without maps to draw.
        """
        if self.look is not None and self.heat_maps is None and self.why is None:
            raise InputError("--look says what heat maps show; give --heat-maps or --why too")
        if self.why is not None and not (Path(run) / CONFIG).is_file():
            raise InputError(
                f"--why needs the training data, and {run} does not say where they are; give the folder of a run that "
                "zsl train wrote, or in Python: model.why(image, label, data)"
            )
        for option, folder in self.folders.items():
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{folder} is a file; choose another {option}")


class Illustrations:
    """Draws what is wanted, picture by picture.

    Args:
        asked: the model with the words.
        drawings: what is wanted; missing folders are made.
        run: the folder of the model's run; pages read the data of training as its config says.
    Raises:
        InputError: heat maps of a readout that cannot say where it looked; data of training that are gone or have
            changed.
    """

    def __init__(self, asked: Asked, drawings: Drawings, run: str):
        self.asked, self.drawings, self.sheet = asked, drawings, ContactSheet()
        can_look = asked.model.readout.placed
        needed = drawings.heat_maps is not None or (drawings.why is not None and can_look)
        self.looking = Looking(asked, drawings.look) if needed else None
        self.reasons = None
        if drawings.why is not None:
            self.reasons = Reasons(asked.model, load_data(read_config(Path(run)).data), asked.context)
        for option, folder in drawings.folders.items():
            if not folder.is_dir():
                make_folder(folder, option)

    def add(self, pictures: Pictures, place: int, found: Prediction) -> Near:
        """Draws one picture.

        Args:
            pictures: the pictures.
            place: of this one among them.
            found: its words.
        Returns:
            what is near each word; () if no page is wanted.
        """
        if found.fault or not self.drawings.folders:
            return ()
        picture, stem = pictures.whole(place), file_stem(place, found.name)
        if self.drawings.pictures is not None:
            _save(annotated(picture, found.found), self.drawings.pictures / f"{stem}.jpg")
        if self.looking is None and self.reasons is None:
            return ()
        labels, tokens = [one.label for one in found.found], tokens_of(self.asked, picture)
        notes = [f"{one.score:.3f}" for one in found.found]
        heats: list[HeatMap] = [] if self.looking is None else self.looking.heat_maps(picture, tokens, labels, notes)
        if self.drawings.heat_maps is not None:
            self.sheet.add(Path(found.name).name, picture, heats)
            for rank, heat in enumerate(heats, 1):
                _save(with_legend(picture, heat), self.drawings.heat_maps / f"{stem}-{rank}.jpg")
        if self.drawings.why is None or self.reasons is None:
            return ()
        vectors, mean = self.asked.words.vectors_of(labels), pooled_of(tokens, self.asked.model.facts.leading)
        near = tuple(self.reasons.of(vector, mean) for vector in vectors)
        words = [Explained(*of) for of in zip(found.found, heats or (None,) * len(labels), near, strict=True)]
        atomic.write_text(self.drawings.why / f"{stem}.html", why_page(found.name, picture, words, self.reasons))
        return near

    def finish(self, before: int) -> str:
        """Writes the contact sheet; gives a note if it does not show everything, else "".

        Args:
            before: number of pictures that an earlier command has drawn, which this one continues.
        """
        if self.drawings.heat_maps is None or not self.sheet.rows:
            return ""
        _save(self.sheet.drawn(), self.drawings.heat_maps / SHEET)
        pictures, maps = self.sheet.left_out
        missing = (pictures + before, "pictures"), (maps, "heat maps")
        told = [f"{count:,} {what}" for count, what in missing if count]
        return f"note: {SHEET} leaves out {' and '.join(told)}" if told else ""


def _save(drawing: "PIL.Image.Image", path: Path) -> None:
    with atomic.replacing(path) as file:
        drawing.save(file, "JPEG", quality=90)
