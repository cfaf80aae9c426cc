"""Text files of others: encodings, faults in one line with the place."""

import codecs
import json
import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from embeddings.io.errors import InputError
from embeddings.io.reading import open_text, read_json, read_model, read_rows, read_text, read_toml

TEXT = "Häuser,मील\nb,c\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    ],
)
def test_encodings(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert read_text(path, "labels") == TEXT
    assert list(read_rows(path, "labels")) == [(1, ["Häuser", "मील"]), (2, ["b", "c"])]


def test_a_pipe_is_read_from_its_first_byte() -> None:
    """As the shell's <(COMMAND) gives it."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as file:
            file.write(TEXT.encode())
        assert read_text(Path(f"/dev/fd/{reading}"), "labels") == TEXT
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a\nb\n\xff\n", "x.csv:3: not UTF-8 text"),
        (b"a\n" * 100_000 + b"\xe4\n", "x.csv:100001: not UTF-8 text"),
        (b"a\nb\0c\n", "x.csv:2: a zero byte"),
        (codecs.BOM_UTF16_LE + b"a\0\0\xd8", "x.csv: not UTF-8 text"),
    ],
)
def test_files_that_are_not_text(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=told):
        read_text(path, "labels")
    with pytest.raises(InputError, match=told):
        list(read_rows(path, "labels"))


@pytest.mark.parametrize(
    ("content", "told"),
    [('a\n"b', "x.csv:2: unexpected end of data"), ("a\n" + "b" * 200_000, "x.csv:2: field larger than field limit")],
)
def test_files_that_are_not_csv(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=told):
        list(read_rows(path, "labels"))


@pytest.mark.parametrize("content", ["[" * 100_000, "9" * 5000, "{", "", '{"a": 1,}', r'["\ud800"]'])
def test_files_that_are_not_json(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"x.json is not JSON of scores \(.+\)$"):
        read_json(path, "scores")


def test_letters_beyond_the_first_plane(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(r'["\ud83d\udc15", "\\ud800"]')
    assert read_json(tmp_path / "x.json", "labels") == ["🐕", r"\ud800"]


@pytest.mark.parametrize("content", ["a = " + "[" * 100_000, "a = " + "9" * 5000, "a", "a = 1\na = 2"])
def test_files_that_are_not_toml(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"x.toml is not TOML of a config \(.+\)$"):
        read_toml(path, "a config")


def test_toml_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(codecs.BOM_UTF8 + b"a = 1\r\n[b]\r\nc = 2\r\n")
    assert read_toml(path, "a config") == {"a": 1, "b": {"c": 2}}


class State(BaseModel):
    """A file of our own."""

    epoch: int
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"names": []}', "epoch: Field required"),
        ('{"epoch": 1, "names": [1]}', r"names.0: Input should be a valid string"),
        ("[" * 100_000, r"is damaged \(nested too deeply\)"),
        (f'{{"epoch": 1, "more": {"[" * 70}{"]" * 70}}}', r"is damaged \(nested too deeply\)"),
        (f'{{"epoch": {"9" * 5000}}}', "is damaged"),
        ("\xff", "is damaged"),
    ],
)
def test_damaged_state(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"state.json.*{told}.*; train again$"):
        read_model(path, State, "train again")


def test_state(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"epoch": 3, "names": ["a"]}))
    assert read_model(path, State, "train again") == State(epoch=3, names=("a",))
    path.write_text(json.dumps({"epoch": 3, "names": ["\udce4.jpg"]}))  # of a file's name that is no UTF-8
    assert read_model(path, State, "train again").names == ("\udce4.jpg",)


def test_missing(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="no file of labels .*none.csv; check the path$"),
        open_text(tmp_path / "none.csv", "labels"),
    ):
        pass
    with pytest.raises(InputError, match=r"no file of labels .*$"):
        read_text(tmp_path, "labels")
    with pytest.raises(InputError, match="there is no file .*none.json; train again$"):
        read_model(tmp_path / "none.json", State, "train again")
