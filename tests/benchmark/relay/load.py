"""Who is notified of what: made by number, the same for the sandbox, the database and the sender.

Patients are born in the year 1800, so that none of them can be anybody.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Self

from shared.booking.notices import Channel
from tests.notifications import engagement, envelope, transaction

_YEAR = datetime.now(UTC).year + 1
_PURPOSE = "Ta med legitimation. Kom tio minuter före avtalad tid. Meddela om du får förhinder."


@dataclass(frozen=True)
class Booking:
    """The booking of one patient, in booking system number `source`."""

    number: int
    source: int

    @property
    def source_system(self) -> str:
        return source_system(self.source)

    @property
    def unit(self) -> str:
        return f"SE2321000016-U{self.source:03d}"

    @property
    def booking_id(self) -> str:
        return f"booking-{self.number}"

    @property
    def patient(self) -> str:
        return f"1800{self.number % 100_000_000:08d}"

    @property
    def starts(self) -> str:
        month, day, hour = 1 + self.number % 12, 1 + self.number % 28, 8 + self.number % 8
        return f"{_YEAR}{month:02d}{day:02d}{hour:02d}0000"

    @property
    def channel(self) -> Channel:
        """How the patient wants to be told: every other one by SMS, the others by mail."""
        return Channel.EMAIL if self.number % 2 else Channel.SMS

    @property
    def address(self) -> str:
        if self.channel is Channel.EMAIL:
            return f"patient{self.number}@example.invalid"
        return f"+4670{self.number % 10_000_000:07d}"

    def at_the_source(self) -> dict[str, Any]:
        """As the sandbox's control API takes it."""
        return {
            "logicalAddress": self.unit,
            "bookingId": self.booking_id,
            "subject_of_care": self.patient,
            "startTimeInclusive": self.starts,
            "endTimeExclusive": f"{self.starts[:10]}3000",
            "healthcare_facility_name": f"Vårdcentralen {self.source}",
            "performerName": "Alva Testlund",
            "careTypeName": "Läkarbesök",
            "purpose": _PURPOSE,
            "cancel_booking_allowed": True,
            "rebooking_allowed": True,
            "message_allowed": False,
            "isInvitation": False,
        }

    def transaction(self) -> str:
        return transaction(
            engagement(
                registeredResidentIdentification=self.patient,
                logicalAddress=self.unit,
                businessObjectInstanceIdentifier=self.booking_id,
                mostRecentContent=self.starts,
                sourceSystem=self.source_system,
            )
        )


@dataclass(frozen=True)
class Plan:
    """Which bookings are notified, and how.

    `rate`: requests a second, evenly, whether or not earlier ones were answered; 0 is as fast as
    `connections` get their answers. `seconds`: when sending stops, whatever is left; 0 is never.
    """

    count: int
    first: int = 0
    sources: Sequence[int] = tuple(range(40))
    per_request: int = 1
    rate: float = 0
    connections: int = 16
    seconds: float = 0

    def bookings(self) -> Iterator[Booking]:
        for number in range(self.first, self.first + self.count):
            yield Booking(number, self.sources[number % len(self.sources)])

    def requests(self) -> Iterator[bytes]:
        bookings = self.bookings()
        while several := list(islice(bookings, self.per_request)):
            yield envelope("".join(booking.transaction() for booking in several))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


def source_system(number: int) -> str:
    return f"SE2321000016-S{number:03d}"
