"""crm:scheduling: which contract answers for its changes, and what its notifications tell."""

from datetime import datetime

from fetcher.answers import Answer
from fetcher.bookings_client import BookingsClient
from shared.booking.identity import BookingKey
from shared.booking.messages import BookingChange
from shared.booking.times import instant, is_wall_time

SERVICE_DOMAIN = "riv:crm:scheduling"


class CrmScheduling:
    """Fetches by GetBookingDetails."""

    def __init__(self, client: BookingsClient) -> None:
        self._client = client

    def fetch(self, booking: BookingKey, correlation_id: str) -> Answer:
        return self._client.get_booking_details(booking, correlation_id)

    def visit_starts(self, change: BookingChange) -> datetime | None:
        """`mostRecentContent`, which in this domain, and in this domain only, is that time."""
        if change.deleted or not is_wall_time(change.most_recent_content):
            return None
        return instant(change.most_recent_content)
