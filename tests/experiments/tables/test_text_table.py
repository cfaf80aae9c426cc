"""Tables of text cells on a narrow terminal; the media are tested in tests/experiments/output/test_markup.py."""

from experiments.tables.text_table import TextTable


def test_a_narrow_terminal_omits_the_f1_columns():
    table = TextTable("t", ["kind", "mAP", "F1@3", "paper: F1@3"], [["gap", "1.0", "2.0", "3.0"]])
    assert table.fitting(100) == table
    assert table.fitting(30) == TextTable("t", ["kind", "mAP"], [["gap", "1.0"]])
