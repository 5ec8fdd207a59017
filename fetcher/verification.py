"""Whether a reply is about the booking that was asked for; otherwise it is a safety incident.

See docs/domain.md, "A reply about something else".
"""

from enum import StrEnum

from fetcher.answers import Timeslot
from shared.booking.identity import BookingKey, same_hsa_id


class Mismatch(StrEnum):
    PATIENT = "patient"
    UNIT = "unit"
    BOOKING = "booking"


def same_person(one: str, other: str) -> bool:
    return one.upper() == other.upper()


def mismatch(asked: BookingKey, timeslot: Timeslot | None) -> Mismatch | None:
    """Which part of `timeslot` differs from what was asked for; None when none does.

    An absent unit or booking id does not differ: the contract makes them optional. An absent
    patient does: nothing shows whose booking it is. HSA-ids compare without regard to
    case, and so do the letters in person numbers.
    """
    if timeslot is None:
        return None
    if not same_person(timeslot.patient, asked.patient):
        return Mismatch.PATIENT
    if timeslot.details.unit and not same_hsa_id(timeslot.details.unit, asked.logical_address):
        return Mismatch.UNIT
    if timeslot.booking_id and timeslot.booking_id != asked.booking_id.strip():
        return Mismatch.BOOKING
    return None
