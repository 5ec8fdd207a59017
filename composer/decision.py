"""What happened to a booking, and what its patient is to be told: one pure function, `decide`.

It rests on two things alone: what the booking system said when it was asked, and what the patient
was told before. The notification's own word, created or removed, decides only what may be said of
a booking that is gone: never "cancelled" without a removal, and never on a removal alone (DOMAIN,
"What removal means").

```
gone at the source ── not removed ─────────────────────────────► silent
                   └─ removed ── not standing, passed, no time ► silent
                              └─ awaited a while ── pair found ► told as changed
                                                 └─ none ──────► told as cancelled
there ── no time to announce, or passed ───────────────────────► silent
      ├─ told before ── nothing to notice ─────────────────────► silent
      │              └─ else ──────────────────────────────────► told as changed
      └─ not told before ── removed ───────────────────────────► silent
                         ├─ replaces one that stands ──────────► told as changed
                         ├─ a removal is awaited ── a while ───► told as changed, or as new
                         └─ else ──────────────────────────────► told as new
```
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from composer.history import History, is_ahead
from composer.noticeable import Aspect, changed_aspects
from composer.pairing import Pairing
from shared.booking.identity import BookingKey
from shared.booking.inbox import Awaiting, MessageKind, Told
from shared.booking.messages import BookingDetails, FetchedBooking

#: A removal that came due lets a booking on hold speak first; it looks again this often.
_LOOKS_PER_WINDOW = 10


class Silent(StrEnum):
    """Why the patient is told nothing."""

    STALE = "stale"  # a newer state has been judged
    UNCHANGED = "unchanged"  # nothing that the patient would notice
    STILL_BOOKED = "still_booked"  # removed from the index only: a key attribute was corrected
    UNKNOWN_BOOKING = "unknown_booking"  # removed, and the patient was never told of it
    ALREADY_CANCELLED = "already_cancelled"
    PAIRED = "paired"  # removed, and told as changed with the booking that took its place
    TIME_PASSED = "time_passed"
    EXPIRED_CALL = "expired_call"  # an open call that is gone: expired, or booked
    GONE_AT_SOURCE = "gone_at_source"  # not removed, and yet the source does not have it
    NO_TIME = "no_time"  # a booking without a time, which only a call letter may be


@dataclass(frozen=True, slots=True)
class Tell:
    """A message about `booking`. `previous` is what it says has changed or is cancelled."""

    booking: BookingKey
    kind: MessageKind
    details: BookingDetails
    previous: Told | None = None
    aspects: tuple[Aspect, ...] = ()
    replaces: str | None = None  # digest of the booking that this one took over


@dataclass(frozen=True, slots=True)
class Wait:
    """Too early to tell: judge again after `delay`."""

    awaiting: Awaiting
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is told. Unless `settled`, an older state may still be judged after this."""

    reason: Silent
    settled: bool = True


@dataclass(frozen=True, slots=True)
class CarryOver:
    """`booking` took the place of `replaces` and looks the same: what was told is true of it."""

    told: Told
    booking: BookingKey
    replaces: str


Verdict = Tell | Wait | Silence | CarryOver


def decide(fetched: FetchedBooking, history: History, now: datetime, window: timedelta) -> Verdict:
    """What to say about `fetched`, with all that is known in `history`. Times of `fetched.details`
    are wall times or ""; ValueError otherwise."""
    case = _Case(fetched, history, now, window)
    if case.is_stale:
        return Silence(Silent.STALE)
    if fetched.details is None:
        return case.gone()
    return case.there(fetched.details)


def replaced_by(fetched: FetchedBooking, history: History) -> BookingKey | None:
    """The booking that the same request removed, unless a fetch since then found it there again."""
    old = fetched.replaces
    mark = history.mark(old.digest) if old else None
    is_back = mark is not None and not mark.gone and mark.fetched_at > fetched.received_at
    return None if is_back else old


def loose_end(
    fetched: FetchedBooking, history: History, verdict: Verdict | None
) -> BookingKey | None:
    """The booking that `fetched` was to replace, when that did not come to pass.

    Its removal came paired with this creation and was not asked about at the source. If the
    creation is told in another way, or not at all, the removal has to be judged by itself.
    """
    old = replaced_by(fetched, history)
    if old is None or takes_over(verdict, old.digest) or is_settled(old.digest, history):
        return None
    return old


def takes_over(verdict: Verdict | None, old: str) -> bool:
    """Whether `verdict` tells what took the place of `old`."""
    return isinstance(verdict, Tell | CarryOver) and verdict.replaces == old


def is_settled(old: str, history: History) -> bool:
    """Whether `old` is known to be gone, and the patient does not believe in it."""
    mark = history.mark(old)
    return mark is not None and mark.gone and history.standing(old) is None


@dataclass(frozen=True)
class _Case:
    """One fetched state before the history of its circle."""

    fetched: FetchedBooking
    history: History
    now: datetime
    window: timedelta

    @property
    def booking(self) -> str:
        return self.fetched.booking.digest

    @property
    def pairing(self) -> Pairing:
        return Pairing(self.history, self.now, self.window)

    @property
    def is_stale(self) -> bool:
        """A newer state was judged. That a booking is gone stays true until it is seen again."""
        mark = self.history.mark(self.booking)
        if mark is None or self.fetched.fetched_at >= mark.fetched_at:
            return False
        return not (mark.gone and self.fetched.details is None)

    # --- the source does not have it ---

    def gone(self) -> Verdict:
        if not self.fetched.deleted:
            return Silence(Silent.GONE_AT_SOURCE)
        standing = self.history.standing(self.booking)
        if standing is None:
            return Silence(self._why_not_standing())
        if not standing.state.starts:
            return Silence(Silent.EXPIRED_CALL)
        if not is_ahead(standing.state.starts, self.now):
            return Silence(Silent.TIME_PASSED)
        return self._removed(standing)

    def _why_not_standing(self) -> Silent:
        if self.history.was_replaced(self.booking):
            return Silent.PAIRED
        known = self.history.latest(self.booking)
        return Silent.ALREADY_CANCELLED if known else Silent.UNKNOWN_BOOKING

    def _removed(self, standing: Told) -> Verdict:
        if (delay := self._delay_of_removal()) > timedelta(0):
            return Wait(Awaiting.REMOVAL, delay)
        if successor := self.pairing.creation_for(standing, self.fetched.received_at):
            return self._replaced(self.booking, standing, successor.key, successor.state)
        return Tell(standing.key, MessageKind.CANCELLATION, standing.state, previous=standing)

    def _delay_of_removal(self) -> timedelta:
        mark = self.history.mark(self.booking)
        if mark is None or mark.awaiting is not Awaiting.REMOVAL:
            return self.window
        overdue = self.now - self.pairing.due(mark)
        if timedelta(0) <= overdue < self.window and self.pairing.holds_creations():
            return self.window / _LOOKS_PER_WINDOW
        return -overdue

    # --- the source has it ---

    def there(self, details: BookingDetails) -> Verdict:
        standing = self.history.standing(self.booking)
        if standing is None and self.fetched.deleted:
            return Silence(Silent.STILL_BOOKED, settled=False)
        if not details.starts and not details.is_call_letter:
            return Silence(Silent.NO_TIME)
        if details.starts and not is_ahead(details.starts, self.now):
            return Silence(Silent.TIME_PASSED)
        if standing is None:
            return self._new(details)
        if not changed_aspects(standing.state, details):
            unchanged = Silent.STILL_BOOKED if self.fetched.deleted else Silent.UNCHANGED
            return Silence(unchanged)
        return self._changed(standing, self.fetched.booking, details)

    def _new(self, details: BookingDetails) -> Verdict:
        if old := replaced_by(self.fetched, self.history):
            standing = self.history.standing(old.digest)
            return self._replaced(old.digest, standing, self.fetched.booking, details)
        if not details.starts or self.history.latest(self.booking):
            return self._announced(details)
        removed = self.pairing.removal_for(self.booking, self.fetched.received_at, details)
        if removed is None:
            return self._announced(details)
        if (delay := self._delay_of_creation(removed)) > timedelta(0):
            return Wait(Awaiting.CREATION, delay)
        return self._replaced(removed.booking, removed, self.fetched.booking, details)

    def _delay_of_creation(self, removed: Told) -> timedelta:
        """Until the removal is due: until then, another candidate may come."""
        mark = self.history.mark(removed.booking)
        return self.pairing.due(mark) - self.now if mark else timedelta(0)

    def _announced(self, details: BookingDetails) -> Tell:
        return Tell(self.fetched.booking, _kind_of_new(details), details)

    def _changed(self, old: Told, booking: BookingKey, details: BookingDetails) -> Tell:
        if not self._still_matters(old):
            return Tell(booking, _kind_of_new(details), details)
        aspects = changed_aspects(old.state, details)
        return Tell(booking, _kind_of_change(old, details, aspects), details, old, aspects)

    def _replaced(
        self, old: str, told: Told | None, booking: BookingKey, details: BookingDetails
    ) -> Verdict:
        """`booking` took the place of `old`, of which the patient was `told`."""
        if told is None or not self._still_matters(told):
            return Tell(booking, _kind_of_new(details), details, replaces=old)
        change = replace(self._changed(told, booking, details), replaces=old)
        if change.aspects:
            return change
        if standing := self.history.standing(booking.digest):
            return CarryOver(standing, booking, old)
        if self.history.latest(booking.digest):
            return replace(self._announced(details), replaces=old)  # it was cancelled once
        return CarryOver(told, booking, old)

    def _still_matters(self, told: Told) -> bool:
        """A time that has passed can change no more."""
        return not told.state.starts or is_ahead(told.state.starts, self.now)


def _kind_of_new(details: BookingDetails) -> MessageKind:
    if not details.is_call_letter:
        return MessageKind.BOOKING_CONFIRMATION
    return MessageKind.TIMED_CALL if details.starts else MessageKind.OPEN_CALL


def _kind_of_change(old: Told, details: BookingDetails, aspects: tuple[Aspect, ...]) -> MessageKind:
    """A time that is new or gone, or a call letter that became a booking, is more than a change."""
    if Aspect.TIME in aspects and old.state.starts and details.starts:
        return MessageKind.CHANGED_TIME
    if Aspect.TIME in aspects or Aspect.FORM in aspects:
        return _kind_of_new(details)
    return MessageKind.CHANGED
