"""What the benchmarks send: realistic in size and content, and about nobody."""

from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

from shared.booking.identity import BookingKey
from shared.booking.messages import BookingChange, BookingDetails, FetchedBooking, RequestMember

_RECEIVED = datetime(2027, 11, 1, 12, 0, tzinfo=UTC)
_STARTS = "20271203090000"
_DETAILS = BookingDetails(
    starts=_STARTS,
    ends="20271203093000",
    unit="SE2321000016-1HZ5",
    unit_name="Vårdcentralen Skogsgläntan",
    performer_name="Alva Testlund",
    care_type_name="Läkarbesök",
    purpose="Ta med legitimation. Kom tio minuter före avtalad tid.",
    cancel_allowed=True,
    rebook_allowed=True,
)


def change(number: int) -> BookingChange:
    """A change as the filter writes it; about 700 bytes of JSON."""
    return BookingChange(
        notification_id=f"benchmarknotification{number}",
        correlation_id=str(uuid5(NAMESPACE_OID, str(number))),
        received_at=_RECEIVED,
        change_id=f"benchmarknotification{number}-a",
        booking=_booking(f"booking-{number}"),
        deleted=False,
        service_domain="riv:crm:scheduling",
        most_recent_content=_STARTS,
        same_request=(RequestMember(booking=_booking(f"the-one-before-{number}"), deleted=True),),
    )


def fetched(change: BookingChange) -> FetchedBooking:
    """What a source that answers at once would make of `change`."""
    return FetchedBooking(
        notification_id=change.notification_id,
        correlation_id=change.correlation_id,
        received_at=change.received_at,
        change_id=change.change_id,
        booking=change.booking,
        deleted=change.deleted,
        service_domain=change.service_domain,
        fetched_at=_RECEIVED,
        details=_DETAILS,
    )


def _booking(booking_id: str) -> BookingKey:
    return BookingKey(
        source_system="SE2321000016-1HZ3",
        logical_address="SE2321000016-1HZ5",
        booking_id=booking_id,
        patient="191212121212",
    )
