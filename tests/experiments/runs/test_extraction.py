"""`zsl data extract` in a folder that another command is using."""

from tests.experiments.command import refused, zsl
from zsl.runs.claims import claimed


def test_tokens_are_written_by_one_command(photographs, tmp_path):
    settings = ("data.name=csv", f"data.root={photographs}", "data.image_size=32", "backbone.pretrained=false")
    options = [argument for setting in settings for argument in ("--set", setting)]
    command = ("data", "extract", "photographs", "--out", tmp_path / "tokens", *options)
    (tmp_path / "tokens").mkdir()
    with claimed(tmp_path / "tokens"):
        refused(zsl(*command), "another command is using", "tokens")
    assert [path.name for path in (tmp_path / "tokens").iterdir()] == [".lock"]
