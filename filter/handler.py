"""The decision: which changes a notification holds for us."""

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import Protocol

from filter.rules import (
    SCHEDULING,
    Change,
    Dropped,
    DropReason,
    Event,
    is_scheduling,
    one_per_booking,
    pair,
    spell,
    why_not_ours,
)
from shared.booking.identity import hsa_key
from shared.booking.messages import BookingChange, Notification
from shared.relay.outcomes import Drop, Outcome, Publish


class ActivatedSources(Protocol):
    """The register of activated booking systems.

    `find_all` answers which of `hsa_ids` are activated here, by `hsa_key`, as it stands after the
    call began. Raises `Unavailable` when that cannot be known; the notifications then wait.
    """

    def find_all(self, hsa_ids: Iterable[str]) -> Container[str]: ...


class ReportDropped(Protocol):
    """Counts and logs the engagements of a notification that went no further for one `reason`.

    `systems`: how many of each booking system (`hsa_key`).
    """

    def __call__(
        self, notification: Notification, reason: DropReason, systems: Mapping[str, int]
    ) -> None: ...


class Filter:
    """Notification in; one change for each booking of ours out."""

    def __init__(self, sources: ActivatedSources, report_dropped: ReportDropped) -> None:
        self._sources = sources
        self._report_dropped = report_dropped

    def __call__(self, notification: Notification) -> Outcome:
        [outcome] = self.handle_batch([notification])
        return outcome

    def handle_batch(self, several: Sequence[Notification]) -> list[Outcome]:
        """The outcome of each. All of them ask the register once: a flood of notifications of
        systems that are not activated would read it as often otherwise."""
        engagements = (one for notification in several for one in notification.engagements)
        systems = {one.source_system for one in engagements if is_scheduling(one)}
        activated = self._sources.find_all(systems)
        return [self._handle(notification, activated) for notification in several]

    def _handle(self, notification: Notification, activated: Container[str]) -> Outcome:
        ours, foreign = _split(notification, activated)
        events, needless = one_per_booking(ours)
        if foreign or needless:
            dropped = [*foreign, *needless]
            self._report(notification, dropped)
            if not events:
                return Drop(_common_reason({reason for reason, _ in dropped}))
        return Publish(tuple(_message(notification, change) for change in pair(events)))

    def _report(self, notification: Notification, dropped: Sequence[Dropped]) -> None:
        systems: dict[DropReason, Counter[str]] = defaultdict(Counter)
        for reason, engagement in dropped:
            systems[reason][hsa_key(engagement.source_system)] += 1
        for reason, numbers in systems.items():
            self._report_dropped(notification, reason, numbers)


def _split(
    notification: Notification, activated: Container[str]
) -> tuple[list[Event], list[Dropped]]:
    """The events that are ours, and the engagements that are not, with the reason."""
    ours: list[Event] = []
    foreign: list[Dropped] = []
    for position, engagement in enumerate(notification.engagements):
        reason = why_not_ours(engagement, activated)
        if reason is None:
            ours.append(Event(position, engagement))
        else:
            foreign.append(Dropped(reason, engagement))
    return ours, foreign


def _common_reason(reasons: Collection[DropReason]) -> DropReason:
    return next(iter(reasons)) if len(reasons) == 1 else DropReason.NOTHING_OURS


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
        replaces=change.replaces,
    )
