"""What a readout can show of where it looked for a label: its attention, or its evidence."""

from typing import Literal

Look = Literal["attention", "evidence"]

# what the numbers of a heat map are, for legends
MEANINGS: dict[Look, str] = {
    "attention": "share of the attention",
    "evidence": "added to the logit",
}
