"""Dead letters as the stages would leave them, of made-up patients."""

from datetime import UTC, datetime, timedelta

from shared.booking.identity import BookingKey
from shared.booking.messages import (
    BookingChange,
    BookingDetails,
    Engagement,
    FetchedBooking,
    NoticeOrder,
    Notification,
    QueueMessage,
    RequestMember,
)
from shared.relay.broker import Broker, Envelope, Failure, Outgoing
from shared.relay.topology import dead_key

TOLVAN = "191212121212"
NOON = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)
SECRET = "Svår diagnos"
BOOKING = BookingKey(
    source_system="SE-tidbok", logical_address="SE-unit", booking_id="b1", patient=TOLVAN
)


def notification(*sources: str) -> Notification:
    return Notification(
        notification_id="notificationaaaaaaaa",
        received_at=NOON,
        engagements=tuple(
            Engagement(
                deleted=False,
                patient=TOLVAN,
                service_domain="riv:crm:scheduling",
                categorization="NA",
                logical_address="SE-unit",
                booking_id=f"b{number}",
                clinical_process_interest_id="NA",
                source_system=source,
                data_controller="SE-owner",
            )
            for number, source in enumerate(sources)
        ),
    )


def change() -> BookingChange:
    return BookingChange(
        notification_id="notificationaaaaaaaa",
        received_at=NOON,
        change_id="notificationaaaaaaaa-a",
        booking=BOOKING,
        same_request=(
            RequestMember(
                booking=BOOKING.model_copy(update={"booking_id": f"of {TOLVAN}"}), deleted=True
            ),
        ),
        deleted=False,
        service_domain="riv:crm:scheduling",
    )


def fetched() -> FetchedBooking:
    return FetchedBooking(
        notification_id="notificationaaaaaaaa",
        received_at=NOON,
        change_id="notificationaaaaaaaa-b",
        booking=BOOKING,
        deleted=False,
        service_domain="riv:crm:scheduling",
        fetched_at=NOON,
        details=BookingDetails(
            starts="20261203090000", unit="SE-unit", purpose=SECRET, reason=SECRET
        ),
    )


def order() -> NoticeOrder:
    return NoticeOrder(
        notification_id="notificationaaaaaaaa",
        received_at=NOON,
        change_id="notificationaaaaaaaa-c",
        message_id="messageaaaaaaaaaaaaa",
        patient=TOLVAN,
    )


def letter(
    message_id: str,
    body: QueueMessage | bytes,
    *,
    reason: str = "source_fault",
    error: str = "Fault",
    attempts: int = 3,
) -> Envelope:
    """Died at noon, after `attempts` failures a minute apart."""
    failures = tuple(
        Failure(
            at=NOON - timedelta(minutes=attempts - attempt),
            stage="fetcher",
            reason=reason,
            error=error,
            text="the source answered a Fault",
        )
        for attempt in range(1, attempts + 1)
    )
    return Envelope(
        message_id=message_id,
        body=body if isinstance(body, bytes) else body.encode(),
        attempt=attempts,
        history=failures,
        dead_reason=reason,
        dead_since=NOON,
    )


def bury(broker: Broker, stage: str, *letters: Envelope) -> None:
    broker.declare()
    broker.publish([Outgoing(dead_key(stage), one) for one in letters])
