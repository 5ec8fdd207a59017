"""Changes, replies and a source system to test the fetcher with. All persons are made up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.booking.identity import BookingKey
from shared.booking.messages import BookingChange

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
PATIENT = "191212121212"
BOOKING = BookingKey(
    source_system="SE2321000016-SYS1",
    logical_address="SE2321000016-1hz5",
    booking_id="B-1",
    patient=PATIENT,
)


@dataclass(frozen=True)
class SampleSource:
    hsa_id: str = BOOKING.source_system
    calls_per_second: float = 5
    calls_in_flight: int = 5
    paused: bool = False


class HandClock:
    """A clock that moves only by hand."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class LineInMemory:
    """The line of slots of all sources, as the database keeps it."""

    def __init__(self) -> None:
        self.reserved: list[tuple[datetime, timedelta]] = []
        self._ends: dict[str, datetime] = {}

    def reserve(
        self,
        hsa_key: str,
        *,
        now: datetime,
        not_before: datetime,
        span: timedelta,
    ) -> datetime:
        first = max(self._ends.get(hsa_key, not_before), not_before)
        self._ends[hsa_key] = first + span
        self.reserved.append((first, span))
        return first


def a_change(**values: object) -> BookingChange:
    return BookingChange.model_validate(
        {
            "notification_id": "n",
            "correlation_id": "corr-1",
            "received_at": NOON,
            "change_id": "n-1",
            "booking": BOOKING,
            "deleted": False,
            "service_domain": "riv:crm:scheduling",
            "most_recent_content": "20261203090000",
            **values,
        }
    )


_RESPONSE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<r:GetBookingDetailsResponse xmlns:r="urn:riv:crm:scheduling:GetBookingDetailsResponder:1"'
    ' xmlns:c="urn:riv:crm:scheduling:1" xmlns:e="urn:riv:crm:scheduling:1.1">{}'
    "</r:GetBookingDetailsResponse></s:Body></s:Envelope>"
)

TIMESLOT = (
    "<c:startTimeInclusive>20261203090000</c:startTimeInclusive>"
    "<c:endTimeExclusive>20261203093000</c:endTimeExclusive>"
    f"<c:healthcare_facility>{BOOKING.logical_address}</c:healthcare_facility>"
    "<c:performer>SE2321000016-P1</c:performer>"
    f"<c:bookingId>{BOOKING.booking_id}</c:bookingId>"
    f"<c:subject_of_care>{PATIENT}</c:subject_of_care>"
    "<c:purpose>Välkommen på kontroll.</c:purpose><c:reason>Huvudvärk</c:reason>"
    "<c:resourceName>Rum 4</c:resourceName>"
    "<c:healthcare_facility_name>Vårdcentralen Åsen</c:healthcare_facility_name>"
    "<c:performerName>Doktor Ek</c:performerName><c:resourceID>r4</c:resourceID>"
    "<c:timeTypeName>Besök</c:timeTypeName><c:timeTypeID>1</c:timeTypeID>"
    "<c:careTypeName>Läkare</c:careTypeName><c:careTypeID>2</c:careTypeID>"
    "<c:cancel_booking_allowed>true</c:cancel_booking_allowed>"
    "<c:rebooking_allowed>1</c:rebooking_allowed>"
    "<c:message_allowed>false</c:message_allowed>"
    "<e:isInvitation>true</e:isInvitation>"
)


def response(content: str) -> bytes:
    """A whole reply with `content` inside GetBookingDetailsResponse."""
    return _RESPONSE.format(content).encode()


def reply(timeslot: str = TIMESLOT) -> bytes:
    return response(f"<r:timeslotDetail>{timeslot}</r:timeslotDetail>")
