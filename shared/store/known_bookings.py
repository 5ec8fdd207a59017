"""Which bookings the index has named, as far as it is remembered: by their watermarks, which have
a row as soon as the filter passes a change on."""

from sqlalchemy import bindparam, select

from shared.booking.identity import BookingKey
from shared.store.engine import Database
from shared.store.tables import booking_watermark

_HAS = select(booking_watermark.c.booking).where(booking_watermark.c.booking == bindparam("digest"))


class KnownBookings:
    """Asked only when a reply is about another patient or unit than asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has(self, booking: BookingKey) -> bool:
        """Whether a change of `booking` was passed on. Raises `Unavailable`."""
        with self._database.single() as connection:
            return connection.execute(_HAS, {"digest": booking.digest}).first() is not None
