"""Slots that follow each other at a spacing."""

from datetime import timedelta

from shared.base.gcra import Gcra
from tests.booking_samples import NOON

SECOND = timedelta(seconds=1)


def test_slots_follow_each_other_and_begin_now_when_the_line_is_free() -> None:
    line = Gcra()
    assert [line.take(NOON, SECOND) - NOON for _ in range(3)] == [0 * SECOND, SECOND, 2 * SECOND]
    assert line.ahead(NOON) == 3 * SECOND
    assert line.ahead(NOON + 10 * SECOND) == 0 * SECOND
    assert line.take(NOON + 10 * SECOND, SECOND) == NOON + 10 * SECOND


def test_slots_of_a_clock_that_went_back_are_forgotten() -> None:
    line = Gcra()
    line.take(NOON + timedelta(days=1), SECOND)
    assert line.ahead(NOON) == 0 * SECOND
    assert line.take(NOON, SECOND) == NOON
