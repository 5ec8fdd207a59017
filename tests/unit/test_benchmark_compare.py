"""The comparison of two trees: ratios of laps that follow each other, with their spread."""

from tests.benchmark.compare import compare, figures_of


def test_a_ratio_is_that_of_laps_that_follow_each_other() -> None:
    """The machine became twice as slow after the first pair: the ratios say nothing of it."""
    pairs = [({"ms": 4.0}, {"ms": 2.0}), ({"ms": 8.0}, {"ms": 4.0}), ({"ms": 8.0}, {"ms": 6.0})]
    (found,) = compare(pairs)
    assert (found.ratio, found.lowest, found.highest) == (0.5, 0.5, 0.75)
    assert (found.other, found.this) == (8.0, 4.0)


def test_only_figures_of_both_trees_are_compared() -> None:
    assert [one.figure for one in compare([({"a": 1.0}, {"a": 1.0, "new": 2.0})])] == ["a"]


def test_the_figures_are_rate_cost_and_stages() -> None:
    relay = {"per_second": 100.0, "our_cpu_ms": 5.0, "cpu_ms": {"ingest": 1.0, "filter": 0.5}}
    assert figures_of(relay) == {
        "notifications/s": 100.0,
        "our CPU, ms per notification": 5.0,
        "ingest, ms": 1.0,
        "filter, ms": 0.5,
    }
