"""The forms of predictions: lines for a terminal, JSON lines, CSV."""

import json
from dataclasses import asdict
from typing import Literal

from embeddings.io.markup import csv_text, visible
from experiments.prediction.illustrations import Near
from zsl.prediction.prediction import Prediction

Form = Literal["text", "json", "csv"]
HEADER = ("picture", "rank", "label", "score", "logit", "seen", "fault")


def head_of(form: Form) -> str:
    """What stands before the first prediction."""
    return csv_text([HEADER]) if form == "csv" else ""


def text_of(found: Prediction, form: Form, near: Near = ()) -> str:
    """A prediction with its line ends.

    Args:
        found: the prediction.
        form: "text" has a line per word below the picture's name, "json" one object in a line, "csv" a row per word.
        near: the seen labels near each word; () if they were not asked for. CSV leaves them out.
    """
    if form == "json":
        return json.dumps(_as_json(found, near), ensure_ascii=False) + "\n"
    if form == "csv":
        return csv_text(_rows(found))
    if found.fault:
        return f"{visible(found.name)}\n  not read: {visible(found.fault)}\n"
    lines = [f"  {one.score:6.3f}  {visible(one.label)}{'  (seen)' if one.seen else ''}" for one in found.found]
    if near:
        told = (", ".join(f"{visible(label.label)} {label.similarity:.2f}" for label in its) for its in near)
        lines = [f"{line}\n          near {its}" for line, its in zip(lines, told, strict=True)]
    return "\n".join([visible(found.name), *(lines or ["  no word reaches its threshold"])]) + "\n"


def _as_json(found: Prediction, near: Near) -> dict[str, object]:
    words = [asdict(one) for one in found.found]
    answer: dict[str, object] = {"picture": found.name, "found": words}
    if near:
        for one, its in zip(words, near, strict=True):
            one["nearest"] = [asdict(label) for label in its]
    if found.fault:
        answer["fault"] = found.fault
    return answer


def _rows(found: Prediction) -> list[list[object]]:
    if found.fault or not found.found:
        return [[found.name, "", "", "", "", "", found.fault]]
    return [
        [found.name, rank, one.label, f"{one.score:.6g}", f"{one.logit:.6g}", one.seen, ""]
        for rank, one in enumerate(found.found, 1)
    ]
