"""A patient with a thousand bookings in one booking system costs no composer seconds a change."""

from time import process_time

import pytest

from composer.history import History
from composer.judgement import judge
from shared.booking.identity import BookingKey
from shared.booking.inbox import (
    Announcement,
    Awaiting,
    MessageKind,
    Watermark,
)
from shared.booking.messages import FetchedBooking
from tests.unit.composer_world import LIMITS, NOW, VISIT, WINDOW, key

BOOKINGS = [key(f"booking {number}") for number in range(1000)]


def announced(booking: BookingKey) -> Announcement:
    return Announcement(
        id=booking.booking_id,
        key=booking,
        revision=1,
        kind=MessageKind.BOOKING_CONFIRMATION,
        state=VISIT,
        calendar_uid=booking.booking_id,
        received_at=NOW,
        fetched_at=NOW,
        created_at=NOW,
        notification_id="crowd",
        change_id=booking.booking_id,
    )


def watermark(booking: BookingKey, *, removed: bool) -> Watermark:
    return Watermark(
        booking=booking.digest,
        patient_bookings=booking.patient_bookings,
        same_id=booking.same_id,
        notification_id="crowd",
        first_seen_at=NOW,
        fetched_at=NOW,
        gone=removed,
        received_at=NOW,
        awaiting=Awaiting.REMOVAL if removed else None,
        awaiting_since=NOW if removed else None,
    )


@pytest.mark.parametrize("removals", [1, 1000])
def test_a_removal_that_came_due_is_judged_at_once(removals: int) -> None:
    watermarks = tuple(
        watermark(booking, removed=number < removals) for number, booking in enumerate(BOOKINGS)
    )
    history = History(tuple(map(announced, BOOKINGS)), watermarks)
    fetched = FetchedBooking(
        notification_id="crowd",
        received_at=NOW,
        change_id="removal",
        booking=BOOKINGS[0],
        deleted=True,
        service_domain="riv:crm:scheduling",
        fetched_at=NOW,
        details=None,
    )
    started = process_time()
    judge(fetched, history, NOW + WINDOW, LIMITS, activated=True, lags=False)
    assert process_time() - started < 0.5
