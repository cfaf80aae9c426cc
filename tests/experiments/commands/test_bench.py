"""`zsl bench`: its commands by name; `tests/experiments/bench` runs them."""

from tests.experiments.command import zsl


def test_the_benchmarks_are_listed():
    shown = zsl("bench").output
    assert "Usage" in shown
    assert all(name in shown for name in ("heads", "layers", "modules"))
