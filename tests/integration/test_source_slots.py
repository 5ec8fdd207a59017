"""The line of slots in the database, on SQLite and PostgreSQL, with several processes' worth."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.store.engine import DatabaseUnavailable, open_database
from shared.store.migrate import migrate
from shared.store.slots import SourceSlots
from tests.booking_samples import NOON

FIFTH = timedelta(seconds=0.2)


@pytest.fixture
def slots(database_url: str) -> SourceSlots:
    migrate(database_url)
    return SourceSlots(open_database(database_url))


def test_a_free_line_begins_at_once(slots: SourceSlots) -> None:
    assert slots.reserve("SE-A", now=NOON, not_before=NOON, span=FIFTH) == NOON


def test_what_is_reserved_is_not_given_again(slots: SourceSlots) -> None:
    firsts = [slots.reserve("SE-A", now=NOON, not_before=NOON, span=FIFTH * 5) for _ in range(3)]
    assert firsts == [NOON, NOON + FIFTH * 5, NOON + FIFTH * 10]


def test_time_that_passed_unused_is_not_made_up_for(slots: SourceSlots) -> None:
    slots.reserve("SE-A", now=NOON, not_before=NOON, span=FIFTH)
    later = NOON + timedelta(hours=1)
    assert slots.reserve("SE-A", now=NOON, not_before=later, span=FIFTH) == later
    assert slots.reserve("SE-A", now=NOON, not_before=NOON, span=FIFTH) == later + FIFTH


@pytest.mark.parametrize("ahead", [timedelta(hours=6), timedelta(days=3650)])
def test_a_reservation_by_a_clock_that_was_ahead_is_not_believed(
    slots: SourceSlots, ahead: timedelta
) -> None:
    slots.reserve("SE-A", now=NOON + ahead, not_before=NOON + ahead, span=FIFTH)
    firsts = [slots.reserve("SE-A", now=NOON, not_before=NOON, span=FIFTH) for _ in range(2)]
    assert firsts == [NOON, NOON + FIFTH]


def test_a_long_line_is_believed(slots: SourceSlots) -> None:
    slots.reserve("SE-A", now=NOON, not_before=NOON, span=timedelta(hours=7))
    first = slots.reserve("SE-A", now=NOON, not_before=NOON, span=FIFTH)
    assert first == NOON + timedelta(hours=7)


def test_clocks_that_differ_by_a_second_share_one_line(slots: SourceSlots) -> None:
    second = timedelta(seconds=1)
    slots.reserve("SE-A", now=NOON + second, not_before=NOON + second, span=FIFTH)
    assert slots.reserve("SE-A", now=NOON, not_before=NOON, span=FIFTH) == NOON + second + FIFTH


def test_each_source_has_its_own_line(slots: SourceSlots) -> None:
    slots.reserve("SE-A", now=NOON, not_before=NOON, span=timedelta(hours=1))
    assert slots.reserve("SE-B", now=NOON, not_before=NOON, span=FIFTH) == NOON


def test_turns_are_exact_to_the_microsecond(slots: SourceSlots) -> None:
    third = timedelta(microseconds=333_333)
    firsts = [slots.reserve("SE-A", now=NOON, not_before=NOON, span=third) for _ in range(4)]
    assert firsts[-1] == NOON + third * 3


def test_fetchers_that_ask_at_once_get_different_slots(database_url: str) -> None:
    migrate(database_url)
    processes = [SourceSlots(open_database(database_url)) for _ in range(4)]

    def take(number: int) -> list[object]:
        own = processes[number % 4]
        return [own.reserve("SE-A", now=NOON, not_before=NOON, span=FIFTH) for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        taken = [slot for some in pool.map(take, range(8)) for slot in some]
    assert sorted(taken) == [NOON + FIFTH * number for number in range(80)]  # type: ignore[type-var]


def test_a_database_that_is_away_is_said_to_be() -> None:
    away = SourceSlots(open_database("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    with pytest.raises(DatabaseUnavailable):
        away.reserve("SE-A", now=NOON, not_before=NOON, span=FIFTH)
