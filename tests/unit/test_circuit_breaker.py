"""The circuit breaker of one peer."""

from datetime import timedelta

from shared.base.breaker import Breaker, BreakerPolicy
from tests.booking_samples import NOON, HandClock

POLICY = BreakerPolicy(3, timedelta(seconds=5), timedelta(seconds=30), spread=lambda: 1.0)


def breaker_after(*, failures: int) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(failures):
        breaker.failed(NOON, probe=breaker.start())
    return breaker


def open_for(breaker: Breaker, clock: HandClock) -> float:
    until = breaker.next_try(clock())
    assert until is not None
    return (until - clock()).total_seconds()


def test_it_opens_after_several_failures_in_a_row() -> None:
    assert breaker_after(failures=2).next_try(NOON) is None
    assert open_for(breaker_after(failures=3), HandClock()) == 5


def test_a_success_between_starts_the_count_anew() -> None:
    breaker = breaker_after(failures=2)
    breaker.succeeded()
    breaker.failed(NOON, probe=False)
    breaker.failed(NOON, probe=False)
    assert not breaker.is_open


def test_one_probe_goes_and_the_others_wait_for_its_answer() -> None:
    clock, breaker = HandClock(), breaker_after(failures=3)
    clock.forward(5)
    assert breaker.next_try(clock()) is None
    assert breaker.start()
    assert open_for(breaker, clock) == 5
    breaker.succeeded()
    assert breaker.next_try(clock()) is None
    assert not breaker.start()


def test_each_failed_probe_doubles_the_wait_up_to_the_longest() -> None:
    clock, breaker, waits = HandClock(), breaker_after(failures=3), []
    for _ in range(5):
        waits.append(open_for(breaker, clock))
        clock.forward(waits[-1])
        breaker.failed(clock(), probe=breaker.start())
    assert waits == [5, 10, 20, 30, 30]


def test_after_a_recovery_the_waits_begin_anew() -> None:
    clock, breaker = HandClock(), breaker_after(failures=3)
    clock.forward(5)
    breaker.failed(clock(), probe=breaker.start())
    breaker.succeeded()
    for _ in range(3):
        breaker.failed(clock(), probe=breaker.start())
    assert open_for(breaker, clock) == 5


def test_calls_under_way_when_it_opened_do_not_prolong_the_wait() -> None:
    breaker = breaker_after(failures=3)
    for _ in range(10):
        breaker.failed(NOON, probe=False)
    assert open_for(breaker, HandClock()) == 5


def test_a_late_success_of_such_a_call_closes_it() -> None:
    breaker = breaker_after(failures=3)
    breaker.succeeded()
    assert breaker.next_try(NOON) is None


def test_a_probe_that_ended_by_a_fault_of_ours_lets_the_next_one_by() -> None:
    clock, breaker = HandClock(), breaker_after(failures=3)
    clock.forward(5)
    breaker.gave_no_verdict(probe=breaker.start())
    assert breaker.next_try(clock()) is None
    assert breaker.start()


def test_processes_are_spread_so_that_they_do_not_probe_in_step() -> None:
    policy = BreakerPolicy(1, timedelta(seconds=5), timedelta(seconds=30), spread=lambda: 1.2)
    breaker = Breaker(policy)
    breaker.failed(NOON, probe=False)
    assert open_for(breaker, HandClock()) == 6


def test_a_very_long_outage_overflows_nothing() -> None:
    assert POLICY.wait(10_000) == timedelta(seconds=30)


def test_a_clock_that_goes_back_does_not_keep_it_open() -> None:
    breaker = breaker_after(failures=3)
    assert breaker.next_try(NOON - timedelta(seconds=1)) is not None
    assert breaker.next_try(NOON - timedelta(hours=6)) is None


def test_a_peer_that_asks_for_more_time_gets_it() -> None:
    breaker = Breaker(BreakerPolicy(1, timedelta(seconds=5), timedelta(seconds=30), lambda: 1.0))
    breaker.failed(NOON, probe=False, asked=timedelta(seconds=90))
    assert open_for(breaker, HandClock()) == 90
    breaker.failed(NOON, probe=False, asked=timedelta(seconds=1))
    assert open_for(breaker, HandClock()) == 90
