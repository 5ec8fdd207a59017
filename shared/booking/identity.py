"""HSA-ids, person numbers, service domains, and the key of a booking.

Rules: docs/domain.md, "HSA-ids" and "Person numbers". HSA-ids compare without regard to case; a
person identity is 12 characters, digits with a letter allowed where coordination and reserve
numbers have one.
"""

import hashlib
import re
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.base.ids import PERSON_NUMBER_PATTERN

#: Our service domain in normal form; some senders put `urn:` before it.
SCHEDULING = "riv:crm:scheduling"


_SEPARATOR = "\x1f"
_HSA_ID = re.compile(r"SE\d{10}-[0-9A-Z]{1,30}", re.IGNORECASE)


PersonNumber = Annotated[str, Field(pattern=f"^{PERSON_NUMBER_PATTERN}$", repr=False)]


def service_domain(text: str) -> str:
    """The form in which service domains are compared: lower case, without `urn:`."""
    return text.strip().lower().removeprefix("urn:")


def hsa_key(hsa_id: str) -> str:
    """The form in which HSA-ids are compared and indexed: trimmed, upper case."""
    return hsa_id.strip().upper()


def is_hsa_id(text: str) -> bool:
    """Whether it has the form of one. Some systems give an id where a name belongs, and others a
    profession where an id belongs."""
    return _HSA_ID.fullmatch(text.strip()) is not None


def same_hsa_id(one: str, other: str) -> bool:
    return hsa_key(one) == hsa_key(other)


class BookingKey(BaseModel):
    """The key of a booking: one patient's booking, at one unit, in one booking system.

    The patient is part of it, so that the state of one person's booking is never taken for
    another's when a booking system corrects the person.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    source_system: str = Field(min_length=1, max_length=64)
    logical_address: str = Field(min_length=1, max_length=64)
    booking_id: str = Field(min_length=1, max_length=128)
    patient: PersonNumber

    def replaced(self, **values: str) -> "BookingKey":
        """A copy with other `values`. `model_copy` would keep the digests of this key."""
        fields = {name: getattr(self, name) for name in BookingKey.model_fields}
        return BookingKey(**{**fields, **values})

    @property
    def visit(self) -> tuple[str, str, str]:
        """System, unit and id: equal under every person number that its patient ever has."""
        return hsa_key(self.source_system), hsa_key(self.logical_address), self.booking_id

    @cached_property
    def digest(self) -> str:
        """64 hexadecimal characters, equal for keys that differ only in the case of HSA-ids."""
        return _digest(*self.visit, self.patient.upper())

    @cached_property
    def patient_bookings(self) -> str:
        """64 hexadecimal characters, equal for all bookings of a patient in one booking system."""
        return _digest(hsa_key(self.source_system), self.patient.upper())

    @cached_property
    def same_id(self) -> str:
        """64 hexadecimal characters, equal for what has one booking id in one booking system: also
        at another unit, and under another person number."""
        return _digest(hsa_key(self.source_system), self.booking_id)


def _digest(*parts: str) -> str:
    return hashlib.sha256(_SEPARATOR.join(parts).encode()).hexdigest()
