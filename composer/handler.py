"""Judges one fetched booking: decides, writes the message, orders the notice.

All of it happens while the circle of the booking is locked, and is stored before anything is
published. If the process dies in between, the broker hands the change out again, and what was
stored is found and published once more; the notifier knows a message it has seen.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from composer.decision import CarryOver, Silence, Tell, Verdict, Wait, decide, loose_end
from composer.history import History
from composer.letter import Writer, compose
from composer.marks import marks_after
from composer.pairing import horizon
from shared.base.clock import Clock
from shared.booking.identity import BookingKey
from shared.booking.inbox import InboxMessage, Mark, Scope, Told, circle_of
from shared.booking.messages import BookingChange, FetchedBooking, Message, NoticeOrder
from shared.booking.times import instant, is_wall_time
from shared.relay.outcomes import DeadLetter, Drop, Outcome, Postpone, Publish


class Note(StrEnum):
    """What was done, beside the kinds of messages; counted like a reason."""

    TOLD_BEFORE = "told_before"  # handed out again after the message was written
    CARRIED_OVER = "carried_over"  # the booking has a new id, and nothing else is new
    ASKED_ABOUT_REPLACED = "asked_about_replaced"


class Fault(StrEnum):
    NOT_A_TIME = "not_a_time"
    FETCHED_TOO_LONG_AGO = "fetched_too_long_ago"  # what was fetched since may be forgotten


class Waiting(StrEnum):
    FOR_PAIR = "waiting_for_pair"


class Circle(Protocol):
    """What is known of one circle, locked until the end of its context."""

    @property
    def told(self) -> Sequence[Told]: ...

    @property
    def marks(self) -> Sequence[Mark]: ...

    def write(self, message: InboxMessage) -> None: ...

    def carry_over(self, told: Told, booking: BookingKey) -> None:
        """Let `told` be about `booking` from now on."""

    def set_mark(self, mark: Mark) -> None: ...


class Circles(Protocol):
    def locked(self, scopes: Sequence[Scope]) -> AbstractContextManager[Sequence[Circle]]:
        """What is known within each of `scopes`, all of circles of their own. What is written is
        stored at the end of the context, all of it or nothing."""


class Composer:
    """The composer's handler.

    `window` is how long a removal waits for its replacement, `memory` for how long is known what
    was judged of a booking of which nothing was told.
    """

    def __init__(
        self,
        circles: Circles,
        writer: Writer,
        *,
        window: timedelta,
        memory: timedelta,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._circles = circles
        self._writer = writer
        self._window = window
        self._memory = memory
        self._clock = clock
        self._new_id = new_id

    def __call__(self, fetched: FetchedBooking) -> Outcome:
        [outcome] = self.handle_batch([fetched])
        return outcome

    def handle_batch(self, several: Sequence[FetchedBooking]) -> list[Outcome]:
        """The outcome of each. Together they cost the database little more than one does alone."""
        outcomes: dict[int, Outcome] = {}
        for turn in _turns(several):
            scopes = [self._scope(fetched) for fetched in turn.values()]
            with self._circles.locked(scopes) as circles:
                for (number, fetched), circle in zip(turn.items(), circles, strict=True):
                    outcomes[number] = self._fault(fetched) or self._judge(fetched, circle)
        return [outcomes[number] for number in range(len(several))]

    def _scope(self, fetched: FetchedBooking) -> Scope:
        bookings = tuple(key for key in (fetched.booking, fetched.replaces) if key)
        return Scope(bookings, horizon(fetched.received_at, self._window))

    def _fault(self, fetched: FetchedBooking) -> DeadLetter | None:
        """Why `fetched` cannot be judged at all."""
        details = fetched.details
        if details and details.starts and not is_wall_time(details.starts):
            return DeadLetter(Fault.NOT_A_TIME)
        if fetched.fetched_at < self._clock() - self._memory:
            return DeadLetter(Fault.FETCHED_TOO_LONG_AGO)
        return None

    def _judge(self, fetched: FetchedBooking, circle: Circle) -> Outcome:
        now = self._clock()
        history = History(tuple(circle.told), tuple(circle.marks))
        if before := told_for(fetched, history):
            orders = (order_for(before, fetched), *questions(fetched, history, None))
            return Publish(orders, Note.TOLD_BEFORE)
        verdict = decide(fetched, history, now, self._window)
        for mark in marks_after(verdict, fetched, history, now):
            circle.set_mark(mark)
        asked = questions(fetched, history, verdict)
        if isinstance(verdict, Tell):
            message = compose(verdict, fetched, history, self._writer, self._new_id(), now)
            circle.write(message)
            return Publish((order_for(message, fetched), *asked), message.kind)
        if isinstance(verdict, CarryOver):
            circle.carry_over(verdict.told, verdict.booking)
        return Publish(asked, Note.ASKED_ABOUT_REPLACED) if asked else silent_outcome(verdict)


def _turns(several: Sequence[FetchedBooking]) -> list[dict[int, FetchedBooking]]:
    """Those of one circle in different turns: each has to see what came of the one before it."""
    turns: list[dict[int, FetchedBooking]] = []
    of_circle: Counter[str] = Counter()
    for number, fetched in enumerate(several):
        circle = circle_of(fetched.booking)
        if of_circle[circle] == len(turns):
            turns.append({})
        turns[of_circle[circle]][number] = fetched
        of_circle[circle] += 1
    return turns


def told_for(fetched: FetchedBooking, history: History) -> Told | None:
    """The message that this very change led to, when it was judged before."""
    for told in history.told:
        if told.change_id == fetched.change_id and told.fetched_at >= fetched.fetched_at:
            return told
    return None


def silent_outcome(verdict: Silence | Wait | CarryOver) -> Outcome:
    match verdict:
        case Silence(reason):
            return Drop(reason)
        case Wait(_, delay):
            return Postpone(delay, Waiting.FOR_PAIR)
        case CarryOver():
            return Drop(Note.CARRIED_OVER)


def order_for(told: Told, fetched: FetchedBooking) -> NoticeOrder:
    return NoticeOrder(
        notification_id=fetched.notification_id,
        correlation_id=fetched.correlation_id,
        received_at=fetched.received_at,
        change_id=fetched.change_id,
        message_id=told.id,
        patient=told.key.patient,
        expires_at=instant(told.state.starts) if told.state.starts else None,
    )


def questions(
    fetched: FetchedBooking, history: History, verdict: Verdict | None
) -> tuple[Message, ...]:
    """Asks the source about a booking whose replacement was not told as such."""
    old = loose_end(fetched, history, verdict)
    if old is None:
        return ()
    removal = BookingChange(
        notification_id=fetched.notification_id,
        correlation_id=fetched.correlation_id,
        received_at=fetched.received_at,
        change_id=f"{fetched.change_id}.old",
        booking=old,
        deleted=True,
        service_domain=fetched.service_domain,
    )
    return (removal,)
