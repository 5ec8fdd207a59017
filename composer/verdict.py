"""What a judgement may come to."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from composer.noticeable import Aspect
from shared.booking.identity import BookingKey
from shared.booking.inbox import Announcement, MessageKind, Watermark
from shared.booking.messages import BookingDetails


class Reason(StrEnum):
    """Why no message is written. The reason for writing one is the message's kind."""

    SOURCE_NOT_ACTIVATED = "source_not_activated"  # removed from the register on the way here
    ANNOUNCED_BEFORE = "announced_before"  # handed out again after the message was written
    RENUMBERED = "renumbered"  # the booking stands under another person number
    STALE = "stale"  # a newer state has been judged
    UNCHANGED = "unchanged"  # nothing that the patient would notice
    STILL_BOOKED = "still_booked"  # removed from the index only: a key attribute was corrected
    UNKNOWN_BOOKING = "unknown_booking"  # removed, and never announced
    ALREADY_CANCELLED = "already_cancelled"
    PAIRED = "paired"  # removed, and the booking that took its place is announced as a change
    TIME_PASSED = "time_passed"
    CALL_ANSWERED = "call_answered"  # an open call that is gone, and a booking followed
    GONE_AT_SOURCE = "gone_at_source"  # not removed, and yet the source does not have it
    NO_TIME = "no_time"  # a booking without a time, which only a call letter may be
    CARRIED_OVER = "carried_over"  # the booking has a new id, and nothing else is new
    WAITING_FOR_PAIR = "waiting_for_pair"
    NOT_SHOWN_YET = "not_shown_yet"  # the source may be behind the index: it is asked again
    ASKED_ONCE_MORE = "asked_once_more"  # before it is announced as cancelled, or as new
    ASKED_ABOUT_OTHER = "asked_about_other"  # about a booking whose place this one may have taken
    REPLY_MISMATCH = "reply_mismatch"  # the reply was about another person, and nothing explains it


@dataclass(frozen=True, slots=True)
class Announce:
    """A message about `booking`. `previous` is what it says has changed or is cancelled."""

    booking: BookingKey
    kind: MessageKind
    details: BookingDetails
    previous: Announcement | None = None
    aspects: tuple[Aspect, ...] = ()
    #: Of a cancellation: the patient has just been given another time.
    has_new_time: bool = False
    #: Of a cancellation: what the patient was announced of that, and believes in.
    still_booked: tuple[BookingDetails, ...] = ()


@dataclass(frozen=True, slots=True)
class CarryOver:
    """What `announcement` says is true of `booking`, of which the source now says `details`."""

    announcement: Announcement
    booking: BookingKey
    details: BookingDetails


@dataclass(frozen=True, slots=True)
class Question:
    """The source is to be asked about `booking`, as if it had just been removed, or created."""

    booking: BookingKey
    deleted: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that follows from one fetched booking."""

    reason: MessageKind | Reason
    announce: Announce | None = None
    #: The message that this very change led to, when it was judged before.
    announced_before: Announcement | None = None
    carry_over: CarryOver | None = None
    #: How long to wait before it is judged again.
    wait: timedelta | None = None
    #: Whether to ask the source about the judged booking once more.
    look_again: bool = False
    #: What else to ask the source about.
    question: Question | None = None
    watermarks: tuple[Watermark, ...] = ()
    is_dead: bool = False

    @property
    def is_of_a_change(self) -> bool:
        return self.announce is not None and bool(self.announce.aspects)


def kind_of_new(details: BookingDetails) -> MessageKind:
    if not details.is_call_letter:
        return MessageKind.BOOKING_CONFIRMATION
    return MessageKind.TIMED_CALL if details.starts else MessageKind.OPEN_CALL


def kind_of_change(
    old: Announcement, details: BookingDetails, aspects: tuple[Aspect, ...]
) -> MessageKind:
    """A time that is new or gone, or a call letter that became a booking, is more than a change."""
    if Aspect.TIME in aspects and old.starts and details.starts:
        return MessageKind.CHANGED_TIME
    if Aspect.TIME in aspects or Aspect.FORM in aspects:
        return kind_of_new(details)
    return MessageKind.CHANGED
