"""What a benchmark run makes of what it saw: percentiles, rates, memory, machines and kronor."""

from dataclasses import replace

import pytest

from tests.benchmark.percentiles import percentiles
from tests.benchmark.relay.backlog import Drained, Look, since_it_began
from tests.benchmark.relay.load import Plan
from tests.benchmark.relay.sustained import Course, Moments, by_second, rate_within
from tests.benchmark.sizing import Assumptions, sizes


def test_percentiles_are_of_seconds_in_milliseconds() -> None:
    found = percentiles([number / 1000 for number in range(101)])
    assert (found.p50, found.p95, found.p99) == pytest.approx((50, 95, 99))
    assert found.curve == pytest.approx(range(1, 100))


def test_what_a_plan_makes_is_the_same_each_time_and_apart_by_number() -> None:
    plan = Plan(5, first=10, sources=(1, 2), per_request=2, seconds=3)
    bookings = list(plan.bookings())
    assert bookings == list(Plan.from_json(plan.to_json()).bookings())
    assert len({booking.patient for booking in bookings}) == 5
    assert [booking.source for booking in bookings] == [1, 2, 1, 2, 1]
    sizes = [request.count(b"<n:engagementTransaction>") for request in plan.requests()]
    assert sizes == [2, 2, 1]


def every(interval: float, begin: float, end: float) -> list[float]:
    return [begin + number * interval for number in range(round((end - begin) / interval))]


def collected(wait: float) -> Moments:
    """A hundred a second for 30 s; each notice is sent `wait` seconds after its message."""
    requests = every(0.01, 0, 30)
    return Moments(requests, requests, [at + wait for at in requests])


def test_a_wait_by_design_changes_the_tail_and_not_the_rate() -> None:
    at_once, after_five = (Course(3000, collected(wait), {}, {}) for wait in (0, 5))
    assert at_once.per_second == pytest.approx(100, rel=0.01)
    assert after_five.per_second == pytest.approx(100, rel=0.01)
    assert after_five.lap_per_second == pytest.approx(3000 / 35, rel=0.01)
    assert [one.moments.tail_seconds for one in (at_once, after_five)] == pytest.approx([0, 5])


def test_notices_that_come_slower_than_messages_are_the_rate() -> None:
    slow = replace(collected(0), notices=every(0.02, 0, 60))
    assert Course(3000, slow, {}, {}).per_second == pytest.approx(50, rel=0.01)


def test_a_short_load_has_its_later_half_as_window() -> None:
    assert Moments([0.0, 4.0], [], []).window == (2.0, 4.0)


def test_rates_and_seconds_count_each_moment_once() -> None:
    moments = [0.0, 0.5, 1.0, 1.5, 2.0]
    assert by_second(moments, 3) == [2, 2, 1]
    assert rate_within(moments, 0.0, 2.0) == 2.0


def test_a_drained_queue_shows_its_rates_and_memory() -> None:
    looks = [
        Look(0, 1000, 50),
        Look(1, 900, 60),
        Look(2, 700, 61),
        Look(5, 100, 62),
        Look(6, 0, 62),
    ]
    drained = Drained(1000, looks)
    assert (drained.seconds, drained.peak_mib, drained.memory_at_begin_mib) == (6, 62, 60)
    assert drained.rate_at_begin == 150  # 300 in the first two seconds
    assert drained.rate_at_end == pytest.approx(700 / 4)  # the last look above a fifth to the end


def test_the_start_of_the_worker_is_not_counted() -> None:
    looks = [Look(0.25, 9, 20), Look(0.5, 9, 40), Look(0.75, 4, 50), Look(1.0, 0, 50)]
    assert [(look.at, look.left) for look in since_it_began(looks)] == [(0, 9), (0.25, 4), (0.5, 0)]


RELAY = {
    "our_cpu_ms": 6.0,
    "cpu_ms_around": {"broker": 2.0, "database": 1.0, "sandbox": 9.0},
    "memory_mib": dict.fromkeys(("ingest", "filter", "fetcher", "composer", "notifier"), 102.4),
}


def test_machines_bear_the_peak_with_reserve_and_cost_what_they_hold() -> None:
    """A country of 21 regions at 70 a second: a region has 3.3, 9 ms each, half busy."""
    one, five, many = sizes(RELAY)
    assert one.peak == pytest.approx(70 / 21)
    assert one.cores_at_peak == pytest.approx(70 / 21 * 0.009)
    assert (one.single.number, one.single.cores, one.single.gib) == (1, 2, 4)
    assert one.single_kr == 2 * 200 + 4 * 40 + one.single.disk_gib
    assert (many.data.number, many.stages.number) == (3, 2)
    assert five.a_year == pytest.approx(5 * one.a_year)


def test_a_larger_peak_needs_more_processors() -> None:
    busy = sizes(RELAY, Assumptions(national_peak=7000))[-1]
    assert busy.single.cores == 150  # 8,333 a second of 9 ms, half busy
    assert busy.stages.cores == 100
