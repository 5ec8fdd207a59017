"""The result of a call to a booking system: an answer, or why it failed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.booking.messages import BookingDetails


@dataclass(frozen=True, slots=True)
class Timeslot:
    """The booking details in a reply, and the identities that the reply gives.

    The identities are "" where the source left them out, which the contract allows.
    """

    details: BookingDetails
    patient: str = ""  # subject_of_care
    booking_id: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the source. `timeslot` is None when the source has no such booking."""

    asked_at: datetime  # when the request was sent
    timeslot: Timeslot | None


class FetchRetryReason(StrEnum):
    """Why a call failed that may succeed later."""

    UNREACHABLE = "source_unreachable"  # no connection, or it broke before the whole reply came
    TIMED_OUT = "source_timed_out"
    BAD_STATUS = "source_bad_status"  # an HTTP status that no reply of the contract has
    UNREADABLE = "unreadable_reply"  # not the contract's reply, or larger than we take
    FAULT = "source_fault"


class CallFailed(Exception):
    """The source was called and gave no answer. The text holds nothing about the patient.

    `source_works`: the failure concerns this request only, so further calls may succeed. `about`:
    the identities in a reply that could not be used.
    """

    def __init__(
        self,
        reason: FetchRetryReason,
        detail: str,
        *,
        source_works: bool = False,
        about: tuple[Timeslot, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.source_works = source_works
        self.about = about


class ShortTrouble(CallFailed):
    """A failure that is often over within a second, so that the call is repeated at once."""
