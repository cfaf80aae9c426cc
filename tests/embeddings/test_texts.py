"""Names to texts: prompts, descriptions, aliases and their files."""

import json

import pytest

from embeddings.io.errors import InputError
from embeddings.texts import read_aliases, read_descriptions, read_labels, read_prompts, texts_of

LABELS = ("dog", "polar bear", "dogs")


def _texts(found):
    starts = [int(found.counts[:row].sum()) for row in range(len(found.counts))]
    spans = zip(starts, found.counts, strict=True)
    return [[found.distinct[row] for row in found.rows[start : start + count]] for start, count in spans]


def test_every_prompt_is_filled_with_every_name():
    found = texts_of(LABELS, ("a {}.", "{} and {}"), None, None)
    assert _texts(found) == [
        ["a dog.", "dog and dog"],
        ["a polar bear.", "polar bear and polar bear"],
        ["a dogs.", "dogs and dogs"],
    ]
    assert found.notes == ("", "", "")


def test_an_alias_replaces_the_name_and_is_noted():
    found = texts_of(LABELS, ("a {}",), None, {"dogs": "dog", "cat": "kitten"})
    assert _texts(found) == [["a dog"], ["a polar bear"], ["a dog"]]
    assert found.distinct == ("a dog", "a polar bear")  # encoded once
    assert found.notes == ("", "", "alias 'dog'")


def test_descriptions_are_encoded_instead_of_labels():
    descriptions = {"dog": ("barks", "wags"), "polar bear": ("white",), "cat": ("meows",)}
    found = texts_of(LABELS, ("{}",), descriptions, {"dogs": "dog"})
    assert _texts(found) == [["barks", "wags"], ["white"], ["barks", "wags"]]
    assert found.notes == (
        "2 description(s): 'barks'",
        "1 description(s): 'white'",
        "alias 'dog'; 2 description(s): 'barks'",
    )
    with pytest.raises(InputError, match="no description of label 'dogs'; the nearest is 'dog'"):
        texts_of(LABELS, ("{}",), descriptions, None)


def test_files_of_names_and_templates(tmp_path):
    (tmp_path / "names.txt").write_bytes('\ufeffdog\r\n\n  polar bear \nnaïve, "art"\n'.encode())
    assert read_labels(tmp_path / "names.txt") == ("dog", "polar bear", 'naïve, "art"')
    (tmp_path / "prompts.txt").write_text("a {}.\nthe {}\n")
    assert read_prompts(tmp_path / "prompts.txt") == ("a {}.", "the {}")


def test_files_of_aliases_and_descriptions_as_lines_or_json(tmp_path):
    (tmp_path / "a.tsv").write_text("dogs\tdog\npolar bears\tpolar bear\n")
    (tmp_path / "a.json").write_text(json.dumps({"dogs": "dog", "polar bears": "polar bear"}))
    for name in ("a.tsv", "a.json"):
        assert read_aliases(tmp_path / name) == {"dogs": "dog", "polar bears": "polar bear"}
    (tmp_path / "d.tsv").write_text("dog\tbarks\ncat\tmeows\ndog\twags\n")
    (tmp_path / "d.json").write_text(json.dumps({"dog": ["barks", "wags"], "cat": "meows"}))
    for name in ("d.tsv", "d.json"):
        assert read_descriptions(tmp_path / name) == {"dog": ("barks", "wags"), "cat": ("meows",)}


@pytest.mark.parametrize(
    ("read", "name", "content", "message"),
    [
        (read_labels, "n.txt", b"", "n.txt holds no label names"),
        (read_labels, "n.txt", b" \n\n", "n.txt holds no label names"),
        (read_labels, "n.txt", b"dog\ncat\n\ndog\n", "n.txt:4: label 'dog' is also on line 1"),
        (read_labels, "n.json", b'{"test class": ["dog"]}', "n.json is JSON; give label names as a text file"),
        (read_labels, "n.txt", b"dog\n\xff\xfe\n", "n.txt:2: not UTF-8"),
        (read_prompts, "p.txt", b"a {}\na photo\n", r"p.txt:2: prompt template 'a photo' must hold \{\}"),
        (read_aliases, "a.tsv", b"dogs\tdog\ncats cat\n", "a.tsv:2: write the label, one tab"),
        (read_aliases, "a.tsv", b"dogs\tdog\ndogs\thound\n", "a.tsv:2: label 'dogs' needs one alias"),
        (read_aliases, "a.json", b'{"dogs": ["dog", "hound"]}', "'dogs' needs one alias"),
        (read_aliases, "a.json", b"[]", "a.json is not JSON"),
        (read_descriptions, "d.json", b'{"dog": [1]}', "label 'dog' has a text that is not a string"),
        (read_descriptions, "d.json", b'{"dog": []}', "empty description"),
        (read_descriptions, "d.json", b'{"dog"', "d.json is not JSON"),
        (read_descriptions, "d.json", b'{"dog": {"a": "b"}}', "label 'dog' has a text that is not a string"),
        (read_descriptions, "d.json", b"[" * 100_000, "d.json is not JSON"),
    ],
)
def test_broken_files_are_named_with_the_line(tmp_path, read, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name)
    with pytest.raises(InputError, match="no file of"):
        read(tmp_path / "nowhere")


def test_invalid_unicode_is_an_error():
    with pytest.raises(InputError, match="not Unicode text"):
        texts_of(("a\ud800",), ("{}",), None, None)


def test_no_template_is_an_error():
    with pytest.raises(InputError, match="at least one prompt"):
        texts_of(LABELS, (), None, None)
