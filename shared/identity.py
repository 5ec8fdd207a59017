"""Who and what: person numbers, HSA-ids, the key of a booking, and the ids we give ourselves.

Rules come from DOMAIN ("ProcessNotification"): HSA-ids compare without regard to case; a person
identity is 12 characters, digits with a letter allowed where coordination and reserve numbers
have one.
"""

import hashlib
import re
import secrets
import string
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: The newer national text: eight digits, and four of digits, capitals or p, t, f (reserve
#: numbers). The older pattern of the official XSDs is a part of it.
PERSON_NUMBER_PATTERN = r"[0-9]{8}[0-9A-Zptf]{4}"

#: The service domain that is ours, as it is written downstream; some senders put `urn:` before it.
SCHEDULING = "riv:crm:scheduling"

_ID_LENGTH = 20
_IDS = len(string.ascii_lowercase) ** _ID_LENGTH
_SEPARATOR = "\x1f"

PersonNumber = Annotated[str, Field(pattern=f"^{PERSON_NUMBER_PATTERN}$", repr=False)]


def new_id() -> str:
    """A random id of 20 lower-case letters (94 bits).

    Letters only, so that no id of ours is ever mistaken for a person number by the redaction of
    logs, and so that it can be read out over the telephone.
    """
    number = secrets.randbelow(_IDS)  # asking for chance once, not for each letter
    letters = []
    for _ in range(_ID_LENGTH):
        number, letter = divmod(number, len(string.ascii_lowercase))
        letters.append(string.ascii_lowercase[letter])
    return "".join(letters)


def spell(number: int) -> str:
    """`number` in letters: a, b, … z, ba, bb, …

    Ids of ours hold no digits, so that no redaction ever takes one for a person number.
    """
    rest, last = divmod(number, 26)
    letter = chr(ord("a") + last)
    return spell(rest) + letter if rest else letter


def service_domain(text: str) -> str:
    """A service domain as we compare it: without `urn:`, without regard to case."""
    return text.strip().lower().removeprefix("urn:")


def is_person_number(text: str) -> bool:
    return re.fullmatch(PERSON_NUMBER_PATTERN, text) is not None


def hsa_key(hsa_id: str) -> str:
    """The form in which HSA-ids are compared and indexed: trimmed, upper case."""
    return hsa_id.strip().upper()


def same_hsa_id(one: str, other: str) -> bool:
    return hsa_key(one) == hsa_key(other)


class BookingKey(BaseModel):
    """Which booking: one patient's booking, at one unit, in one booking system.

    The patient is part of it, so that the known state of one person's booking is never read as
    another's when a booking system corrects a mixed-up person.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    source_system: str = Field(min_length=1, max_length=64)
    logical_address: str = Field(min_length=1, max_length=64)
    booking_id: str = Field(min_length=1, max_length=128)
    patient: PersonNumber

    @cached_property
    def digest(self) -> str:
        """64 hexadecimal characters, equal for keys that differ only in the case of HSA-ids."""
        parts = (
            hsa_key(self.source_system),
            hsa_key(self.logical_address),
            self.booking_id,
            self.patient.upper(),
        )
        return hashlib.sha256(_SEPARATOR.join(parts).encode()).hexdigest()
