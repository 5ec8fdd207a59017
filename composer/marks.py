"""How far the judging of bookings has come after a verdict."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from composer.decision import (
    CarryOver,
    Silence,
    Silent,
    Tell,
    Verdict,
    Wait,
    is_settled,
    replaced_by,
    takes_over,
)
from composer.history import History
from shared.booking.identity import BookingKey
from shared.booking.inbox import Awaiting, Mark, circle_of
from shared.booking.messages import FetchedBooking


def marks_after(
    verdict: Verdict, fetched: FetchedBooking, history: History, now: datetime
) -> Iterator[Mark]:
    """The marks that `verdict` changes: of the judged booking, and of one that was replaced."""
    if not isinstance(verdict, Silence) or (verdict.settled and verdict.reason is not Silent.STALE):
        yield _own(verdict, fetched, history.mark(fetched.booking.digest), now)
    yield from _others(verdict, fetched, history)


def _own(verdict: Verdict, fetched: FetchedBooking, before: Mark | None, now: datetime) -> Mark:
    """Of the judged booking: nothing is awaited any more, unless the verdict is to wait."""
    mark = Mark(
        booking=fetched.booking.digest,
        circle=circle_of(fetched.booking),
        fetched_at=max(fetched.fetched_at, before.fetched_at) if before else fetched.fetched_at,
        gone=fetched.details is None,
        received_at=fetched.received_at,
        successor=before.successor if before else None,
    )
    match verdict:
        case Wait():
            return _awaiting(mark, verdict, before, now)
        case Silence(Silent.GONE_AT_SOURCE) if before and before.awaiting is Awaiting.REMOVAL:
            return replace(before, fetched_at=mark.fetched_at)  # an old creation, sent once more
        case Silence():
            return mark
        case _:  # told under its own key, or as the one that took its place
            told = verdict.booking.digest
            return replace(mark, successor=told if verdict.replaces == mark.booking else None)


def _awaiting(mark: Mark, verdict: Wait, before: Mark | None, now: datetime) -> Mark:
    """A wait counts from its beginning, however often it is looked at."""
    if before and before.awaiting is verdict.awaiting:
        return replace(
            mark,
            awaiting=before.awaiting,
            awaiting_since=before.awaiting_since,
            received_at=before.received_at,
        )
    return replace(mark, awaiting=verdict.awaiting, awaiting_since=now)


def _others(verdict: Verdict, fetched: FetchedBooking, history: History) -> Iterator[Mark]:
    """Of a booking whose place the judged one took, or that the same request removed."""
    own = fetched.booking.digest
    old = replaced_by(fetched, history)
    if old and takes_over(verdict, old.digest):
        yield replace(_gone_since_the_request(old, fetched, history), successor=own)
    elif old and is_settled(old.digest, history):
        yield _gone_since_the_request(old, fetched, history)
    elif (mark := _paired(verdict, history)) and mark.booking != own:
        yield replace(mark, awaiting=None, awaiting_since=None, successor=own)


def _gone_since_the_request(old: BookingKey, fetched: FetchedBooking, history: History) -> Mark:
    """Removed before ingest took the request: what was fetched of it before that is stale."""
    before = history.mark(old.digest)
    as_of = fetched.received_at
    return Mark(
        booking=old.digest,
        circle=circle_of(old),
        fetched_at=max(as_of, before.fetched_at) if before else as_of,
        gone=True,
        received_at=as_of,
        successor=before.successor if before else None,
    )


def _paired(verdict: Verdict, history: History) -> Mark | None:
    """Of the booking, removed by a request of its own, whose successor is told."""
    replaces = verdict.replaces if isinstance(verdict, Tell | CarryOver) else None
    return history.mark(replaces) if replaces else None
