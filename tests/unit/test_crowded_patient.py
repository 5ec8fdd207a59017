"""A patient with a thousand bookings in one booking system costs no composer seconds a change."""

from time import process_time

from composer.history import History
from composer.judgement import judge
from shared.booking.identity import BookingKey
from shared.booking.inbox import (
    Announcement,
    Awaiting,
    MessageKind,
    Watermark,
    patient_bookings_key,
)
from shared.booking.messages import FetchedBooking
from tests.unit.composer_world import NOW, VISIT, WINDOW, key

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
        patient_bookings=patient_bookings_key(booking),
        fetched_at=NOW,
        gone=removed,
        received_at=NOW,
        awaiting=Awaiting.REMOVAL if removed else None,
        awaiting_since=NOW if removed else None,
    )


def test_a_removal_that_came_due_is_judged_at_once() -> None:
    removed = BOOKINGS[0]
    watermarks = tuple(watermark(booking, removed=booking is removed) for booking in BOOKINGS)
    history = History(tuple(map(announced, BOOKINGS)), watermarks)
    fetched = FetchedBooking(
        notification_id="crowd",
        received_at=NOW,
        change_id="removal",
        booking=removed,
        deleted=True,
        service_domain="riv:crm:scheduling",
        fetched_at=NOW,
        details=None,
    )
    started = process_time()
    judge(fetched, history, NOW + WINDOW, WINDOW)
    assert process_time() - started < 0.5
