"""An inbox message as the composer would write it, of a made-up patient."""

from datetime import UTC, datetime

from shared.base.ids import new_id
from shared.booking.identity import BookingKey
from shared.booking.inbox import HistoryWindow, InboxMessage, MessageKind
from shared.booking.messages import BookingDetails
from shared.store.engine import open_database
from shared.store.inbox import Inbox

_NOON = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)


def one_message(database_url: str, *, patient: str) -> str:
    """Write a confirmation into the patient's inbox; its id."""
    message = InboxMessage(
        id=new_id(),
        key=BookingKey(
            source_system="SE-TIDBOK", logical_address="SE-unit", booking_id="b1", patient=patient
        ),
        revision=1,
        kind=MessageKind.BOOKING_CONFIRMATION,
        state=BookingDetails(starts="20261203090000"),
        calendar_uid="uid",
        received_at=_NOON,
        fetched_at=_NOON,
        created_at=_NOON,
        notification_id="notification",
        change_id="notification-a",
        subject="Bokad tid",
        body_text="Du har en tid.",
        body_html="<p>Du har en tid.</p>",
        calendar=None,
    )
    database = open_database(database_url)
    with Inbox(database).locked([HistoryWindow(message.key, (), _NOON)]) as [bookings]:
        bookings.write(message)
    database.close()
    return message.id
