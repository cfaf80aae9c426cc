"""Names of variants by what differs."""

import pytest

from experiments.grids.paper_tables import ABLATIONS
from experiments.grids.variants import Variant
from experiments.tables.variant_names import short_names

AXES = ("kind", "query", "head", "lr")


def named(*variants):
    return short_names([dict(zip(AXES, values, strict=True)) for values in variants])


def test_a_variant_is_named_by_what_differs():
    assert named(
        ("ml-decoder", "text", "shared", "none"),
        ("ml-decoder", "text", "text", "none"),
        ("conse", "none", "none", "0.015"),
        ("gap", "none", "none", "0.01"),
        ("gap", "none", "none", "0.03"),
    ) == ["ml-decoder / shared", "ml-decoder / text", "conse", "gap / lr 0.01", "gap / lr 0.03"]
    assert short_names([{"width": "8"}, {"width": "16"}]) == ["width 8", "width 16"]
    assert short_names([{"width": "8", "head": "text"}]) == ["8 / text"]
    assert named(("a", "1", "1", "1"), ("a", "1", "2", "2"), ("a", "2", "1", "2"), ("a", "2", "2", "1")) == [
        "query 1 / head 1",
        "query 1 / head 2",
        "query 2 / head 1",
        "query 2 / head 2",
    ]


@pytest.mark.parametrize("table", ABLATIONS)
def test_no_two_variants_of_a_table_share_a_name(table):
    axes = list(dict.fromkeys(axis for one in ABLATIONS[table].variants for axis in one.axes))
    shown = [
        {axis: Variant(one.settings).shown.get(axis, "none") for axis in axes} for one in ABLATIONS[table].variants
    ]
    names = short_names(shown)
    assert len(set(names)) == len(names)
