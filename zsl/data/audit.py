"""An audit of a dataset before hours are spent on it: one plain verdict per item."""

import hashlib
import io
import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from embeddings.banks.bank import Bank
from embeddings.io.errors import InputError
from embeddings.io.names import brief
from embeddings.io.progress import Progress, silent
from embeddings.io.reading import parse_model
from zsl.data.dataset import MultiLabelData, Part
from zsl.data.decoding import decode
from zsl.data.layouts.split import forms
from zsl.data.pictures import Pictures
from zsl.data.squares import Square

Verdict = Literal["ok", "note", "warning", "error"]
BATCH = 64  # images that one process decodes at a time
SHOWN = 5
LIST = re.compile(r"""[][{}"“”|;,\t\\]|^'|'$""")  # an apostrophe within a name is no quote
PLACEHOLDER = 10  # this many identical files are what a site sends instead of a deleted picture


@dataclass(frozen=True)
class Finding:
    """One item of an audit; an "error" would spoil results or stop a run, a "warning" is worth a look."""

    item: str
    verdict: Verdict
    message: str


@dataclass(frozen=True)
class Look:
    """The result of looking at every image: by path, why some cannot be used; and the groups of identical files."""

    broken: Mapping[str, str]
    same: tuple[tuple[str, ...], ...]


def audit(data: MultiLabelData, bank: Bank | None = None, look: Look | None = None) -> list[Finding]:
    """Audits a dataset's labels, and reports on its images.

    Args:
        data: images or tokens.
        bank: word vectors, in which every label should have one; None checks none.
        look: the result of `look_at_images`; None says nothing about the images' content.
    Returns:
        one finding per item.
    """
    findings = [_sizes(data), *(Finding("read", "note", note) for note in data.notes), _fingerprint(data)]
    findings.append(_without_positives(data))
    if data.unseen:
        findings += [_leaks(data), _near_duplicates(data)]
    findings += [_by_case_alone(data), _like_lists(data)]
    if bank is not None:
        findings.append(_vectors(data, bank))
    if data.missing:
        total = len(data.missing) + len(_names(data))
        findings.append(
            Finding("missing images", "error", f"{len(data.missing):,} of {total:,}: {_some(data.missing)}")
        )
    if look is not None:
        findings += _images(data, look)
    return findings


def _sizes(data: MultiLabelData) -> Finding:
    found = (len(data.train.targets), len(data.test.targets), len(data.seen), len(data.unseen))
    told = "{:,} training images, {:,} test images, {:,} seen labels, {:,} unseen".format(*found)
    if not data.expected:
        return Finding("sizes", "note", told)
    want = {"training images": found[0], "test images": found[1], "seen labels": found[2], "unseen labels": found[3]}
    other = [f"{data.expected[name]:,} {name}" for name in want if data.expected.get(name, want[name]) != want[name]]
    if other:
        return Finding("sizes", "warning", f"{told}; the protocol has {', '.join(other)}")
    return Finding("sizes", "ok", f"{told}, as in the protocol")


def _fingerprint(data: MultiLabelData) -> Finding:
    """Positives per test image; in published figures this is K * precision / recall, which identifies the test set."""
    counts = data.test.targets.label_counts()
    parts = {"unseen (ZSL)": counts[len(data.seen) :], "all labels (GZSL)": counts} if data.unseen else {"all": counts}
    told = ", ".join(f"{name} {part.sum() / len(data.test.targets):.3f}" for name, part in parts.items())
    return Finding("positives per test image", "note", f"{told}; compare K x precision / recall of published figures")


def _without_positives(data: MultiLabelData) -> Finding:
    train = [n for n, count in zip(data.seen, data.train.targets.label_counts(), strict=True) if not count]
    every = zip(data.seen + data.unseen, data.test.targets.label_counts(), strict=True)
    test = [n for n, count in every if not count]
    if not train and not test:
        return Finding("labels without positives", "ok", "every label has one in training and in test")
    told = [f"{len(names)} in {part}: {_some(names)}" for part, names in (("training", train), ("test", test)) if names]
    return Finding("labels without positives", "warning", "; ".join(told))


def _leaks(data: MultiLabelData) -> Finding:
    if data.leaked:
        message = (
            f"{data.leaked:,} training annotations name unseen labels; they are ignored, but the pictures are seen"
        )
        return Finding("unseen labels in training", "warning", message)
    return Finding("unseen labels in training", "ok", "no training annotation names an unseen label")


def _near_duplicates(data: MultiLabelData) -> Finding:
    """Seen and unseen names that differ only in case, spaces or number: such an unseen label is not new."""

    of_form: dict[str, str] = {}
    for name in data.seen:
        for form in forms(name):
            of_form.setdefault(form, name)
    pairs = []
    for name in data.unseen:
        match = next((of_form[form] for form in forms(name) if form in of_form), None)
        if match is not None:
            pairs.append(f"{match!r} / {name!r}")
    if pairs:
        return Finding("near-duplicate names", "warning", f"{len(pairs)} seen / unseen: {_some(pairs, quote=False)}")
    return Finding("near-duplicate names", "ok", "no unseen name is a seen one in another spelling or number")


def _by_case_alone(data: MultiLabelData) -> Finding:
    """Names, seen or unseen, that differ only in case: the images of one count as negatives of the other."""
    groups: dict[str, list[str]] = {}
    for name in data.seen + data.unseen:
        groups.setdefault(name.lower(), []).append(name)
    alike = [" / ".join(map(repr, names)) for names in groups.values() if len(names) > 1]
    if alike:
        return Finding("names that differ by case", "warning", f"{len(alike)}: {_some(alike, quote=False)}")
    return Finding("names that differ by case", "ok", "no two names differ by case alone")


def _like_lists(data: MultiLabelData) -> Finding:
    """Names that look like lists: a reader may have taken several labels for one."""
    odd = [name for name in data.seen + data.unseen if LIST.search(name)]
    if odd:
        total = len(data.seen) + len(data.unseen)
        told = f"{len(odd):,} of {total:,}: {_some(odd)}; if one holds several labels, write each in a field of its own"
        return Finding("brackets, quotes, separators", "warning", told)
    return Finding("brackets, quotes, separators", "ok", "no name looks like a list of names")


def _vectors(data: MultiLabelData, bank: Bank) -> Finding:
    known = set(bank.labels)
    lacking = [name for name in data.names if name not in known]
    if lacking:
        return Finding("labels without a vector", "error", f"{len(lacking)} of {len(data.names)}: {_some(lacking)}")
    return Finding("labels without a vector", "ok", f"the bank has all {len(data.names):,}")


def _some(names: Sequence[str], quote: bool = True) -> str:
    shown = ", ".join(map(brief, names[:SHOWN]) if quote else names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")


def _images(data: MultiLabelData, look: Look) -> list[Finding]:
    total = len(_names(data))
    findings = [Finding("images", "ok", f"all {total:,} decode")]
    if look.broken:
        more = f"; and {len(look.broken) - 3:,} more" if len(look.broken) > 3 else ""
        shown = "; ".join(islice(look.broken.values(), 3)) + more
        findings = [Finding("images", "error", f"{len(look.broken):,} of {total:,} cannot be used: {shown}")]
    groups = [group for group in look.same if not set(group) & set(look.broken)]
    if not groups:
        return [*findings, Finding("identical images", "ok", "no two image files are the same")]
    trained, tested = ({*_names_of(part)} for part in (data.train, data.test))
    shared = [group for group in groups if trained.intersection(group) and tested.intersection(group)]
    told = f"{sum(map(len, groups)):,} files are {len(groups):,} pictures, such as {groups[0][0]} and {groups[0][1]}"
    if shared:
        told += f"; {len(shared):,} of the pictures are in training and in test"
    return [*findings, Finding("identical images", "warning", told)]


def look_at_images(
    data: MultiLabelData, workers: int = 1, state: Path | None = None, progress: Progress = silent
) -> Look:
    """Decodes every image, and compares the files.

    Args:
        data: a dataset of pictures.
        workers: number of processes that decode; pictures that can only be read in order are decoded in this one.
        state: a file that records what was found, so that a stopped check continues; None records nothing. Pictures
            that can only be read in order are decoded again.
        progress: called with the number of images.
    Returns:
        which images cannot be used, and which are identical.
    Raises:
        InputError: `state` is a file of another kind.
    """
    of_parts = [part.inputs for part in (data.train, data.test) if isinstance(part.inputs, Pictures)]
    stamps = {one.name(row): one.stamp(row) for one in of_parts for row in range(len(one))}
    known = {name: told for name, told in _read_state(state).items() if told[0] == stamps.get(name)}
    batches = [batch for one in of_parts for batch in _batches(one, known)]
    done = len(known)
    progress("decode images", done, len(stamps))
    # "spawn": a fork would copy the locks of torch's running threads
    with _appended(state) as file, ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        run = map if data.in_order else pool.map
        for found in run(_seen, batches) if batches else ():
            fresh = {name: (stamps[name] or "", *told) for name, told in found.items()}
            known |= fresh
            for name, line in fresh.items():
                file.write(json.dumps([name, *line]) + "\n")
            file.flush()
            done += len(found)
            progress("decode images", done, len(stamps))
    broken = {name: known[name][1] for name in stamps if known[name][1]}
    by_content: dict[str, list[str]] = {}
    for name in stamps:
        if name not in broken:
            by_content.setdefault(known[name][2], []).append(name)
    same = tuple(tuple(group) for group in by_content.values() if len(group) > 1)
    for group in same:
        if len(group) >= PLACEHOLDER:
            told = f"is the same file as {len(group) - 1:,} others, a placeholder"
            broken |= {path: f"image {path} {told}" for path in group}
    return Look(broken, same)


def _batches(pictures: Pictures, known: Container[str]) -> Iterator[Pictures]:
    """Pictures whose names are not known, `BATCH` at a time."""
    left = [row for row in range(len(pictures)) if pictures.name(row) not in known]
    return (pictures.only(left[start : start + BATCH]) for start in range(0, len(left), BATCH))


def _names(data: MultiLabelData) -> dict[str, None]:
    """The names of the pictures of both parts, each once."""
    return dict.fromkeys([*_names_of(data.train), *_names_of(data.test)])


def _names_of(part: Part) -> list[str]:
    """The names of a part's pictures; none for inputs of another kind."""
    return [part.inputs.name(row) for row in range(len(part.inputs))] if isinstance(part.inputs, Pictures) else []


def _seen(pictures: Pictures) -> dict[str, tuple[str, str]]:
    """For each picture: why it does not decode ("" if it does), and a hash of its content."""
    found = {}
    for row in range(len(pictures)):
        name = pictures.name(row)
        try:
            source = pictures.source(row)
            decode(source, Square(8), name=name)
            content = source.read_bytes() if isinstance(source, Path) else source.getvalue()
            found[name] = ("", hashlib.blake2b(content, digest_size=16).hexdigest())
        except InputError as error:
            found[name] = (str(error), "")
    return found


def _appended(state: Path | None) -> io.TextIOBase:
    """Opens the state to append to it; a line that a killed process left incomplete is ended first."""
    if state is None:
        return io.StringIO()
    file = state.open("a", encoding="utf-8")
    if file.tell():
        file.write("\n")
    return file


def _read_state(state: Path | None) -> dict[str, tuple[str, str, str]]:
    """By path: the stamp of the file, its fault, and its content's hash; the state has one line per file."""
    known: dict[str, tuple[str, str, str]] = {}
    if state is None or not state.is_file():
        return known
    for line in filter(None, state.read_text("utf-8", errors="replace").splitlines()):
        try:
            path, stamp, fault, digest = parse_model(line, tuple[str, str, str, str], str(state), "remove it")
            known[path] = (stamp, fault, digest)
        except InputError as error:
            if not known:
                raise InputError(f"{state} is not the state of an audit; give another --state, or remove it") from error
    return known
