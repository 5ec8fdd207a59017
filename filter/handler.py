"""The decision: which changes a notification holds for us."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Protocol

from filter.refused import Verdict, by_system, explained, reread
from filter.rules import (
    Change,
    DropReason,
    Event,
    changes_of,
    one_per_booking,
    why_not_ours,
)
from shared.base.ids import spell
from shared.booking.identity import SCHEDULING
from shared.booking.messages import BookingChange, FetchedBooking, Notification
from shared.relay.outcomes import DeadLetter, Drop, Outcome, Publish


class ActivatedSources(Protocol):
    """The register: `find` answers None for a system that is not activated here.

    Raises `Unavailable` when that cannot be known; the notification then waits.
    """

    def find(self, hsa_id: str) -> object | None: ...


class CountDropped(Protocol):
    """Counts `number` engagements that went no further."""

    def __call__(self, reason: DropReason, number: int) -> None: ...


class ReportRefused(Protocol):
    """Counts and logs refused engagements of one system. `kept`: as a dead letter."""

    def __call__(self, odd: tuple[Verdict, ...], *, activated: bool, kept: bool) -> None: ...


class DeadReason(StrEnum):
    """Why people must look."""

    ENGAGEMENT_REFUSED = "engagement_refused"  # of a system that is or may be activated


class Filter:
    """Notification in; one change for each booking of ours out.

    Engagements that ingest refused never hold up the others: they go on by themselves, as a
    notification for each booking system, and are judged when that comes back here.
    """

    def __init__(
        self,
        sources: ActivatedSources,
        count_dropped: CountDropped,
        report_refused: ReportRefused,
    ) -> None:
        self._sources = sources
        self._count_dropped = count_dropped
        self._report_refused = report_refused

    def __call__(self, notification: Notification) -> Outcome:
        if not notification.refused:
            return self._passed_on(notification)
        taken, odd = reread(notification.refused)
        engagements = (*notification.engagements, *taken)
        apart = tuple(by_system(notification, odd))
        if len(apart) == 1 and not engagements:
            return self._refused(odd)
        if not engagements:
            return Publish(apart)
        outcome = self._passed_on(
            notification.model_copy(update={"engagements": engagements, "refused": ()})
        )
        changes = outcome.messages if isinstance(outcome, Publish) else ()
        return Publish((*changes, *apart)) if apart else outcome

    def _refused(self, odd: tuple[Verdict, ...]) -> Outcome:
        """All of them are of one system. One that cannot be read may be activated."""
        source = odd[0].source_system
        activated = bool(source) and self._is_activated(source)
        kept = activated or not source
        self._report_refused(odd, activated=activated, kept=kept)
        if kept:
            return DeadLetter(DeadReason.ENGAGEMENT_REFUSED, explained(odd))
        self._count_dropped(DropReason.NOT_ACTIVATED, len(odd))
        return Drop(DropReason.NOT_ACTIVATED)

    def _passed_on(self, notification: Notification) -> Outcome:
        ours, foreign = self._split(notification)
        events, needless = one_per_booking(ours)
        if foreign or needless:
            dropped = Counter([*foreign, *needless])
            for reason, number in dropped.items():
                self._count_dropped(reason, number)
            if not events:
                return Drop(_common_reason(dropped))
        changes = [_message(notification, change) for change in changes_of(events)]
        return Publish((*map(_removal_taken, _removals(changes)), *changes))

    def _split(self, notification: Notification) -> tuple[list[Event], list[DropReason]]:
        """The events that are ours, and the reasons why the others are not."""
        ours: list[Event] = []
        foreign: list[DropReason] = []
        for position, engagement in enumerate(notification.engagements):
            reason = why_not_ours(engagement, self._is_activated)
            if reason is None:
                ours.append(Event(position, engagement))
            else:
                foreign.append(reason)
        return ours, foreign

    def _is_activated(self, hsa_id: str) -> bool:
        return self._sources.find(hsa_id) is not None


def _common_reason(dropped: Mapping[DropReason, int]) -> DropReason:
    return next(iter(dropped)) if len(dropped) == 1 else DropReason.NOTHING_OURS


def _message(notification: Notification, change: Change) -> BookingChange:
    """Its id follows from its place in the request: the same on redelivery, whatever the register
    says by then."""
    engagement = change.event.engagement
    return BookingChange(
        notification_id=notification.notification_id,
        correlation_id=notification.correlation_id,
        received_at=notification.received_at,
        change_id=f"{notification.notification_id}-{spell(change.event.position)}",
        booking=engagement.booking,
        deleted=engagement.deleted,
        service_domain=SCHEDULING,
        most_recent_content=engagement.most_recent_content,
        same_request=change.same_request,
        corrected=change.event.corrects,
        renumbered=change.renumbered,
    )


def _removals(changes: Iterable[BookingChange]) -> Iterator[BookingChange]:
    return (change for change in changes if change.deleted)


def _removal_taken(change: BookingChange) -> FetchedBooking:
    """Tells the composer of a removal before its source has answered, which may take a while."""
    said = {**change.said, "change_id": f"{change.change_id}.taken"}
    return FetchedBooking(**said, fetched_at=change.received_at, details=None, asked=False)
