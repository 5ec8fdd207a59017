"""The contract of service domain crm:scheduling, and what its notifications say."""

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
        """`mostRecentContent`, which is the start of the visit in this service domain only."""
        if change.deleted or not is_wall_time(change.most_recent_content):
            return None
        return instant(change.most_recent_content)
