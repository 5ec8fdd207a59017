"""What happened to a booking, and all that follows from it: one pure function, `judge`.

It rests on two things alone: what the booking system said when it was asked, and what was announced
to the patient before. The notification's own word, created or removed, decides only what may be
said of a booking that is gone: never "cancelled" without a removal, and never on a removal alone
(docs/domain.md, "What removal means").

```
judged before, and announced ──────────────────────────────────► its order once more
a newer state was judged ──────────────────────────────────────► silent
gone at the source ── not removed ─────────────────────────────► silent
                   └─ removed ── not standing, passed, no time ► silent
                              └─ awaited a while ── pair found ► announced as changed
                                                 └─ none ──────► announced as cancelled
there ── removed, and announced as replaced ───────────────────► silent
      ├─ no time to announce, or passed ───────────────────────► silent
      ├─ standing ── nothing to notice ────────────────────────► silent
      │           └─ else ─────────────────────────────────────► announced as changed
      └─ else ── replaces one that stands ─────────────────────► announced as changed
              ├─ a removal is awaited ── a while ──────────────► announced as changed, or as new
              └─ else ─────────────────────────────────────────► announced as new
```
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from composer.history import History, is_ahead
from composer.noticeable import Aspect, changed_aspects
from composer.pairing import Pairing
from shared.booking.identity import BookingKey
from shared.booking.inbox import (
    Announcement,
    Awaiting,
    MessageKind,
    Watermark,
    patient_bookings_key,
)
from shared.booking.messages import BookingDetails, FetchedBooking

#: A removal that came due lets a booking on hold speak first; it looks again this often.
_LOOKS_PER_WINDOW = 10


class Reason(StrEnum):
    """Why no message is written. The reason for writing one is the message's kind."""

    ANNOUNCED_BEFORE = "announced_before"  # handed out again after the message was written
    STALE = "stale"  # a newer state has been judged
    UNCHANGED = "unchanged"  # nothing that the patient would notice
    STILL_BOOKED = "still_booked"  # removed from the index only: a key attribute was corrected
    UNKNOWN_BOOKING = "unknown_booking"  # removed, and never announced
    ALREADY_CANCELLED = "already_cancelled"
    PAIRED = "paired"  # removed, and the booking that took its place is announced as a change
    TIME_PASSED = "time_passed"
    EXPIRED_CALL = "expired_call"  # an open call that is gone: expired, or booked
    GONE_AT_SOURCE = "gone_at_source"  # not removed, and yet the source does not have it
    NO_TIME = "no_time"  # a booking without a time, which only a call letter may be
    CARRIED_OVER = "carried_over"  # the booking has a new id, and nothing else is new
    WAITING_FOR_PAIR = "waiting_for_pair"


@dataclass(frozen=True, slots=True)
class Announce:
    """A message about `booking`. `previous` is what it says has changed or is cancelled."""

    booking: BookingKey
    kind: MessageKind
    details: BookingDetails
    previous: Announcement | None = None
    aspects: tuple[Aspect, ...] = ()


@dataclass(frozen=True, slots=True)
class CarryOver:
    """What `announcement` says is true of `booking`, which looks the same."""

    announcement: Announcement
    booking: BookingKey


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that follows from one fetched booking."""

    reason: MessageKind | Reason
    announce: Announce | None = None
    #: The message that this very change led to, when it was judged before.
    announced_before: Announcement | None = None
    carry_over: CarryOver | None = None
    #: Digest of the booking whose place the announced or carried over one took.
    replaces: str | None = None
    #: How long to wait before it is judged again.
    wait: timedelta | None = None
    watermarks: tuple[Watermark, ...] = ()
    #: Removed in the same request, and not decided: the source is to be asked about it.
    unanswered_removal: BookingKey | None = None


def judge(fetched: FetchedBooking, history: History, now: datetime, window: timedelta) -> Judgement:
    """What follows from `fetched`, with all that is known in `history`.

    Times of `fetched.details` are wall times or ""; ValueError otherwise. `window`: how long a
    removal waits for the booking that takes its place.
    """
    case = _Case(fetched, history, now, window)
    if before := case.announced_before:
        found = Judgement(Reason.ANNOUNCED_BEFORE, announced_before=before)
        return replace(found, unanswered_removal=case.unanswered_removal)
    if case.is_stale:
        found = Judgement(Reason.STALE)
    elif fetched.details is None:
        found = case.gone()
    else:
        found = case.there(fetched.details)
    return case.with_removal_of_same_request(found)


@dataclass(frozen=True)
class _Case:
    """One fetched state before what is known of its patient's bookings."""

    fetched: FetchedBooking
    history: History
    now: datetime
    window: timedelta

    @property
    def booking(self) -> str:
        return self.fetched.booking.digest

    @cached_property
    def watermark(self) -> Watermark | None:
        return self.history.watermark(self.booking)

    @cached_property
    def standing(self) -> Announcement | None:
        return self.history.standing(self.booking)

    @property
    def pairing(self) -> Pairing:
        return Pairing(self.history, self.now, self.window)

    # --- handed out again, or too late ---

    @property
    def announced_before(self) -> Announcement | None:
        for each in self.history.announcements:
            same = each.change_id == self.fetched.change_id
            if same and each.fetched_at >= self.fetched.fetched_at:
                return each
        return None

    @property
    def is_stale(self) -> bool:
        """A newer state was judged. That a booking is gone stays true until it is seen again."""
        watermark = self.watermark
        if watermark is None or self.fetched.fetched_at >= watermark.fetched_at:
            return False
        return not (watermark.gone and self.fetched.details is None)

    # --- the source does not have it ---

    def gone(self) -> Judgement:
        if not self.fetched.deleted:
            return self._gone_but_not_removed()
        if self.standing is None:
            return self._silent(self._why_not_standing())
        if not self.standing.state.starts:
            return self._silent(Reason.EXPIRED_CALL)
        if not is_ahead(self.standing.state.starts, self.now):
            return self._silent(Reason.TIME_PASSED)
        return self._removed(self.standing)

    def _gone_but_not_removed(self) -> Judgement:
        watermark = self._watermark()
        if self.watermark and self.watermark.awaiting is Awaiting.REMOVAL:
            # An old creation, sent once more: its removal is still awaited.
            watermark = replace(self.watermark, fetched_at=watermark.fetched_at)
        return Judgement(Reason.GONE_AT_SOURCE, watermarks=(watermark,))

    def _why_not_standing(self) -> Reason:
        if self.history.was_replaced(self.booking):
            return Reason.PAIRED
        known = self.history.latest(self.booking)
        return Reason.ALREADY_CANCELLED if known else Reason.UNKNOWN_BOOKING

    def _removed(self, standing: Announcement) -> Judgement:
        if (delay := self._delay_of_removal()) > timedelta(0):
            return self._wait(Awaiting.REMOVAL, delay)
        if successor := self.pairing.creation_for(standing, self.fetched.received_at):
            return self._replaced(self.booking, standing, successor.key, successor.state)
        cancelled = MessageKind.CANCELLATION
        return self._announce(Announce(standing.key, cancelled, standing.state, standing))

    def _delay_of_removal(self) -> timedelta:
        if self.watermark is None or self.watermark.awaiting is not Awaiting.REMOVAL:
            return self.window
        overdue = self.now - self.pairing.due(self.watermark)
        if timedelta(0) <= overdue < self.window and self.pairing.holds_creations():
            return self.window / _LOOKS_PER_WINDOW
        return -overdue

    # --- the source has it ---

    def there(self, details: BookingDetails) -> Judgement:
        if self.fetched.deleted and self.history.was_replaced(self.booking):
            return Judgement(Reason.STILL_BOOKED)  # an older state may still be judged after this
        if not details.starts and not details.is_call_letter:
            return self._silent(Reason.NO_TIME)
        if details.starts and not is_ahead(details.starts, self.now):
            return self._silent(Reason.TIME_PASSED)
        if self.standing is None:
            # Even by a removal: of a booking created, removed and created again within its window
            # the index sends the removal alone.
            return self._new(details)
        if not changed_aspects(self.standing.state, details):
            deleted = self.fetched.deleted
            return self._silent(Reason.STILL_BOOKED if deleted else Reason.UNCHANGED)
        return self._announce(self._change(self.standing, self.fetched.booking, details))

    def _new(self, details: BookingDetails) -> Judgement:
        if old := self.removed_in_same_request:
            standing = self.history.standing(old.digest)
            return self._replaced(old.digest, standing, self.fetched.booking, details)
        if not details.starts or self.history.latest(self.booking):
            return self._announce(self._as_new(details))
        removed = self.pairing.removal_for(self.booking, self.fetched.received_at, details)
        if removed is None:
            return self._announce(self._as_new(details))
        if (delay := self._delay_of_creation(removed)) > timedelta(0):
            return self._wait(Awaiting.CREATION, delay)
        return self._replaced(removed.booking, removed, self.fetched.booking, details)

    def _delay_of_creation(self, removed: Announcement) -> timedelta:
        """Until the removal is due: until then, another candidate may come."""
        watermark = self.history.watermark(removed.booking)
        return self.pairing.due(watermark) - self.now if watermark else timedelta(0)

    def _replaced(
        self, old: str, standing: Announcement | None, booking: BookingKey, details: BookingDetails
    ) -> Judgement:
        """`booking` took the place of `old`, of which `standing` was announced."""
        if standing is None or not self._still_matters(standing):
            as_new = Announce(booking, _kind_of_new(details), details)
            return self._announce(as_new, replaces=old)
        change = self._change(standing, booking, details)
        if change.aspects:
            return self._announce(change, replaces=old)
        if own := self.history.standing(booking.digest):
            return self._carry_over(own, booking, old)
        if self.history.latest(booking.digest):
            return self._announce(self._as_new(details), replaces=old)  # it was cancelled once
        return self._carry_over(standing, booking, old)

    def _as_new(self, details: BookingDetails) -> Announce:
        return Announce(self.fetched.booking, _kind_of_new(details), details)

    def _change(self, old: Announcement, booking: BookingKey, details: BookingDetails) -> Announce:
        if not self._still_matters(old):
            return Announce(booking, _kind_of_new(details), details)
        aspects = changed_aspects(old.state, details)
        return Announce(booking, _kind_of_change(old, details, aspects), details, old, aspects)

    def _still_matters(self, announcement: Announcement) -> bool:
        """A time that has passed can change no more."""
        return not announcement.starts or is_ahead(announcement.starts, self.now)

    # --- the judgements, each with the watermark of the judged booking ---

    def _silent(self, reason: Reason) -> Judgement:
        return Judgement(reason, watermarks=(self._watermark(),))

    def _announce(self, announce: Announce, replaces: str | None = None) -> Judgement:
        return Judgement(
            announce.kind,
            announce=announce,
            replaces=replaces,
            watermarks=(self._watermark_of(announce.booking, replaces),),
        )

    def _carry_over(
        self, announcement: Announcement, booking: BookingKey, replaces: str
    ) -> Judgement:
        return Judgement(
            Reason.CARRIED_OVER,
            carry_over=CarryOver(announcement, booking),
            replaces=replaces,
            watermarks=(self._watermark_of(booking, replaces),),
        )

    def _wait(self, awaiting: Awaiting, delay: timedelta) -> Judgement:
        """A wait counts from its beginning, however often it is looked at."""
        before, watermark = self.watermark, self._watermark()
        if before and before.awaiting is awaiting:
            since, received_at = before.awaiting_since, before.received_at
        else:
            since, received_at = self.now, watermark.received_at
        awaited = replace(
            watermark, awaiting=awaiting, awaiting_since=since, received_at=received_at
        )
        return Judgement(Reason.WAITING_FOR_PAIR, wait=delay, watermarks=(awaited,))

    def _watermark(self) -> Watermark:
        before, fetched_at = self.watermark, self.fetched.fetched_at
        return Watermark(
            booking=self.booking,
            patient_bookings=patient_bookings_key(self.fetched.booking),
            fetched_at=max(fetched_at, before.fetched_at) if before else fetched_at,
            gone=self.fetched.details is None,
            received_at=self.fetched.received_at,
            successor=before.successor if before else None,
        )

    def _watermark_of(self, announced: BookingKey, replaces: str | None) -> Watermark:
        """Announced under its own key, or as the booking that took its place."""
        successor = announced.digest if replaces == self.booking else None
        return replace(self._watermark(), successor=successor)

    # --- and the booking whose place the judged one took, or that the same request removed ---

    @cached_property
    def removed_in_same_request(self) -> BookingKey | None:
        """Unless a fetch since then found it there again."""
        old = self.fetched.replaces
        watermark = self.history.watermark(old.digest) if old else None
        is_back = (
            watermark is not None
            and not watermark.gone
            and watermark.fetched_at > self.fetched.received_at
        )
        return None if is_back else old

    @property
    def unanswered_removal(self) -> BookingKey | None:
        """Removed in the same request, and the patient may still believe in it.

        Its removal came paired with this creation and was not asked about at the source. If the
        creation is announced in another way, or not at all, it has to be judged by itself.
        """
        old = self.removed_in_same_request
        return None if old is None or self._is_decided(old) else old

    def with_removal_of_same_request(self, found: Judgement) -> Judgement:
        old = self.removed_in_same_request
        if old and found.replaces == old.digest:
            gone = replace(self._gone_since_the_request(old), successor=self.booking)
            return _with_watermarks(found, gone)
        found = replace(found, unanswered_removal=self.unanswered_removal)
        if old and self._is_decided(old):
            return _with_watermarks(found, self._gone_since_the_request(old))
        return _with_watermarks(found, *self._replaced_across_requests(found))

    def _is_decided(self, old: BookingKey) -> bool:
        """Whether `old` is known to be gone, and the patient does not believe in it."""
        watermark = self.history.watermark(old.digest)
        is_gone = watermark is not None and watermark.gone
        return is_gone and self.history.standing(old.digest) is None

    def _gone_since_the_request(self, old: BookingKey) -> Watermark:
        """Removed before ingest took the request: what was fetched of it before that is stale."""
        before = self.history.watermark(old.digest)
        as_of = self.fetched.received_at
        return Watermark(
            booking=old.digest,
            patient_bookings=patient_bookings_key(old),
            fetched_at=max(as_of, before.fetched_at) if before else as_of,
            gone=True,
            received_at=as_of,
            successor=before.successor if before else None,
        )

    def _replaced_across_requests(self, found: Judgement) -> Iterator[Watermark]:
        """Of the booking, removed by a request of its own, whose successor is announced."""
        removed = self.history.watermark(found.replaces) if found.replaces else None
        if removed and removed.booking != self.booking:
            yield replace(removed, awaiting=None, awaiting_since=None, successor=self.booking)


def _with_watermarks(found: Judgement, *more: Watermark) -> Judgement:
    return replace(found, watermarks=(*found.watermarks, *more))


def _kind_of_new(details: BookingDetails) -> MessageKind:
    if not details.is_call_letter:
        return MessageKind.BOOKING_CONFIRMATION
    return MessageKind.TIMED_CALL if details.starts else MessageKind.OPEN_CALL


def _kind_of_change(
    old: Announcement, details: BookingDetails, aspects: tuple[Aspect, ...]
) -> MessageKind:
    """A time that is new or gone, or a call letter that became a booking, is more than a change."""
    if Aspect.TIME in aspects and old.starts and details.starts:
        return MessageKind.CHANGED_TIME
    if Aspect.TIME in aspects or Aspect.FORM in aspects:
        return _kind_of_new(details)
    return MessageKind.CHANGED
