"""Quiet hours over summer time's two odd nights; slots; pauses."""

from datetime import UTC, datetime, timedelta
from threading import Timer

import pytest

from notifier.pacing import Bulkhead, CircuitBreaker, QuietHours, Slots
from shared.booking.times import STOCKHOLM

NOON = datetime(2026, 12, 3, 11, 0, tzinfo=UTC)


def at(text: str, fold: int = 0) -> datetime:
    """The moment Swedish clocks show `text`."""
    return datetime.fromisoformat(text).replace(tzinfo=STOCKHOLM, fold=fold)


@pytest.mark.parametrize(
    ("hours", "now", "end"),
    [
        ("21:00-07:00", at("2026-12-03 20:59:59"), None),
        ("21:00-07:00", at("2026-12-03 21:00"), at("2026-12-04 07:00")),
        ("21:00-07:00", at("2026-12-31 23:59"), at("2027-01-01 07:00")),
        ("21:00-07:00", at("2026-12-04 00:00"), at("2026-12-04 07:00")),
        ("21:00-07:00", at("2026-12-04 06:59:59"), at("2026-12-04 07:00")),
        ("21:00-07:00", at("2026-12-04 07:00"), None),
        ("12:00-13:00", at("2026-12-04 12:30"), at("2026-12-04 13:00")),
        ("12:00-13:00", at("2026-12-04 13:00"), None),
        ("00:00-06:00", at("2026-12-04 00:00"), at("2026-12-04 06:00")),
        # Summer time starts 29 March 2026 at 02:00 and ends 25 October at 03:00.
        ("21:00-07:00", at("2026-03-28 22:00"), at("2026-03-29 07:00")),
        ("21:00-07:00", at("2026-10-24 22:00"), at("2026-10-25 07:00")),
        ("21:00-02:30", at("2026-03-29 01:59"), at("2026-03-29 03:30")),
        ("21:00-02:30", at("2026-10-25 02:10"), at("2026-10-25 02:30", fold=1)),
        ("21:00-02:30", at("2026-10-25 02:10", fold=1), at("2026-10-25 02:30", fold=1)),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(
    hours: str, now: datetime, end: datetime | None
) -> None:
    quiet_end = QuietHours.parse(hours).end_after(now.astimezone(UTC))
    assert quiet_end == (end.astimezone(UTC) if end else None)


def test_the_night_summer_time_ends_is_an_hour_longer() -> None:
    evening = at("2026-10-24 22:00").astimezone(UTC)
    end = QuietHours.parse("21:00-07:00").end_after(evening)
    assert end is not None
    assert end - evening == timedelta(hours=10)


@pytest.mark.parametrize("text", ["", "21", "21:00", "21:00-", "21:00-07:00-08:00", "25:00-07:00"])
def test_quiet_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="like 21:00-07:00"):
        QuietHours.parse(text)


@pytest.mark.parametrize("text", ["07:00-07:00", "21:00Z-07:00"])
def test_quiet_hours_are_two_different_times_of_the_swedish_day(text: str) -> None:
    with pytest.raises(ValueError, match="two different times"):
        QuietHours.parse(text)


def test_turns_are_evenly_spaced() -> None:
    slots = Slots(100)
    given = [slots.slot(None, NOON) for _ in range(101)]
    assert given[0] == NOON
    assert given[100] == NOON + timedelta(minutes=1)


def test_idle_time_saves_no_slots() -> None:
    slots = Slots(60)
    slots.slot(None, NOON)
    later = NOON + timedelta(hours=1)
    assert [slots.slot(None, later) for _ in range(2)] == [later, later + timedelta(seconds=1)]


def test_a_turn_is_kept_when_it_comes_and_lost_long_after() -> None:
    slots = Slots(60)
    held = NOON + timedelta(seconds=30)
    for now in (NOON, held, held + timedelta(minutes=1)):
        assert slots.slot(held, now) == held
    late = held + timedelta(minutes=2)
    assert slots.slot(held, late) == late


def test_a_breaker_stays_open_twice_as_long_each_time_until_the_provider_answers() -> None:
    breaker = CircuitBreaker(first=timedelta(seconds=10), longest=timedelta(seconds=40))
    now = NOON
    lengths = []
    for _ in range(4):
        breaker.open(now)
        end = breaker.open_until(now)
        assert end is not None
        lengths.append((end - now).total_seconds())
        assert breaker.open_until(end) is None
        now = end
    assert lengths == [10, 20, 40, 40]
    breaker.close()
    breaker.open(now)
    assert breaker.open_until(now) == now + timedelta(seconds=10)


def test_many_that_meet_one_outage_open_it_once() -> None:
    breaker = CircuitBreaker(first=timedelta(seconds=10))
    for _ in range(8):
        breaker.open(NOON)
    assert breaker.open_until(NOON) == NOON + timedelta(seconds=10)


def test_a_breaker_stays_open_for_as_long_as_was_asked() -> None:
    breaker = CircuitBreaker(first=timedelta(seconds=10))
    breaker.open(NOON, timedelta(seconds=90))
    assert breaker.open_until(NOON) == NOON + timedelta(seconds=90)


def test_a_breaker_is_half_open_until_the_provider_has_answered() -> None:
    breaker = CircuitBreaker(first=timedelta(seconds=10))
    assert breaker.closed
    breaker.open(NOON)
    later = NOON + timedelta(seconds=11)
    assert (breaker.closed, breaker.open_until(later)) == (False, None)
    breaker.close()
    assert breaker.closed


def test_a_bulkhead_has_places_for_some_and_turns_others_away_in_time() -> None:
    bulkhead = Bulkhead(2, patience_seconds=0.01)
    assert [bulkhead.enter() for _ in range(3)] == [True, True, False]
    bulkhead.leave()
    assert bulkhead.enter()


def test_alone_means_that_nobody_else_has_a_place() -> None:
    bulkhead = Bulkhead(2, patience_seconds=0.01)
    assert [bulkhead.enter(alone=True), bulkhead.enter(alone=True)] == [True, False]


def test_a_place_that_is_given_back_in_time_is_used() -> None:
    bulkhead = Bulkhead(1, patience_seconds=10)
    bulkhead.enter()
    Timer(0.05, bulkhead.leave).start()
    assert bulkhead.enter()
