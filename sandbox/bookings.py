"""The bookings of all booking systems, by logical address and booking id."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from sandbox.timeslots import BadField, checked_fields, render_reply
from shared.booking.identity import hsa_key


@dataclass(frozen=True)
class Booking:
    """One booking. `fields` are those of TimeslotType as texts; see `sandbox.timeslots`."""

    logical_address: str
    booking_id: str
    fields: Mapping[str, str]

    @cached_property
    def reply(self) -> bytes:
        """The answer without faults, rendered once."""
        return render_reply(self.fields)

    def listing(self) -> dict[str, str]:
        return {"logicalAddress": self.logical_address, **self.fields}


class Bookings:
    """The bookings. HSA-ids are found in any case, booking ids only as they were put."""

    def __init__(self) -> None:
        self._bookings: dict[tuple[str, str], Booking] = {}

    def put(self, logical_address: str, booking_id: str, said: Mapping[str, object]) -> None:
        """Add a booking, or replace it. Raises `BadField`."""
        own = {"healthcare_facility": logical_address, "bookingId": booking_id}
        booking = Booking(logical_address, booking_id, {**own, **checked_fields(said)})
        self._bookings[self._key(logical_address, booking_id)] = booking

    def put_all(self, listed: list[object]) -> int:
        """Put all bookings of a list, or none when one of them is wrong (`BadField`)."""
        wanted = [_addressed(number, said) for number, said in enumerate(listed)]
        for _, _, fields in wanted:
            checked_fields(fields)
        for address, booking_id, fields in wanted:
            self.put(address, booking_id, fields)
        return len(wanted)

    def find(self, logical_address: str, booking_id: str) -> Booking | None:
        return self._bookings.get(self._key(logical_address, booking_id))

    def remove(self, logical_address: str, booking_id: str) -> bool:
        return self._bookings.pop(self._key(logical_address, booking_id), None) is not None

    def clear(self) -> int:
        count = len(self._bookings)
        self._bookings.clear()
        return count

    def __iter__(self) -> Iterator[Booking]:
        return iter(list(self._bookings.values()))

    @staticmethod
    def _key(logical_address: str, booking_id: str) -> tuple[str, str]:
        return hsa_key(logical_address), booking_id


def _addressed(number: int, said: object) -> tuple[str, str, dict[str, object]]:
    if not isinstance(said, dict):
        raise BadField(f"{number}: not an object with the fields of a booking")
    fields = dict(said)
    address = fields.pop("logicalAddress", fields.get("healthcare_facility"))
    booking_id = fields.get("bookingId")
    if not isinstance(address, str) or not isinstance(booking_id, str):
        raise BadField(f"{number}: logicalAddress or bookingId is missing")
    return address, booking_id, fields
