"""The messages of a patient's inbox, and the watermark of each booking.

A patient's bookings at one source are judged one change at a time, since a removal and the booking
that replaces it are both among them.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from shared.booking.identity import BookingKey
from shared.booking.messages import BookingDetails


class MessageKind(StrEnum):
    """The kinds of docs/domain.md, "The inbox message"; `CHANGED`: of anything but the time."""

    BOOKING_CONFIRMATION = "booking_confirmation"
    TIMED_CALL = "timed_call"
    OPEN_CALL = "open_call"
    CHANGED_TIME = "changed_time"
    CHANGED = "changed"
    CANCELLATION = "cancellation"


class Awaiting(StrEnum):
    """What is not decided yet about a booking."""

    REMOVAL = "removal"  # it was removed: is it gone, and which booking takes its place?
    CREATION = "creation"  # it was created: is it there, and whose place does it take?


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What one message announced about a booking, as far as later judgements need it."""

    id: str
    key: BookingKey
    revision: int  # rises through a booking's rebookings too, from 1
    kind: MessageKind
    state: BookingDetails  # of a cancellation: what was cancelled
    calendar_uid: str
    received_at: datetime  # when ingest took the notification
    fetched_at: datetime
    created_at: datetime
    notification_id: str
    change_id: str

    @property
    def booking(self) -> str:
        return self.key.digest

    @property
    def booking_id(self) -> str:
        return self.key.booking_id

    @property
    def patient(self) -> str:
        return self.key.patient

    @property
    def starts(self) -> str:
        """Wall time, `YYYYMMDDhhmmss`; "" for an open call."""
        return self.state.starts


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxMessage(Announcement):
    """A message as the patient reads it."""

    subject: str
    body_text: str
    body_html: str
    calendar: str | None  # an .ics file, for messages about a time
    read: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far the judging of one booking has come."""

    booking: str  # BookingKey.digest
    patient_bookings: str  # BookingKey.patient_bookings
    same_id: str  # BookingKey.same_id
    fetched_at: datetime  # of the newest judged fetch
    gone: bool  # the source had no such booking then
    received_at: datetime  # when ingest took the newest judged change, or what is awaited
    notification_id: str  # of that request
    first_seen_at: datetime | None = None  # when ingest first took a creation of it
    removed_at: datetime | None = None  # when ingest took the last judged removal of it
    awaiting: Awaiting | None = None
    awaiting_since: datetime | None = None
    #: A removal is awaited, and what may have taken the booking's place was announced as new.
    unpaired: bool = False
    successor: str | None = None  # digest of the booking that took this one's place
    held: BookingDetails | None = None  # what of a booking not announced yet is compared
    unit: str | None = None  # its logical address


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingChange:
    """What the index has said of one booking: passed on by the filter, and not judged yet."""

    booking: str  # BookingKey.digest
    patient_bookings: str  # BookingKey.patient_bookings
    same_id: str  # BookingKey.same_id
    unit: str  # its logical address
    is_removal: bool
    received_at: datetime  # when ingest took it
    notification_id: str  # of its request


@dataclass(frozen=True, slots=True)
class AnnouncedElsewhere:
    """A booking of another patient that was announced."""

    key: BookingKey
    received_at: datetime  # when ingest took the newest announced change


@dataclass(frozen=True)
class HistoryWindow:
    """What matters to the judgement of `booking`: of the same patient and source everything about
    it and about `others`, everything that is awaited or pending, and everything about notifications
    that ingest took since `since`; and whatever has the same id at the source, also of other
    patients.
    """

    booking: BookingKey
    others: tuple[BookingKey, ...]
    since: datetime

    @property
    def patient_bookings(self) -> str:
        return self.booking.patient_bookings

    @property
    def same_id(self) -> str:
        return self.booking.same_id

    @cached_property
    def digests(self) -> frozenset[str]:
        return frozenset(key.digest for key in (self.booking, *self.others))
