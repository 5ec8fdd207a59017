"""What follows from a change that the index has said and of which the source has not answered yet.

The filter stores it before it publishes the change (`shared.store.pending_changes`). Noted in the
watermark of its booking it counts for the judgement of others: a removal may be waited for by what
takes its place, and a creation by the removal whose place it takes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from composer.candidates import still_matters
from composer.history import History
from composer.watermarks import first_seen_at
from shared.booking.inbox import Awaiting, PendingChange, Watermark

#: The fetcher tries for about a day; what has not come then does not come without a replay.
_KEPT = timedelta(days=1)


def with_pending(
    history: History,
    pending: Iterable[PendingChange],
    elsewhere: Iterable[PendingChange],
    now: datetime,
    patience: timedelta,
) -> tuple[History, tuple[Watermark, ...]]:
    """The history in which `pending` are noted, and the watermarks that this changes.

    `elsewhere`: of other patients' bookings with the judged one's id. `patience`: how long a source
    may take to show a creation.
    """
    others = {each.booking: each for each in history.same_id_elsewhere}
    judged = dict(others)
    for change in _undenied(_in_order(elsewhere, now), others, patience):
        others[change.booking] = other = _noted(change, others.get(change.booking), now)
        if change.is_removal and (former := judged.get(change.booking)):
            # What was created in between and never seen may have been an old Update.
            others[change.booking] = replace(other, first_seen_at=former.first_seen_at)
    known = replace(history, same_id_elsewhere=tuple(others.values()))
    before_all = {each.booking: each for each in history.watermarks}
    changed: dict[str, Watermark] = {}
    created_again: dict[str, datetime] = {}
    for change in _undenied(_in_order(pending, now), before_all, patience):
        before = changed.get(change.booking) or history.watermark(change.booking)
        if _matters(change, before, known, now):
            changed[change.booking] = _noted(change, before, now)
        elif not change.is_removal and before and before.awaiting is Awaiting.REMOVAL:
            created_again[change.booking] = change.received_at
    watermarks = before_all | changed
    noted = replace(known, watermarks=tuple(watermarks.values()), created_again=created_again)
    return noted, tuple(changed.values())


def _in_order(changes: Iterable[PendingChange], now: datetime) -> list[PendingChange]:
    recent = (each for each in changes if each.received_at >= now - _KEPT)
    return sorted(recent, key=lambda each: each.received_at)


def _undenied(
    changes: Iterable[PendingChange], judged: Mapping[str, Watermark], patience: timedelta
) -> list[PendingChange]:
    """Without creations that their sources have denied when they must have shown them: beside a
    removal that is awaited, a creation stays pending."""

    def is_denied(change: PendingChange) -> bool:
        before = judged.get(change.booking)
        shown = change.received_at + patience
        return not change.is_removal and bool(before and before.gone and before.fetched_at >= shown)

    return [each for each in changes if not is_denied(each)]


def _matters(
    change: PendingChange, before: Watermark | None, history: History, now: datetime
) -> bool:
    """A removal that is not awaited yet; a creation that may take the place of something in which a
    patient believes."""
    if change.is_removal:
        return before is None or before.awaiting is not Awaiting.REMOVAL
    if (before and before.awaiting) or history.standing(change.booking):
        return False
    is_believed = any(
        still_matters(each, now)
        for each in history.announcements
        if history.standing(each.booking) is each
    )
    return is_believed or bool(history.same_id_elsewhere)


def _noted(change: PendingChange, before: Watermark | None, now: datetime) -> Watermark:
    """The watermark with which `change` is awaited."""
    is_removal = change.is_removal
    seen = before.first_seen_at if before else None
    return Watermark(
        booking=change.booking,
        patient_bookings=change.patient_bookings,
        same_id=change.same_id,
        fetched_at=_fetched_at(change, before),
        gone=not is_removal,
        received_at=change.received_at,
        notification_id=change.notification_id,
        first_seen_at=seen if is_removal else first_seen_at(change.received_at, before),
        removed_at=change.received_at if is_removal else (before.removed_at if before else None),
        awaiting=Awaiting.REMOVAL if is_removal else Awaiting.CREATION,
        awaiting_since=now,
        successor=before.successor if before else None,
        unit=change.unit,
    )


def _fetched_at(change: PendingChange, before: Watermark | None) -> datetime:
    if before is None:
        return change.received_at
    return before.fetched_at if change.is_removal else max(before.fetched_at, change.received_at)
