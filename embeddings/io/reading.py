"""Reads text, JSON, TOML and CSV; every error is one line with the file, the place and the remedy.

Nothing else in the packages opens such files.
"""

import codecs
import csv
import io
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import GenericAlias
from typing import Any, TextIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from embeddings.io.errors import InputError

T = TypeVar("T")
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
DEEPEST = 64  # levels of nesting in a file that this toolkit wrote
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@contextmanager
def open_text(path: Path, what: str, remedy: str = "save it as UTF-8") -> Iterator[TextIO]:
    """A text file in UTF-8, with or without a byte order mark, or in UTF-16 with one; line ends are kept.

    Args:
        path: the file.
        what: what it should hold, for messages.
        remedy: what to do if it is not text, for messages.
    Yields:
        the open file.
    Raises:
        InputError: no such file; bytes that are not text in the encoding; the message names their line.
    """
    try:
        file = path.open("rb")  # only once: what is read from a pipe is gone
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(f"no file of {what} {path}; check the path") from error
    with file:
        encoding = "utf-16" if file.peek(2)[:2] in UTF16 else "utf-8-sig"
        text = io.TextIOWrapper(file, encoding, newline="")
        try:
            yield text
        except UnicodeError as error:
            place = f"{path}{_line_of(path, error)}"
            raise InputError(f"{place}: not UTF-8 text ({reason_of(error)}); {remedy}") from error


def without_zeros(lines: Iterable[str], path: Path) -> Iterator[str]:
    """Yields the lines of a text file.

    Raises:
        InputError: a zero byte, which text never contains; the message names its line.
    """
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise InputError(f"{path}:{number}: a zero byte, so this is not text; save it as UTF-8")
        yield line


def read_text(path: Path, what: str) -> str:
    """The whole of a text file (see `open_text`).

    Raises:
        InputError: same as for `open_text`; a zero byte, which text never contains.
    """
    with open_text(path, what) as file:
        text = file.read()
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}:{line}: a zero byte, so this is not text; save it as UTF-8")
    return text


def read_json(path: Path, what: str, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The value of a JSON file.

    Args:
        path: the file.
        what: what it should hold, for messages.
        object_hook: same as for `json.loads`: a function that replaces each JSON object.
    Returns:
        the value.
    Raises:
        InputError: same as for `read_text`; not JSON, nested too deeply, a number with thousands of digits, half of a
            surrogate pair.
    """
    try:
        text = read_text(path, what)
        if SURROGATE.search(text):
            json.dumps(json.loads(text), ensure_ascii=False).encode()  # half of a surrogate pair cannot be encoded
        return json.loads(text, object_hook=object_hook)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON of {what} ({reason_of(error)})") from error


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: same as for `read_text`; not TOML, nested too deeply, a number with thousands of digits.
    """
    try:
        return tomllib.loads(read_text(path, what).replace("\r\n", "\n"))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not TOML of {what} ({reason_of(error)})") from error


def read_rows(path: Path, what: str, **dialect: Any) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with the number of its last line.

    Args:
        path: the file.
        what: what it should hold, for messages.
        dialect: options of `csv.reader`.
    Raises:
        InputError: same as for `open_text`; a zero byte, a quote that is not closed, a field longer than
            `csv.field_size_limit`.
    """
    with open_text(path, what) as file:
        reader = csv.reader(without_zeros(file, path), strict=True, **dialect)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                told = f"{path}:{reader.line_num}: {error}"
                raise InputError(f"{told}; close the quotes of this line, and double those within a field") from error
            if row:
                yield reader.line_num, row


def separator_of(path: Path, what: str, fits: Callable[[list[str]], bool], **dialect: Any) -> str:
    """The separator of a CSV file: the first one with which its first row fits; a comma if none does.

    Args:
        path: the file.
        what: what it should hold, for messages.
        fits: whether a row can be the first row of such a file.
        dialect: options of `csv.reader`.
    Returns:
        one of `SEPARATORS`.
    """
    for separator in SEPARATORS:
        try:
            _, row = next(read_rows(path, what, delimiter=separator, **dialect), (1, []))
        except InputError:  # quotes that make no sense under this separator
            continue
        if fits(row):
            return separator
    return ","


def separator_notes(path: Path, separator: str) -> list[str]:
    """A note about a separator other than the comma; no note for a comma."""
    return [] if separator == "," else [f"{path.name} separates its fields by {SEPARATORS[separator]}"]


def read_model(path: Path, kind: type[T] | GenericAlias, remedy: str) -> T:
    """A JSON file that this toolkit wrote, as the type that it was written from.

    Args:
        path: the file.
        kind: a pydantic model, a dataclass, or any type that pydantic knows.
        remedy: what to do if it is damaged ("train again"), for messages.
    Returns:
        a value of the type.
    Raises:
        InputError: no such file; content that does not fit the type; the message names the first wrong key.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(f"there is no file {path}; {remedy}") from error
    return parse_model(content, kind, str(path), remedy)


def parse_model(content: bytes | str, kind: type[T] | GenericAlias, place: str, remedy: str) -> T:
    """Same as `read_model`, for JSON inside another file; `place` names that file in messages.

    Raises:
        InputError: the content does not fit the type.
    """
    try:
        # Python's parser: pydantic's refuses file names that are not UTF-8, which Python's `json.dumps` writes
        value = json.loads(content)
        _check_depth(value)
        found: T = _adapter(kind).validate_python(value)
        return found
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        told = fault["msg"].removeprefix("Value error, ")
        raise InputError(f"{place} is damaged ({key and f'{key}: '}{told}); {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is damaged ({reason_of(error)}); {remedy}") from error


def _check_depth(value: Any) -> None:
    """Refuses deep nesting, which would later exceed Python's recursion limit."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level if isinstance(one, dict | list) for inner in _inside(one)]
        if not level:
            return
    raise RecursionError


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _line_of(path: Path, error: UnicodeError) -> str:
    """The first line that is not UTF-8; the decoder reads in blocks, and its errors count from a block's start."""
    if not isinstance(error, UnicodeDecodeError) or error.encoding.lower().replace("_", "-") not in (
        "utf-8",
        "utf-8-sig",
    ):
        return ""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f":{number}"
    return ""


def reason_of(error: Exception) -> str:
    """The message of a parser's error, on one line."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return error.reason
    return " ".join(str(error).split())[:200] or type(error).__name__
