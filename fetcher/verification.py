"""Whether a reply is about what was asked for. If not, it is a safety incident.

See docs/domain.md, "A reply about something else".
"""

from enum import StrEnum

from fetcher.answers import Timeslot
from shared.booking.identity import BookingKey, same_hsa_id


class Mismatch(StrEnum):
    PATIENT = "patient"
    UNIT = "unit"
    BOOKING = "booking"


def mismatch(asked: BookingKey, timeslot: Timeslot | None) -> Mismatch | None:
    """What of `timeslot` differs from what was asked for; None when nothing does.

    An identity that the source left out does not differ: the contract makes patient and booking
    optional. HSA-ids compare without regard to case, and so do the letters in person numbers.
    """
    if timeslot is None:
        return None
    if timeslot.patient and timeslot.patient.upper() != asked.patient.upper():
        return Mismatch.PATIENT
    if timeslot.details.unit and not same_hsa_id(timeslot.details.unit, asked.logical_address):
        return Mismatch.UNIT
    if timeslot.booking_id and timeslot.booking_id != asked.booking_id.strip():
        return Mismatch.BOOKING
    return None
