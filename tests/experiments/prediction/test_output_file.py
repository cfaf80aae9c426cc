"""A file of answers that grows, and continues after it was stopped."""

from contextlib import suppress

import pytest

from embeddings.io.errors import InputError
from experiments.prediction.output_file import OutputFile


def _stopped(path, answers, noted):
    """A command that is stopped after `noted` answers; the rest is on the disk, but not in the note."""
    file = OutputFile(path, resume=False)
    with suppress(KeyboardInterrupt), file.opened("question"):
        for answer in answers[:noted]:
            file.write(answer, 1)
        raise KeyboardInterrupt
    with file.part.open("a") as part:
        part.write("".join(answers[noted:])[:-1])
    return file


def test_it_has_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "found.csv"
    file = OutputFile(path, resume=False)
    with file.opened("question"):
        file.write("head\n")
        file.write("ä\n", 1, 1)
        assert not path.exists()
        again = OutputFile(path, resume=True)
        with pytest.raises(InputError, match="another command is writing"), again.opened("question"):
            pass
    assert path.read_text() == "head\nä\n"
    assert [one.name for one in path.parent.iterdir()] == ["found.csv"]
    assert (file.done.pictures, file.done.unreadable) == (1, 1)


def test_what_was_not_noted_is_written_again(tmp_path):
    path, answers = tmp_path / "found.csv", [f"{number}\n" for number in range(9)]
    _stopped(path, answers, 4)
    file = OutputFile(path, resume=True)
    with file.opened("question"):
        assert file.done.pictures == 4
        for answer in answers[file.done.pictures :]:
            file.write(answer, 1)
    assert path.read_text() == "".join(answers)


def test_another_question_or_file_is_refused(tmp_path):
    path = tmp_path / "found.csv"
    _stopped(path, ["1\n", "2\n"], 1)
    with pytest.raises(InputError, match="continue it with --resume"):
        OutputFile(path, resume=False)
    other = OutputFile(path, resume=True)
    with pytest.raises(InputError, match="was begun with other pictures, words or options"), other.opened("another"):
        pass
    other.part.write_text("")  # its end would be zero bytes
    with pytest.raises(InputError, match=r"is damaged .it is shorter than"), other.opened("question"):
        pass
    path.touch()
    with pytest.raises(InputError, match="exists"):
        OutputFile(path, resume=True)


def test_a_file_that_cannot_be_made_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="new.csv cannot be made in .*file; choose another --out"):
        OutputFile(tmp_path / "file" / "new.csv", resume=False)
