"""How far the judging of bookings has come after a verdict."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from composer.decision import CarryOver, Silence, Silent, Tell, Verdict, Wait
from composer.history import History
from shared.inbox import Mark, circle_of
from shared.messages import FetchedBooking


def marks_after(
    verdict: Verdict, fetched: FetchedBooking, history: History, now: datetime
) -> Iterator[Mark]:
    """The marks that `verdict` changes: of the judged booking, and of one that was replaced."""
    if isinstance(verdict, Silence) and (verdict.reason is Silent.STALE or not verdict.settled):
        return
    judged = _judged(fetched, history.mark(fetched.booking.digest))
    if isinstance(verdict, Wait):
        yield _awaiting(judged, verdict, history.mark(judged.booking), now)
    elif isinstance(verdict, Silence):
        yield judged
    else:
        yield from _told(verdict, judged, fetched, history)


def _judged(fetched: FetchedBooking, before: Mark | None) -> Mark:
    """Nothing is awaited any more, and the newest fetch counts."""
    return Mark(
        booking=fetched.booking.digest,
        circle=circle_of(fetched.booking),
        fetched_at=max(fetched.fetched_at, before.fetched_at) if before else fetched.fetched_at,
        gone=fetched.details is None,
        received_at=fetched.received_at,
        successor=before.successor if before else None,
    )


def _awaiting(judged: Mark, verdict: Wait, before: Mark | None, now: datetime) -> Mark:
    """A wait counts from its beginning, however often it is looked at."""
    if before and before.awaiting is verdict.awaiting:
        return replace(
            judged,
            awaiting=before.awaiting,
            awaiting_since=before.awaiting_since,
            received_at=before.received_at,
        )
    return replace(judged, awaiting=verdict.awaiting, awaiting_since=now)


def _told(
    verdict: Tell | CarryOver, judged: Mark, fetched: FetchedBooking, history: History
) -> Iterator[Mark]:
    told = verdict.booking.digest
    if verdict.replaces == judged.booking:  # a removal that came due, told of its successor
        yield replace(judged, successor=told)
        return
    yield replace(judged, successor=None)
    if verdict.replaces:
        yield _replaced(verdict.replaces, told, fetched, history)


def _replaced(old: str, successor: str, fetched: FetchedBooking, history: History) -> Mark:
    """Gone for as long as no fetch newer than its successor's says otherwise."""
    before = history.mark(old)
    return Mark(
        booking=old,
        circle=circle_of(fetched.booking),
        fetched_at=max(fetched.fetched_at, before.fetched_at) if before else fetched.fetched_at,
        gone=True,
        received_at=fetched.received_at,
        successor=successor,
    )
