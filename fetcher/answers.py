"""What asking a booking system leads to: an answer, or a call that failed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.booking.messages import BookingDetails


@dataclass(frozen=True, slots=True)
class Timeslot:
    """What the source says of a booking, and whose booking it says that it is.

    The identities are "" where the source left them out, which the contract allows.
    """

    details: BookingDetails
    patient: str = ""  # subject_of_care
    booking_id: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the source. `timeslot` is None when it has no such booking."""

    asked_at: datetime  # when the request that was answered was sent
    timeslot: Timeslot | None


class RetryReason(StrEnum):
    """Why a call failed that may succeed later."""

    UNREACHABLE = "source_unreachable"  # no connection, or it broke before the whole reply came
    TIMED_OUT = "source_timed_out"
    BAD_STATUS = "source_bad_status"  # an HTTP status that no reply of the contract has
    UNREADABLE = "unreadable_reply"  # not the contract's reply, or larger than we take
    FAULT = "source_fault"


class CallFailed(Exception):
    """The source was asked and gave no answer. The text holds nothing of the patient's.

    `source_works` tells trouble with this one request from trouble with the source: only the
    latter speaks against further calls. `about`: of whom and what the reply spoke, if it could not
    be used for all that.
    """

    def __init__(
        self,
        reason: RetryReason,
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
    """Trouble of a kind that is often over within a second."""
