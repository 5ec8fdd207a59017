"""How calls to booking systems went lately."""

from fetcher.source_calls import WINDOW_SECONDS, SourceCalls


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_calls_are_counted_by_minute_share_and_percentile() -> None:
    calls = SourceCalls(Seconds())
    for number in range(1, 21):
        calls.add("A", "answered" if number > 5 else "source_timed_out", number / 10)
    calls.add("B", "answered", 0.5)
    assert calls.lately() == {
        "A": {"per_minute": 4.0, "failing": 0.25, "p95": 1.9},
        "B": {"per_minute": 0.2, "failing": 0.0, "p95": 0.5},
    }


def test_what_is_older_than_the_window_is_forgotten() -> None:
    clock = Seconds()
    calls = SourceCalls(clock)
    calls.add("A", "answered", 1)
    clock.now += WINDOW_SECONDS + 1
    assert calls.lately() == {}


def test_a_busy_system_is_counted_by_its_latest_calls() -> None:
    clock = Seconds()
    calls = SourceCalls(clock)
    for _ in range(1500):
        clock.now += 0.05
        calls.add("A", "answered", 1)
    assert abs(calls.lately()["A"]["per_minute"] - 1200) < 5
