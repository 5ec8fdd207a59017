"""What a booking system bears: its circuit breaker, its rate, and pauses."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from fetcher.answers import CallFailed, FetchRetryReason, Timeslot
from fetcher.crm_scheduling import CrmScheduling
from fetcher.handler import FetchDropReason, FetchHandler
from fetcher.limits import Source, SourceLimits, SourceWaitReason
from shared.base.breaker import BreakerPolicy
from shared.booking.messages import BookingChange
from shared.relay.outcomes import Drop, Postpone, Publish, RetryLater
from tests.booking_samples import (
    BOOKING,
    NOON,
    PATIENT,
    SampleSource,
    a_change,
)
from tests.unit.fetcher_world import (
    DETAILS,
    TIMED_OUT,
    World,
)


def test_an_open_breaker_postpones_without_spending_attempts_and_closes_after_a_probe() -> None:
    world = World(TIMED_OUT)
    for _ in range(3):
        assert isinstance(world.handle(a_change()), RetryLater)
    waiting = world.handle(a_change())
    assert isinstance(waiting, Postpone)
    assert waiting.reason is SourceWaitReason.BREAKER_OPEN
    assert waiting.delay >= timedelta(seconds=5)
    assert len(world.client.asked) == 3

    world.clock.forward(waiting.delay.total_seconds())
    world.client.says = Timeslot(DETAILS, PATIENT)
    assert isinstance(waiting.instead, BookingChange)
    assert isinstance(world.handle(waiting.instead), Publish)
    assert isinstance(world.handle(a_change()), Publish)
    assert world.watch.openings == [True, False]


def test_a_fault_in_the_request_itself_does_not_open_the_breaker() -> None:
    world = World(CallFailed(FetchRetryReason.FAULT, "Fault Client", source_works=True))
    for _ in range(10):
        world.clock.forward(1)
        assert isinstance(world.handle(a_change()), RetryLater)
    assert world.watch.openings == []


def test_a_bug_in_the_call_is_no_verdict_on_the_source() -> None:
    world = World(ValueError("bug"))
    for _ in range(10):
        world.clock.forward(1)
        with pytest.raises(ValueError, match="bug"):
            world.handle(a_change())
    assert world.watch.openings == []
    assert set(world.watch.results) == {"bug"}


def test_a_change_beyond_the_rate_comes_back_at_its_turn_and_goes_then() -> None:
    world = World(None)
    outcomes = [world.handle(a_change()) for _ in range(20)]
    calls = [outcome for outcome in outcomes if isinstance(outcome, Publish)]
    waits = [outcome for outcome in outcomes if isinstance(outcome, Postpone)]
    assert len(calls) == 6  # one now, five in the second of tolerance
    assert {wait.reason for wait in waits} == {SourceWaitReason.RATE_LIMITED}
    delays = [wait.delay for wait in waits]
    assert delays == sorted(set(delays))
    last = waits[-1]
    assert isinstance(last.instead, BookingChange)
    assert last.instead.slot == NOON + last.delay
    reservations = len(world.line.reserved)
    world.clock.forward(last.delay.total_seconds())
    assert isinstance(world.handle(last.instead), Publish)
    assert len(world.line.reserved) == reservations


def test_a_slot_given_by_a_clock_six_hours_ahead_is_not_kept() -> None:
    ahead = NOON + timedelta(hours=6)
    world = World(None)
    assert isinstance(world.handle(a_change(slot=ahead, slot_given_at=ahead)), Publish)
    assert isinstance(world.handle(a_change(slot=ahead, slot_given_at=NOON)), Postpone)


def test_one_flooding_source_leaves_another_alone() -> None:
    world = World(None)
    clock: Callable[[], datetime] = world.clock
    limits = SourceLimits(
        world.line,
        BreakerPolicy(3, timedelta(seconds=5), timedelta(seconds=60), lambda: 1.0),
        most_in_flight=8,
        clock=clock,
        watch=world.watch,
    )

    class TwoSources:
        def find(self, hsa_id: str) -> Source:
            return SampleSource(hsa_id)

    handle = FetchHandler(
        {"riv:crm:scheduling": CrmScheduling(world.client)},  # type: ignore[arg-type]
        TwoSources(),
        limits,
        world.watch,
        world.known,
        clock,
    )
    for _ in range(100):
        handle(a_change())
    other = BOOKING.model_copy(update={"source_system": "SE2321000016-SYS2"})
    assert isinstance(handle(a_change(booking=other)), Publish)


def test_one_patients_unreadable_reply_does_not_open_the_breaker() -> None:
    world = World(CallFailed(FetchRetryReason.UNREADABLE, "odd", source_works=True))
    for _ in range(20):
        assert isinstance(world.handle(a_change()), RetryLater)
        world.clock.forward(60)


class TestPausedSource:
    def test_it_is_not_asked_and_its_changes_wait_without_spending_attempts(self) -> None:
        world = World(Timeslot(DETAILS), source=SampleSource(paused=True))
        waiting = world.handle(a_change())
        assert isinstance(waiting, Postpone)
        assert waiting.reason is SourceWaitReason.SOURCE_PAUSED
        assert waiting.delay >= timedelta(minutes=1)
        assert world.client.asked == []

    def test_a_change_that_comes_back_waits_on(self) -> None:
        world = World(Timeslot(DETAILS), source=SampleSource(paused=True))
        for _ in range(3):
            waiting = world.handle(a_change())
            assert isinstance(waiting, Postpone)
            world.clock.forward(waiting.delay.total_seconds())
        assert world.client.asked == []

    def test_a_visit_that_has_begun_ends_its_waiting(self) -> None:
        world = World(Timeslot(DETAILS), source=SampleSource(paused=True))
        change = a_change(most_recent_content="20261201130005")
        world.clock.forward(6)
        assert world.handle(change) == Drop(FetchDropReason.TIME_PASSED)
